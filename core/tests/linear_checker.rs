//! The checker of histories itself: it explains what can be explained, and finds what cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod linear;

use std::sync::Mutex;
use std::thread;

use linear::{Event, History, Recorder, Spec, explain, first_unexplained, overlaps};

/// What a row of a table holds: when it was called, when it was answered, the operation and its answer.
type Row = (u64, u64, Operation, u32);

/// A number that can be read, written and counted up.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Register(u32);

#[derive(Clone, Copy, Debug)]
enum Operation {
    Read,
    Write(u32),
    /// Answers the number before.
    Count,
}

impl Spec for Register {
    type Operation = Operation;
    type Answer = u32;

    fn after(&self, operation: &Operation, answer: &u32) -> Vec<Self> {
        let (expected, next) = match *operation {
            Operation::Read => (self.0, self.0),
            Operation::Write(value) => (value, value),
            Operation::Count => (self.0, self.0 + 1),
        };
        if expected == *answer {
            vec![Self(next)]
        } else {
            Vec::new()
        }
    }
}

fn history(events: &[Row]) -> History<Register> {
    events
        .iter()
        .map(|&(called, answered, operation, answer)| Event {
            called,
            answered,
            operation,
            answer,
        })
        .collect()
}

#[test]
fn histories_with_an_explanation() {
    use Operation::{Count, Read, Write};
    let table: &[(&str, &[Row])] = &[
        ("nothing at all", &[]),
        ("one after the other", &[(0, 1, Write(3), 3), (2, 3, Read, 3)]),
        (
            "a read overlaps the write and comes before it",
            &[(0, 3, Write(3), 3), (1, 2, Read, 0)],
        ),
        (
            "a read overlaps the write and comes after it",
            &[(0, 3, Write(3), 3), (1, 2, Read, 3)],
        ),
        (
            "two counts in the other order than they were called",
            &[(0, 3, Count, 1), (1, 2, Count, 0)],
        ),
        (
            "the write takes effect between two reads",
            &[(0, 9, Write(3), 3), (1, 2, Read, 0), (3, 4, Read, 3)],
        ),
        (
            "the first order that is tried is the wrong one",
            &[(0, 9, Write(1), 1), (1, 8, Write(2), 2), (10, 11, Read, 1)],
        ),
    ];
    for (what, events) in table {
        assert!(explain(&Register(0), &history(events)).is_some(), "{what}");
    }
}

#[test]
fn histories_without_an_explanation() {
    use Operation::{Count, Read, Write};
    let table: &[(&str, &[Row])] = &[
        ("a read of what nobody wrote", &[(0, 1, Read, 7)]),
        (
            "an old value after the write was answered",
            &[(0, 1, Write(3), 3), (2, 3, Read, 0)],
        ),
        (
            "two counts of the same number",
            &[(0, 3, Count, 0), (1, 2, Count, 0)],
        ),
        (
            "the value goes back",
            &[(0, 9, Write(3), 3), (1, 2, Read, 3), (3, 4, Read, 0)],
        ),
        (
            "two readers see two writes in different orders",
            &[
                (0, 20, Write(1), 1),
                (0, 20, Write(2), 2),
                (1, 2, Read, 1),
                (3, 4, Read, 2),
                (5, 6, Read, 1),
            ],
        ),
        (
            "a count is lost",
            &[(0, 3, Count, 0), (1, 2, Count, 1), (4, 5, Read, 1)],
        ),
    ];
    for (what, events) in table {
        assert!(explain(&Register(0), &history(events)).is_none(), "{what}");
    }
}

#[test]
fn the_order_that_is_found_gives_the_answers() {
    use Operation::{Count, Read, Write};
    let history = history(&[
        (0, 9, Write(5), 5),
        (1, 8, Count, 5),
        (2, 7, Count, 0),
        (10, 11, Read, 6),
    ]);
    let order = explain(&Register(0), &history).unwrap();
    assert_eq!(order, [2, 0, 1, 3]);
}

#[test]
fn as_many_operations_as_one_word_names() {
    let events: Vec<_> = (0..64)
        .map(|index| (0, 1000, Operation::Count, 63 - index))
        .collect();
    assert!(explain(&Register(0), &history(&events)).is_some());
}

#[test]
fn pairs_that_overlap_are_counted() {
    use Operation::Read;
    assert_eq!(overlaps(&history(&[(0, 1, Read, 0), (2, 3, Read, 0)])), 0);
    assert_eq!(
        overlaps(&history(&[(0, 5, Read, 0), (1, 3, Read, 0), (4, 6, Read, 0)])),
        2
    );
}

/// Counts in two steps, which is what it must not do.
struct Broken(Mutex<u32>);

impl Broken {
    fn count(&self) -> u32 {
        let before = *self.0.lock().unwrap();
        thread::yield_now();
        *self.0.lock().unwrap() = before + 1;
        before
    }
}

fn counts(recorder: &mut Recorder<'_, Register>, count: impl Fn() -> u32) {
    for _ in 0..5 {
        recorder.note(Operation::Count, &count);
    }
}

#[test]
fn a_load_and_a_store_instead_of_an_exchange_is_found() {
    let broken = first_unexplained(
        2_000,
        3,
        |_| (Register(0), Broken(Mutex::new(0))),
        |broken, recorder| counts(recorder, || broken.count()),
    );
    assert!(broken.is_some(), "no round lost a count");
    let sound = first_unexplained(
        300,
        3,
        |_| (Register(0), Mutex::new(0)),
        |sound, recorder| {
            counts(recorder, || {
                let mut count = sound.lock().unwrap();
                *count += 1;
                *count - 1
            });
        },
    );
    assert!(sound.is_none(), "{sound:?}");
}
