extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{AtomicU32, Bounds, BoundsError, ConcurrencyLimit, Full, NotEntered, ONE, Outcome, Word};
use crate::limit::{Aimd, Gradient2, Policy, Sample, State, Vegas};

const BUSY: u32 = Word::BUSY;
const DROPPED: u32 = Word::DROPPED;

const fn word(flags: u32, limit: u32, in_flight: u32) -> Word {
    Word(flags | limit << 15 | in_flight)
}

/// Flags and what is in flight of a limit of three: each flag with none, some, all and more than all in flight.
const STATES: [(u32, u32); 12] = [
    (0, 0),
    (0, 2),
    (0, 3),
    (0, 5),
    (BUSY, 0),
    (BUSY, 2),
    (BUSY, 3),
    (BUSY, 5),
    (BUSY | DROPPED, 0),
    (BUSY | DROPPED, 2),
    (BUSY | DROPPED, 3),
    (BUSY | DROPPED, 5),
];

#[test]
fn enter_in_every_state() {
    for (flags, in_flight) in STATES {
        let expected = if in_flight < 3 {
            Ok(word(flags, 3, in_flight + 1))
        } else {
            Err(Full { limit: 3 })
        };
        assert_eq!(
            word(flags, 3, in_flight).enter(),
            expected,
            "{flags:x} {in_flight}"
        );
    }
    assert_eq!(
        word(0, Bounds::MAX, Bounds::MAX - 1).enter(),
        Ok(word(0, Bounds::MAX, Bounds::MAX))
    );
    assert!(word(0, Bounds::MAX, Bounds::MAX).enter().is_err());
}

#[test]
fn leave_in_every_state() {
    let well = Outcome::Ok { latency: 7 };
    for (flags, in_flight) in STATES {
        for outcome in [well, Outcome::Dropped, Outcome::Ignored] {
            let answer = word(flags, 3, in_flight).leave(outcome);
            if in_flight == 0 {
                assert_eq!(answer, Err(NotEntered));
                continue;
            }
            let sample = Sample::Ok {
                latency: 7,
                in_flight,
            };
            let (after, taken) = match (outcome, flags) {
                (Outcome::Ok { .. }, 0) => (BUSY, Some(sample)),
                (Outcome::Dropped, 0) => (BUSY, Some(Sample::Dropped)),
                (Outcome::Ok { .. } | Outcome::Ignored, _) => (flags, None),
                (Outcome::Dropped, _) => (BUSY | DROPPED, None),
            };
            assert_eq!(answer, Ok((word(after, 3, in_flight - 1), taken)));
        }
    }
}

/// Says what it is told to.
#[derive(Clone, Copy)]
struct Says(u32);

impl Policy for Says {
    fn step(&self, state: &mut State, _: Sample) -> u32 {
        state.limit = self.0;
        self.0
    }
}

#[test]
fn stays_in_bounds_whatever_the_policy_says() {
    for (said, limit) in [(0, 2), (2, 2), (4, 4), (5, 5), (6, 5), (u32::MAX, 5)] {
        let machine = ConcurrencyLimit::new(Says(said), Bounds::of::<2, 3, 5>());
        machine.try_acquire().expect("free").ok(1);
        assert_eq!(machine.limit(), limit);
        assert!((2 * ONE..=5 * ONE).contains(&machine.estimate.into_inner()));
    }
}

#[test]
fn a_drop_while_busy_is_taken_up() {
    let machine = ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<1, 8, 8>());
    for _ in 0..2 {
        machine.try_enter().expect("free");
    }
    // Another caller is busy: it left with a sample and has not stepped yet.
    let (busy, sample) = Word(machine.word.into_inner())
        .leave(Outcome::Ok { latency: 1 })
        .expect("entered");
    let machine = ConcurrencyLimit {
        word: AtomicU32::new(busy.0),
        ..ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<1, 8, 8>())
    };
    assert_eq!(machine.leave(Outcome::Dropped), Ok(8));
    assert_eq!(machine.limit(), 8, "left a note");
    assert_eq!(machine.learn(sample.expect("its sample")).0, word(0, 4, 0).0);
}

#[test]
fn drops_of_one_round_shrink_once() {
    let machine = ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<1, 8, 8>());
    for _ in 0..8 {
        machine.try_enter().expect("free");
    }
    for _ in 0..5 {
        assert!(machine.leave(Outcome::Dropped).is_ok());
        assert_eq!(machine.limit(), 4);
    }
    assert!(machine.leave(Outcome::Dropped).is_ok());
    assert_eq!(machine.limit(), 2);
}

#[test]
fn a_permit_gives_back_once() {
    let machine = ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 2, 4>());
    drop(machine.try_acquire());
    assert_eq!((machine.in_flight(), machine.limit()), (0, 2));
    let permit = machine.try_acquire().expect("free");
    assert_eq!(machine.in_flight(), 1);
    assert_eq!(permit.ignored(), 2);
    assert_eq!(machine.in_flight(), 0);
    assert_eq!(machine.leave(Outcome::Dropped), Err(NotEntered));
    assert_eq!(machine.limit(), 2);
    let machine = ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<1, 8, 8>());
    assert_eq!(machine.try_acquire().expect("free").ok(1), 8);
    assert_eq!(machine.try_acquire().expect("free").dropped(), 4);
}

#[test]
fn snapshot_in_every_state() {
    for (flags, in_flight) in STATES {
        let machine = ConcurrencyLimit {
            word: AtomicU32::new(word(flags, 3, in_flight).0),
            ..ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 3, 9>())
        };
        let learned = State {
            limit: 3 * ONE,
            memory: [0; 3],
        };
        let free = flags & BUSY == 0;
        assert_eq!(
            machine.snapshot(),
            free.then_some(learned),
            "{flags:x} {in_flight}"
        );
        assert_eq!(
            machine.word.into_inner(),
            word(flags, 3, in_flight).0,
            "{flags:x} {in_flight}"
        );
    }
}

#[test]
fn restored_it_goes_on_where_it_was() {
    fn goes_on<P: Policy>(policy: P) {
        let bounds = Bounds::of::<2, 10, 60>();
        let before = ConcurrencyLimit::new(policy, bounds);
        let calls = |machine: &ConcurrencyLimit<P>, rounds: core::ops::Range<u32>| {
            for call in rounds {
                for _ in 0..machine.limit() {
                    machine.try_enter().expect("below the limit");
                }
                let latency = 20 + call * 7 % 13 + machine.limit() / 3;
                while machine.in_flight() > 1 {
                    let _ = machine.leave(Outcome::Ok { latency });
                }
                let last = if call % 61 == 0 {
                    Outcome::Dropped
                } else {
                    Outcome::Ok { latency }
                };
                let _ = machine.leave(last);
            }
        };
        calls(&before, 1..301);
        let kept = before.snapshot().expect("nobody is at work");
        // Not in the middle of a probe, which lets fewer in than it remembers.
        assert_eq!(before.limit(), kept.whole());
        let after = ConcurrencyLimit::restore(policy, bounds, kept);
        assert_eq!(after.snapshot(), Some(kept));
        // Drops of the same event as those before are not remembered: the calls begin with none.
        calls(&before, 1..301);
        calls(&after, 1..301);
        assert_eq!(
            (after.limit(), after.snapshot()),
            (before.limit(), before.snapshot())
        );
    }
    goes_on(Aimd::new());
    goes_on(Vegas::new());
    goes_on(Gradient2::new());
}

#[test]
fn any_words_are_a_snapshot() {
    fn makes_do<P: Policy>(policy: P) {
        let bounds = Bounds::of::<2, 10, 60>();
        let odd = [0, 1, 1 << 16, 1 << 31, u32::MAX - 1, u32::MAX];
        let words = odd
            .into_iter()
            .flat_map(|limit| odd.map(|first| (limit, first)))
            .flat_map(|(limit, first)| odd.map(|second| (limit, first, second)))
            .flat_map(|(limit, first, second)| odd.map(|third| (limit, [first, second, third])));
        for (limit, memory) in words {
            let machine = ConcurrencyLimit::restore(policy, bounds, State { limit, memory });
            for latency in [0, 1, 900, u32::MAX] {
                let stays = machine.limit();
                assert!((2..=60).contains(&stays), "{limit} {memory:?}: {stays}");
                machine.try_enter().expect("nothing is in flight");
                let _ = machine.leave(Outcome::Ok { latency });
                machine.try_enter().expect("nothing is in flight");
                let _ = machine.leave(Outcome::Dropped);
            }
        }
    }
    makes_do(Aimd::new());
    makes_do(Vegas::new());
    makes_do(Gradient2::new());
}

#[test]
fn bounds_at_their_limits() {
    assert_eq!(Bounds::new(0, 1, 2), Err(BoundsError::Zero));
    assert_eq!(Bounds::new(2, 1, 3), Err(BoundsError::OutOfOrder));
    assert_eq!(Bounds::new(1, 3, 2), Err(BoundsError::OutOfOrder));
    assert_eq!(Bounds::new(1, 1, Bounds::MAX + 1), Err(BoundsError::TooMany));
    let bounds = Bounds::new(1, 1, Bounds::MAX).expect("in bounds");
    assert_eq!((bounds.min(), bounds.max()), (1, 32_767));
    let bounds = Bounds::of::<2, 3, 5>();
    assert_eq!((bounds.min(), bounds.max()), (2, 5));
}

#[test]
fn debug_decodes_the_word() {
    let machine = ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 2, 4>());
    let _permit = machine.try_acquire().expect("free");
    assert_eq!(
        format!("{machine:?}"),
        "ConcurrencyLimit { limit: 2, in_flight: 1, bounds: Bounds { min: 1, initial: 2, max: 4 }, \
         policy: Aimd { backoff_percent: 90 }, .. }"
    );
}

#[test]
fn errors_say_what_to_do() {
    assert!(Full { limit: 3 }.to_string().contains("wait for one to leave"));
    assert!(NotEntered.to_string().contains("leave once"));
    assert!(BoundsError::Zero.to_string().contains("at least one"));
    assert!(BoundsError::OutOfOrder.to_string().contains("put it there"));
    assert!(BoundsError::TooMany.to_string().contains("32767"));
}

#[test]
fn takes_six_words_its_bounds_and_its_policy() {
    assert_eq!(size_of::<ConcurrencyLimit<Says>>(), 24 + 12 + 4);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<ConcurrencyLimit<Aimd>>();
    assert_both::<super::Permit<'_, Aimd>>();
}
