//! Random sequences of operations on a `RetryBudget` and on naive accounts that keep the whole history.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::budget::RetryBudget;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Deposit,
    Withdraw,
    TopUp,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => Just(Operation::Deposit),
        6 => Just(Operation::Withdraw),
        1 => Just(Operation::TopUp),
    ]
}

fn permille() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0_u32..2_500, 1 => any::<u32>()]
}

proptest! {
    #[test]
    fn agrees_with_naive_accounts(
        permille in permille(),
        most in prop_oneof![6 => 0_u32..8, 1 => any::<u32>()],
        floor in prop_oneof![6 => 0_u32..10, 1 => any::<u32>()],
        operations in prop::collection::vec(operation(), 0..300),
    ) {
        let budget = RetryBudget::new(permille, most).with_floor(floor);
        let most = u64::from(most.min(RetryBudget::MAX)) * 1_000;
        let floor = (u64::from(floor.min(RetryBudget::MAX)) * 1_000).min(most);
        let share = u64::from(permille);
        let (mut balance, mut calls, mut let_through, mut top_ups) = (floor, 0_u64, 0_u64, 0_u64);
        for operation in operations {
            match operation {
                Operation::Deposit => {
                    budget.deposit();
                    calls += 1;
                    balance = (balance + share).min(most);
                }
                Operation::TopUp => {
                    budget.top_up();
                    top_ups += 1;
                    balance = balance.max(floor);
                }
                Operation::Withdraw => match budget.try_withdraw() {
                    Ok(()) => {
                        let_through += 1;
                        prop_assert!(balance >= 1_000);
                        balance -= 1_000;
                    }
                    Err(overdrawn) => {
                        prop_assert!(balance < 1_000);
                        prop_assert_eq!(overdrawn.calls.is_some(), share > 0 && most >= 1_000);
                        if let Some(calls) = overdrawn.calls.map(u64::from) {
                            prop_assert!(balance + calls * share >= 1_000);
                            prop_assert!(balance + (calls - 1) * share < 1_000);
                        }
                    }
                },
            }
            prop_assert_eq!(u64::from(budget.saved()), balance / 1_000);
            prop_assert!(balance <= most);
            prop_assert!(let_through * 1_000 <= calls * share + (1 + top_ups) * floor);
        }
    }
}
