//! Random sequences of calls on `ConcurrencyLimit` and on a naive struct with plain fields.

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::limit::{
    Aimd, Bounds, ConcurrencyLimit, Gradient2, ONE, Outcome, Policy, Sample, State, Vegas,
};

/// Up to the latency, down to a third at a drop: large steps, to meet both bounds.
#[derive(Clone, Copy)]
struct Jumps;

impl Policy for Jumps {
    fn step(&self, state: &mut State, sample: Sample) -> u32 {
        match sample {
            Sample::Ok { latency, in_flight } => {
                state.memory[1] = state.memory[1].wrapping_add(in_flight);
                state.limit = latency.saturating_mul(ONE);
            }
            Sample::Dropped => state.limit /= 3,
        }
        state.memory[0] += 1;
        state.whole()
    }
}

struct Naive {
    min: u32,
    max: u32,
    limit: u32,
    /// In parts of `ONE`, as a third of a whole limit has a fraction.
    estimate: u32,
    in_flight: u32,
    quiet: u32,
}

impl Naive {
    fn leave(&mut self, outcome: Outcome) -> Option<u32> {
        if self.in_flight == 0 {
            return None;
        }
        self.in_flight -= 1;
        match outcome {
            Outcome::Ignored => {}
            Outcome::Dropped if self.quiet > 0 => self.quiet -= 1,
            Outcome::Dropped => {
                self.set(self.estimate / 3);
                self.quiet = self.limit;
            }
            Outcome::Ok { latency } => {
                self.set(latency * ONE);
                self.quiet = self.quiet.saturating_sub(1);
            }
        }
        Some(self.limit.saturating_sub(self.in_flight))
    }

    fn set(&mut self, estimate: u32) {
        self.estimate = estimate.clamp(self.min * ONE, self.max * ONE);
        self.limit = self.estimate / ONE;
    }
}

fn outcome(latency: impl Strategy<Value = u32>) -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        4 => Just(None),
        2 => latency.prop_map(|latency| Some(Outcome::Ok { latency })),
        1 => Just(Some(Outcome::Dropped)),
        1 => Just(Some(Outcome::Ignored)),
    ]
}

/// L1 to L3 for a policy of the crate.
fn in_bounds<P: Policy>(policy: P, operations: &[Option<Outcome>]) -> bool {
    let limit = ConcurrencyLimit::new(policy, Bounds::of::<3, 5, 40>());
    let mut entered = 0;
    operations.iter().all(|operation| {
        match operation {
            None => {
                let admitted = limit.try_enter().is_ok();
                if admitted != (entered < limit.limit()) {
                    return false;
                }
                entered += u32::from(admitted);
            }
            Some(outcome) => entered -= u32::from(limit.leave(*outcome).is_ok()),
        }
        limit.in_flight() == entered && (3..=40).contains(&limit.limit())
    })
}

proptest! {
    #[test]
    fn agrees_with_the_naive_limit(
        (min, initial, max) in (1_u32..5, 0_u32..5, 0_u32..5).prop_map(|(min, more, most)| {
            (min, min + more, min + more + most)
        }),
        operations in prop::collection::vec(outcome(0_u32..20), 0..200),
    ) {
        let bounds = Bounds::new(min, initial, max).expect("in order");
        let limit = ConcurrencyLimit::new(Jumps, bounds);
        let mut naive =
            Naive { min, max, limit: initial, estimate: initial * ONE, in_flight: 0, quiet: 0 };
        for operation in operations {
            match operation {
                None => {
                    let fits = naive.in_flight < naive.limit;
                    prop_assert_eq!(limit.try_enter().is_ok(), fits);
                    naive.in_flight += u32::from(fits);
                }
                Some(outcome) => prop_assert_eq!(limit.leave(outcome).ok(), naive.leave(outcome)),
            }
            prop_assert_eq!(limit.limit(), naive.limit);
            prop_assert_eq!(limit.in_flight(), naive.in_flight);
        }
    }

    #[test]
    fn every_policy_stays_in_bounds(
        operations in prop::collection::vec(outcome(0..=u32::MAX), 0..400),
    ) {
        prop_assert!(in_bounds(Aimd::new(), &operations));
        prop_assert!(in_bounds(Vegas::new(), &operations));
        prop_assert!(in_bounds(Gradient2::new(), &operations));
    }
}
