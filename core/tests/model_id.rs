//! Random sequences of operations on an `IdGenerator` and on a naive count that cannot overflow.

use core::num::NonZeroU32;

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::id::IdGenerator;

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..6, 1 => any::<u32>()]
}

fn first() -> impl Strategy<Value = u32> {
    prop_oneof![1_u32..5, u32::MAX - 40..=u32::MAX, 1..=u32::MAX]
}

proptest! {
    #[test]
    fn agrees_with_a_naive_count(first in first(), counts in prop::collection::vec(prop::option::of(count()), 0..60)) {
        let ids = IdGenerator::starting_at(NonZeroU32::new(first).unwrap());
        let mut following = u64::from(first);
        for count in counts {
            let left = u64::from(u32::MAX) + 1 - following;
            prop_assert_eq!(u64::from(ids.left()), left);
            let wanted = u64::from(count.unwrap_or(1));
            // The ends of what was given, so that a huge block need not be walked.
            let given = match count {
                None => ids.next().map(|id| (1, u64::from(id.get()))),
                Some(count) => ids.next_block(count).map(|mut block| {
                    let held = u64::from(block.left());
                    (held, block.next().map_or(following, |id| u64::from(id.get())))
                }),
            };
            match given {
                Ok(given) => {
                    prop_assert_eq!(given, (wanted, following));
                    following += wanted;
                }
                Err(exhausted) => {
                    prop_assert_eq!(u64::from(exhausted.left), left);
                    prop_assert_eq!(wanted > left, true);
                }
            }
        }
    }
}
