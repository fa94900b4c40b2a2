extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{
    Action, AtomicU32, BelowZero, Crossing, Dropped, Drops, Marks, MarksError, Overflow, Pressure, Word,
};

const MARKS: Marks = Marks::of::<2, 5>();
const HIGH: u32 = Word::HIGH;
const MAX: u32 = Pressure::MAX;

fn pressure(word: u32) -> Pressure {
    Pressure {
        word: AtomicU32::new(word),
        marks: MARKS,
    }
}

#[test]
fn rise_in_every_state() {
    let table = [
        (0, 0, Crossing::None, 0),
        (0, 4, Crossing::None, 4),
        (0, 5, Crossing::High, HIGH | 5),
        (4, 1, Crossing::High, HIGH | 5),
        (4, 3, Crossing::High, HIGH | 7),
        (4, u32::MAX, Crossing::High, HIGH | MAX),
        (HIGH | 3, 0, Crossing::None, HIGH | 3),
        (HIGH | 3, 2, Crossing::None, HIGH | 5),
        (HIGH | 5, 1, Crossing::None, HIGH | 6),
        (HIGH | MAX, 1, Crossing::None, HIGH | MAX),
    ];
    for (before, by, crossing, after) in table {
        let pressure = pressure(before);
        assert_eq!(pressure.rise(by), crossing, "{before:x} + {by}");
        assert_eq!(pressure.word.into_inner(), after, "{before:x} + {by}");
    }
}

#[test]
fn fall_in_every_state() {
    let table = [
        (0, 0, Ok(Crossing::None), 0),
        (0, 1, Err(BelowZero { level: 0 }), 0),
        (4, 4, Ok(Crossing::None), 0),
        (4, 5, Err(BelowZero { level: 4 }), 4),
        (HIGH | 9, 4, Ok(Crossing::None), HIGH | 5),
        (HIGH | 5, 2, Ok(Crossing::None), HIGH | 3),
        (HIGH | 3, 1, Ok(Crossing::Low), 2),
        (HIGH | 9, 9, Ok(Crossing::Low), 0),
        (HIGH | 9, u32::MAX, Err(BelowZero { level: 9 }), HIGH | 9),
    ];
    for (before, by, answer, after) in table {
        let pressure = pressure(before);
        assert_eq!(pressure.fall(by), answer, "{before:x} - {by}");
        assert_eq!(pressure.word.into_inner(), after, "{before:x} - {by}");
    }
}

#[test]
fn set_in_every_state() {
    let table = [
        (0, 4, Crossing::None, 4),
        (0, 5, Crossing::High, HIGH | 5),
        (4, u32::MAX, Crossing::High, HIGH | MAX),
        (HIGH | 9, 3, Crossing::None, HIGH | 3),
        (HIGH | 9, 2, Crossing::Low, 2),
    ];
    for (before, level, crossing, after) in table {
        let pressure = pressure(before);
        assert_eq!(pressure.set(level), crossing, "{before:x} to {level}");
        assert_eq!(pressure.word.into_inner(), after, "{before:x} to {level}");
    }
}

#[test]
fn queries_in_every_state() {
    for (word, level, high) in [
        (0, 0, false),
        (4, 4, false),
        (HIGH | 3, 3, true),
        (HIGH | MAX, MAX, true),
    ] {
        let pressure = pressure(word);
        assert_eq!((pressure.level(), pressure.is_high()), (level, high), "{word:x}");
        assert_eq!(pressure.marks(), MARKS);
    }
    assert_eq!((MARKS.low(), MARKS.high()), (2, 5));
}

#[test]
fn trembling_about_a_mark_is_silent() {
    let pressure = pressure(4);
    assert_eq!(pressure.rise(1), Crossing::High);
    for _ in 0..3 {
        assert_eq!(pressure.fall(1), Ok(Crossing::None));
        assert_eq!(pressure.rise(1), Crossing::None);
    }
    assert_eq!(pressure.fall(3), Ok(Crossing::Low));
    for _ in 0..3 {
        assert_eq!(pressure.rise(1), Crossing::None);
        assert_eq!(pressure.fall(1), Ok(Crossing::None));
    }
    assert!(!pressure.is_high());
}

#[test]
fn every_policy_decides() {
    let table = [
        (Overflow::Block, Action::Push, Action::Wait, false),
        (Overflow::Reject, Action::Push, Action::Refuse, false),
        (Overflow::DropNewest, Action::Push, Action::DropNew, false),
        (Overflow::DropOldest, Action::Push, Action::EvictOldest, true),
        (Overflow::KeepLatest, Action::EvictAll, Action::EvictAll, true),
    ];
    for (policy, room, full, evicts) in table {
        assert_eq!(policy.decide(false), room, "{policy}");
        assert_eq!(policy.decide(true), full, "{policy}");
        assert_eq!(policy.evicts(), evicts, "{policy}");
    }
    assert_eq!(Overflow::default(), Overflow::Block);
}

#[test]
fn policies_have_names() {
    for (policy, name) in [
        (Overflow::Block, "block"),
        (Overflow::Reject, "reject"),
        (Overflow::DropNewest, "drop newest"),
        (Overflow::DropOldest, "drop oldest"),
        (Overflow::KeepLatest, "keep latest"),
    ] {
        assert_eq!(policy.to_string(), name);
    }
}

#[test]
fn drops_count_by_reason_and_stop_at_the_end() {
    let drops = Drops::default();
    for (items, why) in (1..).zip(Dropped::ALL) {
        drops.add(why, items);
        assert_eq!(drops.count(why), items);
    }
    assert_eq!(drops.total(), 1 + 2 + 3 + 4);
    for _ in 0..2 {
        drops.add(Dropped::Newest, u32::MAX - 1);
        assert_eq!(drops.count(Dropped::Newest), u32::MAX);
        assert_eq!(drops.total(), u32::MAX);
    }
}

#[test]
fn marks_at_their_limits() {
    assert_eq!(Marks::new(5, 5), Err(MarksError::OutOfOrder));
    assert_eq!(Marks::new(0, MAX + 1), Err(MarksError::TooHigh));
    let marks = Marks::new(0, MAX).expect("in order");
    assert_eq!((marks.low(), marks.high()), (0, MAX));
}

#[test]
fn debug_decodes_the_word() {
    assert_eq!(
        format!("{:?}", pressure(HIGH | 4)),
        "Pressure { level: 4, high: true, marks: Marks { low: 2, high: 5 } }"
    );
    let drops = Drops::new();
    drops.add(Dropped::Oldest, 3);
    assert_eq!(
        format!("{drops:?}"),
        "Drops { rejected: 0, newest: 0, oldest: 3, superseded: 0 }"
    );
}

#[test]
fn errors_say_what_to_do() {
    assert!(BelowZero { level: 3 }.to_string().contains("only 3"));
    assert!(MarksError::OutOfOrder.to_string().contains("leave room"));
    assert!(MarksError::TooHigh.to_string().contains("larger units"));
}

#[test]
fn takes_a_word_and_its_marks() {
    assert_eq!(size_of::<Pressure>(), 12);
    assert_eq!(size_of::<Drops>(), 16);
    assert_eq!(size_of::<Overflow>(), 1);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Pressure>();
    assert_both::<Drops>();
}
