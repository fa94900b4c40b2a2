extern crate alloc;

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Aging, Classes, Patience, PatienceError, Priority};
use crate::sync::AtomicU32;

use Priority::{Background, Critical, High, Low, Normal};

/// The word of these ages, the most urgent class first.
fn word(ages: [u32; 5]) -> u32 {
    ages.into_iter().fold(0, |word, age| word << 6 | age)
}

/// A patience of 2 for all, and these ages.
fn aging(ages: [u32; 5]) -> Aging {
    let mut aging = Aging::new(Patience::of::<2>());
    aging.word = AtomicU32::new(word(ages));
    aging
}

#[test]
fn next_in_every_kind_of_state() {
    let all = Classes::ALL;
    let set = |classes: &[Priority]| classes.iter().copied().collect::<Classes>();
    let table = [
        // ages, waiting, chosen, ages after
        ([0, 0, 0, 0, 0], Classes::NONE, None, [0, 0, 0, 0, 0]),
        ([1, 2, 3, 4, 5], Classes::NONE, None, [0, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0], set(&[Low]), Some(Low), [0, 0, 0, 0, 0]),
        ([1, 2, 3, 4, 5], set(&[Low]), Some(Low), [0, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0], all, Some(Critical), [0, 1, 1, 1, 1]),
        ([0, 1, 1, 1, 1], all, Some(Critical), [0, 2, 2, 2, 2]),
        // Due together: the most urgent first, and then by how long they are due.
        ([0, 2, 2, 2, 2], all, Some(High), [1, 0, 3, 3, 3]),
        ([1, 0, 3, 3, 3], all, Some(Normal), [2, 1, 0, 4, 4]),
        ([2, 1, 0, 4, 4], all, Some(Low), [3, 2, 1, 0, 5]),
        ([3, 2, 1, 0, 5], all, Some(Background), [4, 3, 2, 1, 0]),
        ([4, 3, 2, 1, 0], all, Some(Critical), [0, 4, 3, 2, 1]),
        // Who does not wait is not chosen however old, and loses its age.
        ([0, 0, 0, 0, 6], set(&[High, Low]), Some(High), [0, 0, 0, 1, 0]),
        ([0, 0, 0, 2, 6], set(&[Critical, Low]), Some(Low), [1, 0, 0, 0, 0]),
        // An age that P3 rules out stays within its bits.
        ([63, 63, 63, 63, 63], all, Some(Critical), [0, 63, 63, 63, 63]),
    ];
    for (ages, waiting, chosen, after) in table {
        let aging = aging(ages);
        assert_eq!(aging.next(waiting), chosen, "{ages:?} {waiting:?}");
        assert_eq!(aging.word.into_inner(), word(after), "{ages:?} {waiting:?}");
    }
}

#[test]
fn strict_order_while_all_are_patient() {
    let aging = Aging::new(Patience::of::<59>());
    for _ in 0..59 {
        assert_eq!(aging.next(Classes::ALL), Some(Critical));
    }
    let rest: Vec<_> = (0..4).filter_map(|_| aging.next(Classes::ALL)).collect();
    assert_eq!(rest, [High, Normal, Low, Background]);
    assert_eq!(aging.next(Classes::ALL), Some(Critical));
}

#[test]
fn a_patience_of_each_class() {
    let patience = Patience::of::<59>()
        .with(Background, 1)
        .and_then(|patience| patience.with(Low, 3))
        .expect("within the limits");
    let times: Vec<_> = Priority::ALL.map(|class| patience.times(class)).into();
    assert_eq!(times, [59, 59, 59, 3, 1]);
    let aging = Aging::new(patience);
    let waiting = Classes::NONE.with(Critical).with(Low).with(Background);
    let order: Vec<_> = (0..6).filter_map(|_| aging.next(waiting)).collect();
    assert_eq!(order, [Critical, Background, Critical, Low, Background, Critical]);
    assert_eq!((aging.age(Low), aging.age(Background)), (2, 1));
    assert_eq!(aging.patience(), &patience);
}

#[test]
fn patience_that_cannot_be_counted_is_refused() {
    for times in [0, 60, 63, 64, 256, u32::MAX] {
        assert_eq!(Patience::new(times), Err(PatienceError { times }));
        assert_eq!(
            Patience::of::<1>().with(High, times),
            Err(PatienceError { times })
        );
    }
    for class in Priority::ALL {
        let patience = Patience::of::<1>().with(class, Patience::MAX);
        assert_eq!(patience.map(|patience| patience.times(class)), Ok(59));
    }
    assert_eq!(
        PatienceError { times: 60 }.to_string(),
        "a patience of 60 times cannot be counted; choose one of 1 to 59"
    );
}

#[test]
fn sets_of_classes_add_and_remove() {
    assert!(Classes::NONE.is_empty() && !Classes::ALL.is_empty());
    assert_eq!(Classes::ALL.iter().collect::<Vec<_>>(), Priority::ALL);
    for class in Priority::ALL {
        let one = Classes::NONE.with(class);
        assert!(one.contains(class) && one.with(class) == one);
        assert_eq!(one.without(class), Classes::NONE);
        assert!(!Classes::ALL.without(class).contains(class));
        assert_eq!(Classes::ALL.without(class).iter().count(), 4);
    }
}

#[test]
fn classes_have_names() {
    assert_eq!(
        Priority::ALL.map(|class| class.to_string()),
        ["critical", "high", "normal", "low", "background"]
    );
}

#[test]
fn debug_decodes_the_state() {
    let shown = format!("{:?}", aging([0, 1, 2, 3, 4]));
    assert!(
        shown.starts_with("Aging { critical: 0, high: 1, normal: 2, low: 3, background: 4, "),
        "{shown}"
    );
    assert_eq!(format!("{:?}", Classes::NONE.with(Low).with(High)), "{High, Low}");
}

#[test]
fn takes_twelve_bytes_of_which_four_change() {
    assert_eq!((size_of::<Aging>(), size_of::<Patience>()), (12, 5));
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Aging>();
    assert_both::<Classes>();
}
