extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{AtomicU32, HybridClock, Skew, Stamp, TooFar};
use crate::Tick;

/// A stamp by tick and logical part.
const fn stamp(tick: u32, logical: u32) -> Stamp {
    Stamp((tick << 10) + logical)
}

fn clock(last: Stamp) -> HybridClock {
    HybridClock {
        last: AtomicU32::new(last.0),
        bound: 100 << 10,
    }
}

const NOW: Tick = Tick::new(1_000);

#[test]
fn tick_in_every_state() {
    let skew = |ahead| Err(Skew { ahead });
    let table = [
        (stamp(999, 1_023), Ok(stamp(1_000, 0))),
        (stamp(0, 0), Ok(stamp(1_000, 0))),
        (stamp(1_000, 0), Ok(stamp(1_000, 1))),
        (stamp(1_000, 1_023), Ok(stamp(1_001, 0))),
        (stamp(1_099, 1_023), Ok(stamp(1_100, 0))),
        (stamp(1_100, 0), skew(101)),
        (stamp(1_199, 0), skew(200)),
        (stamp(1_200, 0), skew(201)),
        (stamp(1_200, 1), Ok(stamp(1_000, 0))),
        (stamp(3_000_000, 0), Ok(stamp(1_000, 0))),
    ];
    for (last, answer) in table {
        let clock = clock(last);
        assert_eq!(clock.tick(NOW), answer, "after {last:?}");
        assert_eq!(clock.last(), answer.unwrap_or(last), "after {last:?}");
    }
}

#[test]
fn merge_in_every_state() {
    let skew = |ahead| Err(Skew { ahead });
    let table = [
        (stamp(900, 3), stamp(900, 9), Ok(stamp(1_000, 0))),
        (stamp(900, 3), stamp(1_000, 0), Ok(stamp(1_000, 1))),
        (stamp(900, 3), stamp(1_050, 7), Ok(stamp(1_050, 8))),
        (stamp(1_060, 1), stamp(1_050, 7), Ok(stamp(1_060, 2))),
        (stamp(1_050, 7), stamp(1_050, 7), Ok(stamp(1_050, 8))),
        (stamp(900, 3), stamp(1_099, 1_023), Ok(stamp(1_100, 0))),
        (stamp(900, 3), stamp(1_100, 0), skew(101)),
        (stamp(900, 3), stamp(1_100, 1), skew(101)),
        (stamp(900, 3), stamp(2_000_000, 0), skew(1_999_000)),
        (stamp(1_100, 0), stamp(900, 0), skew(101)),
        // As far behind as ahead, half the circle: behind.
        (stamp(900, 3), stamp(1_000 + (1 << 21), 0), Ok(stamp(1_000, 0))),
    ];
    for (last, remote, answer) in table {
        let clock = clock(last);
        assert_eq!(clock.merge(remote, NOW), answer, "{remote:?} after {last:?}");
        assert_eq!(clock.last(), answer.unwrap_or(last), "{remote:?} after {last:?}");
    }
}

#[test]
fn stamps_rise_across_the_wrap_of_stamp_and_tick() {
    for start in [(1 << 22) - 2, u32::MAX - 1] {
        let clock = HybridClock::of::<10>(Tick::new(start));
        let mut last = clock.last();
        for step in 0..5_000 {
            let next = clock
                .tick(Tick::new(start).after(step / 1_000))
                .expect("in bounds");
            assert!(last.is_before(next), "{last:?} {next:?}");
            last = next;
        }
    }
}

#[test]
fn goes_on_after_any_idle_time() {
    for idle in [1, 1 << 20, 1 << 21, (1 << 22) - 300, 1 << 22, 1 << 31] {
        let clock = clock(stamp(1_000, 5));
        let now = NOW.after(idle);
        let next = clock.tick(now).expect("not in the last two bounds of the circle");
        assert_eq!(next.tick(), now.count() & ((1 << 22) - 1), "idle for {idle}");
    }
}

#[test]
fn bounds_at_their_limits() {
    let start = Tick::new(0);
    assert_eq!(HybridClock::MAX_BOUND, 1 << 20);
    assert!(HybridClock::new(HybridClock::MAX_BOUND, start).is_ok());
    assert_eq!(
        HybridClock::new(HybridClock::MAX_BOUND + 1, start).err(),
        Some(TooFar)
    );
    let exact = HybridClock::of::<0>(start);
    assert_eq!(exact.tick(start), Err(Skew { ahead: 1 }));
    assert_eq!(exact.tick(start.after(1)), Ok(stamp(1, 0)));
}

#[test]
fn stamps_travel() {
    let sent = stamp(77, 8);
    assert_eq!(Stamp::from_bits(sent.bits()), sent);
    assert_eq!((sent.tick(), sent.logical()), (77, 8));
}

#[test]
fn debug_decodes_the_word() {
    assert_eq!(
        format!("{:?}", clock(stamp(12, 3))),
        "HybridClock { last: Stamp(12+3), bound: 100 }"
    );
}

#[test]
fn errors_say_what_to_do() {
    assert!(Skew { ahead: 7 }.to_string().contains("7 ticks ahead"));
    assert!(TooFar.to_string().contains("1048576"));
}

#[test]
fn takes_a_word_and_its_bound() {
    assert_eq!((size_of::<HybridClock>(), size_of::<Stamp>()), (8, 4));
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<HybridClock>();
}
