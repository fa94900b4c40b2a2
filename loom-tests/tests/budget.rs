//! Races on the balance of a retry budget.
#![cfg(sweet_loom)]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::budget::RetryBudget;

/// Draws out until nothing is left; how many retries there were.
fn drain(budget: &RetryBudget) -> u32 {
    let mut drawn = 0;
    while budget.try_withdraw().is_ok() {
        drawn += 1;
    }
    drawn
}

/// Race: two threads pay in for a call each ∥ a third draws out. Holds: R2, R4.
#[test]
fn nothing_gets_lost() {
    let model = Model {
        name: "budget::nothing_gets_lost",
        holds: "R2, R4",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["one call short", "both calls short", "let through"],
    };
    check(model, |witness| {
        let budget = Arc::new(RetryBudget::new(500, 9));
        let drawer = thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.try_withdraw()
        });
        let caller = thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.deposit()
        });
        budget.deposit();
        caller.join().unwrap();
        let answer = drawer.join().unwrap();
        witness.saw(match answer.map_err(|overdrawn| overdrawn.calls) {
            Ok(()) => "let through",
            Err(Some(1)) => "one call short",
            Err(Some(2)) => "both calls short",
            Err(other) => panic!("two calls earn a retry, not {other:?}"),
        });
        let drawn = u32::from(answer.is_ok());
        assert_eq!(drawn + drain(&budget), 1, "two halves are one retry");
    });
}

/// Race: three threads want the two retries that are left. Holds: R1, R2, R4.
#[test]
fn the_last_retry() {
    let model = Model {
        name: "budget::the_last_retry",
        holds: "R1, R2, R4",
        threads: 3,
        preemptions: None,
        witnesses: &["the first was refused", "another was refused"],
    };
    check(model, |witness| {
        let budget = Arc::new(RetryBudget::new(100, 9).with_floor(2));
        let others = [0, 1].map(|_| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.try_withdraw())
        });
        let own = budget.try_withdraw();
        let others = others.map(|other| other.join().unwrap());
        let let_through = others
            .iter()
            .chain([&own])
            .filter(|answer| answer.is_ok())
            .count();
        assert_eq!(let_through, 2, "two retries for three that want one");
        for refused in others.iter().chain([&own]).filter_map(|answer| answer.err()) {
            assert_eq!(refused.calls, Some(10));
        }
        witness.saw(if own.is_err() {
            "the first was refused"
        } else {
            "another was refused"
        });
        assert_eq!(budget.saved(), 0, "the balance borrowed");
    });
}

/// Race: two threads pay into an account that has room for one ∥ a third draws out. Holds: R1, R4.
#[test]
fn never_above_the_most() {
    let model = Model {
        name: "budget::never_above_the_most",
        holds: "R1, R4",
        threads: 3,
        preemptions: None,
        witnesses: &["a deposit was too much", "both were kept"],
    };
    check(model, |witness| {
        let budget = Arc::new(RetryBudget::new(1_000, 2).with_floor(1));
        let callers = [0, 1].map(|_| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || {
                budget.deposit();
                assert!(budget.saved() <= 2, "more was saved than may be");
            })
        });
        assert_eq!(
            budget.try_withdraw(),
            Ok(()),
            "one retry was there from the beginning"
        );
        for caller in callers {
            caller.join().unwrap();
        }
        // Three retries came in and one went out; one is lost if the account was full before that.
        match drain(&budget) {
            1 => witness.saw("a deposit was too much"),
            2 => witness.saw("both were kept"),
            other => panic!("{other} retries are left of three, with one drawn out and room for two"),
        }
    });
}

/// Race: a thread tops up ∥ another pays in ∥ a third draws out. Holds: R2, R4.
#[test]
fn top_up_keeps_what_was_saved() {
    let model = Model {
        name: "budget::top_up_keeps_what_was_saved",
        holds: "R2, R4",
        threads: 3,
        preemptions: None,
        witnesses: &["the top-up paid in", "the top-up found enough"],
    };
    check(model, |witness| {
        let budget = Arc::new(RetryBudget::new(1_000, 9).with_floor(1));
        let caller = thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.deposit()
        });
        let timer = thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.top_up()
        });
        assert_eq!(
            budget.try_withdraw(),
            Ok(()),
            "one retry was there from the beginning"
        );
        caller.join().unwrap();
        timer.join().unwrap();
        // Two retries came in by the floor and the call, one went out; the top-up adds one only to an empty account.
        match drain(&budget) {
            1 => witness.saw("the top-up found enough"),
            2 => witness.saw("the top-up paid in"),
            other => panic!("{other} retries are left"),
        }
    });
}
