//! Random sets of waiting classes against a list of ages, and the bound on starvation.

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::priority::{Aging, Classes, Patience, Priority};

/// Mostly everybody waits: that is when somebody could starve.
fn waiting() -> impl Strategy<Value = u8> {
    prop_oneof![5 => 31_u8..32, 3 => 0_u8..32]
}

fn times() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 1_u32..4, 2 => 1_u32..20, 1 => 1_u32..=Patience::MAX]
}

/// By the rules: who is due for longest, of equals the most urgent; else the most urgent.
fn naive(classes: &[(Priority, u32, u32)]) -> Option<Priority> {
    let due = classes.iter().filter(|(_, age, times)| age >= times);
    let longest = due.clone().map(|(_, age, times)| age - times).max();
    match longest {
        Some(longest) => due
            .filter(|(_, age, times)| age - times == longest)
            .map(|(class, ..)| *class)
            .max(),
        None => classes.iter().map(|(class, ..)| *class).max(),
    }
}

proptest! {
    #[test]
    fn agrees_with_the_rules_and_starves_nobody(
        times in prop::array::uniform5(times()),
        steps in prop::collection::vec(waiting(), 0..400),
    ) {
        let mut patience = Patience::of::<1>();
        for (class, times) in Priority::ALL.into_iter().zip(times) {
            patience = patience.with(class, times).expect("within the limits");
        }
        let aging = Aging::new(patience);
        let mut ages = [0_u32; 5];
        for bits in steps {
            let waiting: Classes = Priority::ALL.into_iter().filter(|class| bits >> *class as u8 & 1 == 1).collect();
            let listed: Vec<_> = Priority::ALL
                .into_iter()
                .zip(ages)
                .map(|(class, age)| (class, age, patience.times(class)))
                .filter(|(class, ..)| waiting.contains(*class))
                .collect();
            let chosen = aging.next(waiting);
            prop_assert_eq!(chosen, naive(&listed));
            for (class, age) in Priority::ALL.into_iter().zip(&mut ages) {
                let passed_over = waiting.contains(class) && chosen != Some(class);
                *age = if passed_over { *age + 1 } else { 0 };
                prop_assert!(*age <= patience.times(class) + 4, "{class} starves");
                prop_assert_eq!(aging.age(class), *age);
            }
        }
    }
}
