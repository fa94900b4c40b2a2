extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{
    AcquireError, Admission, AtomicU32, Close, Credits, OverRelease, Released, ResizeError, TooMany, Turn,
    Word,
};

const CLOSED: u32 = Word::CLOSED;
const WAITERS: u32 = Word::WAITERS;
const MAX: u32 = Word::COUNT;

const fn word(flags: u32, capacity: u32, taken: u32) -> u32 {
    flags | (capacity << 15) | taken
}

fn credits(word: u32) -> Credits {
    Credits {
        word: AtomicU32::new(word),
    }
}

fn word_of(credits: Credits) -> u32 {
    credits.word.into_inner()
}

/// Flags, capacity and taken: each flag combination with nothing, some, all and more than all taken, and the edges.
const STATES: [(u32, u32, u32); 24] = [
    (0, 3, 0),
    (0, 3, 2),
    (0, 3, 3),
    (0, 3, 5),
    (0, 0, 0),
    (0, MAX, MAX),
    (WAITERS, 3, 0),
    (WAITERS, 3, 2),
    (WAITERS, 3, 3),
    (WAITERS, 3, 5),
    (WAITERS, 0, 0),
    (WAITERS, MAX, MAX),
    (CLOSED, 3, 0),
    (CLOSED, 3, 2),
    (CLOSED, 3, 3),
    (CLOSED, 3, 5),
    (CLOSED, 0, 0),
    (CLOSED, MAX, MAX),
    (CLOSED | WAITERS, 3, 0),
    (CLOSED | WAITERS, 3, 2),
    (CLOSED | WAITERS, 3, 3),
    (CLOSED | WAITERS, 3, 5),
    (CLOSED | WAITERS, 0, 0),
    (CLOSED | WAITERS, MAX, MAX),
];

/// Runs `operation` on each state and compares answer and word with `expected`, in the order of `STATES`.
fn each_state<A: Copy + core::fmt::Debug + PartialEq>(
    operation: impl Fn(&Credits) -> A,
    expected: [(A, (u32, u32, u32)); 24],
) {
    for ((flags, capacity, taken), (answer, after)) in STATES.into_iter().zip(expected) {
        let credits = credits(word(flags, capacity, taken));
        assert_eq!(operation(&credits), answer, "from {credits:?}");
        let after = self::credits(word(after.0, after.1, after.2));
        assert_eq!(format!("{credits:?}"), format!("{after:?}"));
        assert_eq!(word_of(credits), word_of(after));
    }
}

/// The same answer on all closed states, which do not change.
fn closed_unchanged<A: Copy>(answer: A, open: [(A, (u32, u32, u32)); 12]) -> [(A, (u32, u32, u32)); 24] {
    core::array::from_fn(|index| {
        if index < 12 {
            open[index]
        } else {
            (answer, STATES[index])
        }
    })
}

#[test]
fn try_acquire_in_every_state() {
    let short = |free| Err(AcquireError::Short { free });
    let queued = Err(AcquireError::Queued);
    each_state(
        |credits| credits.try_acquire(1),
        closed_unchanged(
            Err(AcquireError::Closed),
            [
                (Ok(()), (0, 3, 1)),
                (Ok(()), (0, 3, 3)),
                (short(0), (0, 3, 3)),
                (short(0), (0, 3, 5)),
                (short(0), (0, 0, 0)),
                (short(0), (0, MAX, MAX)),
                (queued, (WAITERS, 3, 0)),
                (queued, (WAITERS, 3, 2)),
                (short(0), (WAITERS, 3, 3)),
                (short(0), (WAITERS, 3, 5)),
                (short(0), (WAITERS, 0, 0)),
                (short(0), (WAITERS, MAX, MAX)),
            ],
        ),
    );
}

#[test]
fn try_acquire_takes_all_or_none() {
    let table = [
        (0, Ok(()), 0),
        (3, Ok(()), 3),
        (4, Err(AcquireError::Short { free: 3 }), 0),
        (MAX, Err(AcquireError::Short { free: 3 }), 0),
        (MAX + 1, Err(AcquireError::TooMany), 0),
        (u32::MAX, Err(AcquireError::TooMany), 0),
    ];
    for (wanted, answer, taken) in table {
        let credits = credits(word(0, 3, 0));
        assert_eq!(credits.try_acquire(wanted), answer, "{wanted} of 3");
        assert_eq!(word_of(credits), word(0, 3, taken), "{wanted} of 3");
    }
    let all = credits(word(0, MAX, 0));
    assert_eq!(all.try_acquire(MAX), Ok(()));
    assert_eq!(word_of(all), word(0, MAX, MAX));
}

#[test]
fn register_as_newcomer_in_every_state() {
    let registered = Ok(Admission::Registered);
    each_state(
        |credits| credits.try_acquire_or_register(1, Turn::Newcomer),
        closed_unchanged(
            Err(AcquireError::Closed),
            [
                (Ok(Admission::Taken), (0, 3, 1)),
                (Ok(Admission::Taken), (0, 3, 3)),
                (registered, (WAITERS, 3, 3)),
                (registered, (WAITERS, 3, 5)),
                (registered, (WAITERS, 0, 0)),
                (registered, (WAITERS, MAX, MAX)),
                (registered, (WAITERS, 3, 0)),
                (registered, (WAITERS, 3, 2)),
                (registered, (WAITERS, 3, 3)),
                (registered, (WAITERS, 3, 5)),
                (registered, (WAITERS, 0, 0)),
                (registered, (WAITERS, MAX, MAX)),
            ],
        ),
    );
}

#[test]
fn register_as_head_in_every_state() {
    let registered = Ok(Admission::Registered);
    each_state(
        |credits| credits.try_acquire_or_register(1, Turn::Head),
        closed_unchanged(
            Err(AcquireError::Closed),
            [
                (Ok(Admission::Taken), (0, 3, 1)),
                (Ok(Admission::Taken), (0, 3, 3)),
                (registered, (WAITERS, 3, 3)),
                (registered, (WAITERS, 3, 5)),
                (registered, (WAITERS, 0, 0)),
                (registered, (WAITERS, MAX, MAX)),
                (Ok(Admission::Taken), (WAITERS, 3, 1)),
                (Ok(Admission::Taken), (WAITERS, 3, 3)),
                (registered, (WAITERS, 3, 3)),
                (registered, (WAITERS, 3, 5)),
                (registered, (WAITERS, 0, 0)),
                (registered, (WAITERS, MAX, MAX)),
            ],
        ),
    );
}

#[test]
fn register_behind_others_in_every_state() {
    let registered = |capacity, taken| (Ok(Admission::Registered), (WAITERS, capacity, taken));
    each_state(
        |credits| credits.try_acquire_or_register(1, Turn::Behind),
        closed_unchanged(
            Err(AcquireError::Closed),
            [
                registered(3, 0),
                registered(3, 2),
                registered(3, 3),
                registered(3, 5),
                registered(0, 0),
                registered(MAX, MAX),
                registered(3, 0),
                registered(3, 2),
                registered(3, 3),
                registered(3, 5),
                registered(0, 0),
                registered(MAX, MAX),
            ],
        ),
    );
}

#[test]
fn register_refuses_what_can_never_be_served() {
    for turn in [Turn::Newcomer, Turn::Behind, Turn::Head] {
        let credits = credits(word(0, 3, 3));
        assert_eq!(
            credits.try_acquire_or_register(MAX + 1, turn),
            Err(AcquireError::TooMany)
        );
        assert_eq!(word_of(credits), word(0, 3, 3));
    }
}

#[test]
fn release_in_every_state() {
    let none = Err(OverRelease { taken: 0 });
    let go_on = Ok(Released::Continue);
    let wake = |free| Ok(Released::Wake { free });
    each_state(
        |credits| credits.release(1),
        [
            (none, (0, 3, 0)),
            (go_on, (0, 3, 1)),
            (go_on, (0, 3, 2)),
            (go_on, (0, 3, 4)),
            (none, (0, 0, 0)),
            (go_on, (0, MAX, MAX - 1)),
            (none, (WAITERS, 3, 0)),
            (wake(2), (WAITERS, 3, 1)),
            (wake(1), (WAITERS, 3, 2)),
            (go_on, (WAITERS, 3, 4)),
            (none, (WAITERS, 0, 0)),
            (wake(1), (WAITERS, MAX, MAX - 1)),
            (none, (CLOSED, 3, 0)),
            (go_on, (CLOSED, 3, 1)),
            (go_on, (CLOSED, 3, 2)),
            (go_on, (CLOSED, 3, 4)),
            (none, (CLOSED, 0, 0)),
            (go_on, (CLOSED, MAX, MAX - 1)),
            (none, (CLOSED | WAITERS, 3, 0)),
            (go_on, (CLOSED | WAITERS, 3, 1)),
            (go_on, (CLOSED | WAITERS, 3, 2)),
            (go_on, (CLOSED | WAITERS, 3, 4)),
            (none, (CLOSED | WAITERS, 0, 0)),
            (go_on, (CLOSED | WAITERS, MAX, MAX - 1)),
        ],
    );
}

#[test]
fn release_of_more_than_is_taken_changes_nothing() {
    for count in [3, 4, MAX, MAX + 1, u32::MAX] {
        let credits = credits(word(0, 5, 2));
        assert_eq!(credits.release(count), Err(OverRelease { taken: 2 }));
        assert_eq!(word_of(credits), word(0, 5, 2));
    }
}

#[test]
fn resize_in_every_state() {
    let go_on = Ok(Released::Continue);
    let wake = |free| Ok(Released::Wake { free });
    each_state(
        |credits| credits.resize(4),
        closed_unchanged(
            Err(ResizeError::Closed),
            [
                (go_on, (0, 4, 0)),
                (go_on, (0, 4, 2)),
                (go_on, (0, 4, 3)),
                (go_on, (0, 4, 5)),
                (go_on, (0, 4, 0)),
                (go_on, (0, 4, MAX)),
                (wake(4), (WAITERS, 4, 0)),
                (wake(2), (WAITERS, 4, 2)),
                (wake(1), (WAITERS, 4, 3)),
                (go_on, (WAITERS, 4, 5)),
                (wake(4), (WAITERS, 4, 0)),
                (go_on, (WAITERS, 4, MAX)),
            ],
        ),
    );
}

#[test]
fn resize_at_the_edge_of_the_word() {
    let credits = credits(word(0, 3, 2));
    assert_eq!(credits.resize(MAX), Ok(Released::Continue));
    assert_eq!(credits.capacity(), MAX);
    for capacity in [MAX + 1, u32::MAX] {
        assert_eq!(credits.resize(capacity), Err(ResizeError::TooMany));
    }
    assert_eq!(word_of(credits), word(0, MAX, 2));
}

#[test]
fn debt_is_paid_before_anybody_takes() {
    let credits = credits(word(0, 3, 3));
    assert_eq!(credits.resize(1), Ok(Released::Continue));
    assert_eq!((credits.debt(), credits.free()), (2, 0));
    for debt in [1, 0] {
        assert_eq!(credits.release(1), Ok(Released::Continue));
        assert_eq!(credits.debt(), debt);
        assert_eq!(credits.try_acquire(1), Err(AcquireError::Short { free: 0 }));
    }
    assert_eq!(credits.release(1), Ok(Released::Continue));
    assert_eq!(credits.try_acquire(1), Ok(()));
}

#[test]
fn pass_on_in_every_state() {
    let go_on = Released::Continue;
    let wake = |free| Released::Wake { free };
    let open = [
        go_on,
        go_on,
        go_on,
        go_on,
        go_on,
        go_on,
        wake(3),
        wake(1),
        go_on,
        go_on,
        go_on,
        go_on,
    ];
    each_state(
        Credits::pass_on,
        closed_unchanged(go_on, core::array::from_fn(|index| (open[index], STATES[index]))),
    );
}

#[test]
fn hush_in_every_state() {
    each_state(
        Credits::hush,
        STATES.map(|(flags, capacity, taken)| ((), (flags & CLOSED, capacity, taken))),
    );
}

#[test]
fn close_in_every_state() {
    each_state(
        Credits::close,
        STATES.map(|(flags, capacity, taken)| {
            let answer = match flags {
                0 => Close::Continue,
                WAITERS => Close::Wake,
                _ => Close::Already,
            };
            (answer, (flags | CLOSED, capacity, taken))
        }),
    );
}

#[test]
fn queries_in_every_state() {
    for (flags, capacity, taken) in STATES {
        let credits = credits(word(flags, capacity, taken));
        assert_eq!(credits.capacity(), capacity);
        assert_eq!(credits.taken(), taken);
        assert_eq!(
            i64::from(credits.free()),
            (i64::from(capacity) - i64::from(taken)).max(0)
        );
        assert_eq!(
            i64::from(credits.debt()),
            (i64::from(taken) - i64::from(capacity)).max(0)
        );
        assert_eq!(credits.is_closed(), flags & CLOSED != 0);
    }
}

#[test]
fn new_refuses_what_one_word_cannot_count() {
    assert!(matches!(Credits::new(0), Ok(credits) if credits.capacity() == 0));
    assert!(matches!(Credits::new(MAX), Ok(credits) if credits.free() == MAX));
    assert!(matches!(Credits::new(MAX + 1), Err(TooMany)));
    assert!(matches!(Credits::new(u32::MAX), Err(TooMany)));
    assert_eq!(word_of(Credits::of::<{ Credits::MAX }>()), word(0, MAX, 0));
}

#[test]
fn debug_decodes_the_state() {
    assert_eq!(
        format!("{:?}", credits(word(WAITERS, 3, 2))),
        "Credits { closed: false, waiters: true, capacity: 3, taken: 2 }"
    );
}

#[test]
fn errors_say_what_to_do() {
    assert_eq!(
        AcquireError::Short { free: 2 }.to_string(),
        "only 2 credits are free; wait for a release"
    );
    assert!(AcquireError::Closed.to_string().contains("give up"));
    assert!(AcquireError::Queued.to_string().contains("queue behind"));
    assert_eq!(AcquireError::TooMany.to_string(), TooMany.to_string());
    assert_eq!(ResizeError::TooMany.to_string(), TooMany.to_string());
    assert!(ResizeError::Closed.to_string().contains("make new ones"));
    assert!(TooMany.to_string().contains("32767"));
    assert!(OverRelease { taken: 4 }.to_string().contains("only 4"));
}

#[test]
fn takes_four_bytes() {
    assert_eq!(size_of::<Credits>(), 4);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Credits>();
}
