//! Races on the last stamp of a hybrid clock.
#![cfg(sweet_loom)]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::Tick;
use sweet_async_core::hybrid_clock::{HybridClock, Stamp};

/// The last tick before the wrap.
const LAST: Tick = Tick::new(u32::MAX);

fn clock() -> Arc<HybridClock> {
    Arc::new(HybridClock::of::<5>(LAST))
}

/// Race: three callers stamp an event, one of them after the wrap. Holds: H1.
#[test]
fn stamps_differ() {
    let model = Model {
        name: "hybrid_clock::stamps_differ",
        holds: "H1",
        threads: 3,
        preemptions: None,
        witnesses: &["the later tick last", "the later tick not last"],
    };
    check(model, |witness| {
        let clock = clock();
        let others = [LAST, LAST.after(1)].map(|now| {
            let clock = Arc::clone(&clock);
            thread::spawn(move || clock.tick(now).unwrap())
        });
        let mine = clock.tick(LAST).unwrap();
        let [other, later] = others.map(|other| other.join().unwrap());
        assert!(
            mine != other && other != later && mine != later,
            "two events have one stamp"
        );
        let last = clock.last();
        for stamp in [mine, other, later] {
            assert!(!last.is_before(stamp), "the clock went back");
        }
        witness.saw(if last == later {
            "the later tick last"
        } else {
            "the later tick not last"
        });
    });
}

/// Race: a message from ahead is merged ∥ two events are stamped, the second further ahead. Holds: H1, H2, H3.
#[test]
fn merge_against_events() {
    let model = Model {
        name: "hybrid_clock::merge_against_events",
        holds: "H1, H2, H3",
        threads: 2,
        preemptions: None,
        witnesses: &["events before", "events after", "merge between"],
    };
    check(model, |witness| {
        let clock = clock();
        // Three ticks ahead of here, which is after the wrap.
        let remote = Stamp::from_bits(LAST.after(3).count() << 10 | 7);
        let events = thread::spawn({
            let clock = Arc::clone(&clock);
            move || [LAST, LAST.after(4)].map(|now| clock.tick(now).unwrap())
        });
        let merged = clock.merge(remote, LAST).unwrap();
        let [first, second] = events.join().unwrap();
        assert!(remote.is_before(merged), "the receipt is not after the message");
        assert!(first.is_before(second), "the clock went back");
        let last = clock.last();
        assert!(
            !last.is_before(second) && !last.is_before(merged),
            "the clock went back"
        );
        witness.saw(match (first.is_before(merged), second.is_before(merged)) {
            (true, true) => "events before",
            (true, false) => "merge between",
            (false, _) => "events after",
        });
    });
}

/// Race: a message from too far ahead is refused ∥ an event is stamped. Holds: H3, H4.
#[test]
fn skew_changes_nothing() {
    let model = Model {
        name: "hybrid_clock::skew_changes_nothing",
        holds: "H3, H4",
        threads: 3,
        preemptions: None,
        witnesses: &["refused"],
    };
    check(model, |witness| {
        let clock = clock();
        let remote = Stamp::from_bits(LAST.after(6).count() << 10);
        let others = [(); 2].map(|()| {
            let clock = Arc::clone(&clock);
            thread::spawn(move || clock.tick(LAST).unwrap())
        });
        let refused = clock.merge(remote, LAST).unwrap_err();
        assert_eq!(refused.ahead, 6);
        for other in others {
            assert!(other.join().unwrap().logical() <= 2, "the refused left its mark");
        }
        assert_eq!(clock.last().logical(), 2);
        witness.saw("refused");
    });
}
