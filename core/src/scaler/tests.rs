extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{Decision, Scale, ScaleError, Scaler, Word};
use crate::Tick;
use crate::sync::AtomicU32;

use Decision::{Grow, Keep, Shrink};

const TURN: u32 = 1 << 21;

/// 2 to 8 workers, idle below 4, full above 10, a cool-down of 100 ticks.
fn scale() -> Scale {
    Scale::new(2, 8)
        .and_then(|scale| scale.load(4, 10))
        .and_then(|scale| scale.cool_down(100))
        .expect("they agree")
}

fn scaler(word: Word) -> Scaler {
    Scaler {
        word: AtomicU32::new(word.0),
        scale: scale(),
    }
}

#[test]
fn observe_when_calm() {
    let now = Tick::new(7);
    for (workers, load, decision, after) in [
        (2, 0, Keep, 2),
        (2, 20, Keep, 2),
        (2, 21, Grow(1), 3),
        (2, 80, Grow(6), 8),
        (2, u32::MAX, Grow(6), 8),
        (5, 50, Keep, 5),
        (5, 51, Grow(1), 6),
        (5, 20, Keep, 5),
        (5, 19, Shrink(3), 2),
        (5, 0, Shrink(3), 2),
        (8, 31, Shrink(4), 4),
        (8, 32, Keep, 8),
        (8, u32::MAX, Keep, 8),
    ] {
        let scaler = scaler(Word(workers));
        assert_eq!(scaler.observe(load, now), decision, "{workers} under {load}");
        let expected = match decision {
            Keep => Word(workers),
            Grow(_) | Shrink(_) => Word::changed_at(after, now),
        };
        assert_eq!(scaler.workers(), after, "{workers} under {load}");
        assert_eq!(scaler.word.into_inner(), expected.0, "{workers} under {load}");
    }
}

#[test]
fn observe_while_cooling_and_after() {
    for changed in [0, 1, 99, TURN - 1, TURN, u32::MAX - 50, u32::MAX] {
        let changed = Tick::new(changed);
        let before = Word::changed_at(5, changed);
        for (passed, load, decision) in [
            (0, 80, Keep),
            (99, 80, Keep),
            (99, 0, Keep),
            (0_u32.wrapping_sub(100), 80, Keep),
            (0_u32.wrapping_sub(1), 0, Keep),
            (100, 80, Grow(3)),
            (100, 0, Shrink(3)),
            (TURN - 101, 0, Shrink(3)),
            // Come round: taken for recent, for two cool-downs.
            (TURN - 100, 0, Keep),
            (TURN + 99, 0, Keep),
            (TURN + 100, 0, Shrink(3)),
        ] {
            let scaler = scaler(before);
            assert_eq!(scaler.observe(load, changed.after(passed)), decision, "{passed}");
            if decision == Keep {
                assert_eq!(scaler.word.into_inner(), before.0, "{passed}");
            }
        }
        let scaler = scaler(before);
        assert_eq!(scaler.observe(30, changed.after(100)), Keep);
        assert_eq!(scaler.word.into_inner(), Word(5).0, "the cool-down is over");
    }
}

#[test]
fn products_beyond_the_word_are_compared_as_they_are() {
    let scale = Scale::new(1, Scale::MAX).and_then(|scale| scale.load(u32::MAX / 2, u32::MAX));
    let scaler = Scaler::new(scale.expect("they agree"));
    assert_eq!(scaler.observe(u32::MAX, Tick::new(0)), Keep);
    scaler.word.store(9, crate::sync::Ordering::Relaxed);
    assert_eq!(scaler.observe(u32::MAX, Tick::new(0)), Shrink(8));
}

#[test]
fn settings_that_disagree_are_refused() {
    for (min, max) in [(0, 0), (3, 2), (0, 1_024), (1, u32::MAX)] {
        assert_eq!(Scale::new(min, max), Err(ScaleError::Bounds));
    }
    assert!(Scale::new(3, 3).is_ok());
    let scale = Scale::new(0, Scale::MAX).expect("the widest");
    for (idle, full) in [(0, 0), (1, 1), (6, 11), (u32::MAX, u32::MAX)] {
        assert_eq!(scale.load(idle, full), Err(ScaleError::Load));
    }
    assert!(scale.load(5, 11).is_ok() && scale.load(0, 1).is_ok());
    assert!(scale.cool_down(Scale::MAX_COOL_DOWN).is_ok());
    let refused = scale.cool_down(Scale::MAX_COOL_DOWN + 1);
    assert_eq!(refused, Err(ScaleError::CoolDown));
    for (error, advice) in [
        (ScaleError::Bounds, "up to 1023"),
        (ScaleError::Load, "at most half"),
        (ScaleError::CoolDown, "up to 524287 ticks"),
    ] {
        assert!(error.to_string().contains(advice), "{error}");
    }
}

#[test]
fn debug_decodes_the_state() {
    let shown = format!("{:?}", scaler(Word::changed_at(5, Tick::new(9))));
    assert!(
        shown.starts_with("Scaler { workers: 5, cooling: true, scale: Scale { min: 2, "),
        "{shown}"
    );
    assert_eq!(scaler(Word(5)).scale(), &scale());
}

#[test]
fn takes_six_words_of_which_one_changes() {
    assert_eq!(size_of::<Scaler>(), 24);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Scaler>();
}
