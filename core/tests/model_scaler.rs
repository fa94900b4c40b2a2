//! Random loads on a `Scaler` and on a naive one that keeps the whole tick of its last change.

use proptest::prelude::{prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::Tick;
use sweet_async_core::scaler::{Decision, Scale, Scaler};

proptest! {
    #[test]
    fn agrees_with_the_naive_scaler(
        (min, more) in (0_u32..6, 1_u32..20),
        (idle, beyond) in (0_u32..20, 1_u32..20),
        cool_down in 0_u32..200,
        start in prop_oneof![0_u32..10, (u32::MAX - 500)..=u32::MAX],
        steps in prop::collection::vec((0_u32..150, 0_u32..500, 1_usize..4), 0..200),
    ) {
        let (max, full) = (min + more, 2 * idle + beyond);
        let scale = Scale::new(min, max)
            .and_then(|scale| scale.load(idle, full))
            .and_then(|scale| scale.cool_down(cool_down));
        let scaler = Scaler::new(scale.expect("they agree"));
        let (mut workers, mut changed, mut passed) = (min, None, 0_u32);
        for (step, load, times) in steps {
            passed += step;
            let now = Tick::new(start).after(passed);
            let mut changes = 0;
            for _ in 0..times {
                let free = changed.is_none_or(|changed| passed - changed >= cool_down);
                let moves = load > workers * full || load < workers * idle;
                let wanted = if free && moves { load.div_ceil(full).clamp(min, max) } else { workers };
                let decision = scaler.observe(load, now);
                prop_assert_eq!(decision, match wanted {
                    more if more > workers => Decision::Grow(more - workers),
                    fewer if fewer < workers => Decision::Shrink(workers - fewer),
                    _ => Decision::Keep,
                });
                if decision != Decision::Keep {
                    (workers, changed) = (wanted, Some(passed));
                    changes += 1;
                }
                prop_assert_eq!(scaler.workers(), workers);
                prop_assert!(min <= workers && workers <= max);
            }
            prop_assert!(changes <= 1, "a steady load made it flap");
        }
    }
}
