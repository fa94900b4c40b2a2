extern crate alloc;
extern crate std;

use alloc::format;
use alloc::string::ToString;
use std::thread;

use super::{AtomicU32, Overdrawn, Relaxed, RetryBudget};

const MOST: u32 = RetryBudget::MAX * 1_000;

/// A budget with the balance, the share and the most given, in thousandths.
fn budget(balance: u32, permille: u32, most: u32, floor: u32) -> RetryBudget {
    RetryBudget {
        word: AtomicU32::new(balance),
        permille,
        most,
        floor,
    }
}

#[test]
fn deposit_in_every_state() {
    let table = [
        // balance, permille, most, after
        (0, 0, 3_000, 0),
        (0, 100, 3_000, 100),
        (999, 1, 3_000, 1_000),
        (2_900, 100, 3_000, 3_000),
        (2_950, 100, 3_000, 3_000),
        (3_000, 100, 3_000, 3_000),
        (0, 5_000, 3_000, 3_000),
        (0, 100, 0, 0),
        (MOST - 1, u32::MAX, MOST, MOST),
        (MOST, u32::MAX, MOST, MOST),
    ];
    for (balance, permille, most, after) in table {
        let budget = budget(balance, permille, most, 0);
        budget.deposit();
        assert_eq!(
            budget.word.into_inner(),
            after,
            "{balance} + {permille} up to {most}"
        );
    }
}

#[test]
fn restored_it_has_saved_as_much_as_before() {
    static KEPT: RetryBudget = RetryBudget::new(100, 5).restore(1_500);
    assert_eq!(KEPT.saved(), 1);
    for (saved, most, restored) in [
        (0, 3, 0),
        (1, 3, 1),
        (2_999, 3, 2_999),
        (3_000, 3, 3_000),
        (3_001, 3, 3_000),
        (u32::MAX, RetryBudget::MAX, MOST),
        (u32::MAX, 0, 0),
    ] {
        let budget = RetryBudget::new(100, most).with_floor(1).restore(saved);
        assert_eq!(budget.snapshot(), restored, "{saved} of {most}");
        budget.top_up();
        let floor = 1_000.min(most.saturating_mul(1_000));
        assert_eq!(budget.snapshot(), restored.max(floor), "{saved} of {most}");
    }
    let floor_last = RetryBudget::new(100, 5).restore(1_500).with_floor(1);
    assert_eq!(floor_last.snapshot(), 1_000, "what was restored is not kept");
}

#[test]
fn try_withdraw_in_every_state() {
    let refused = |calls| Err(Overdrawn { calls });
    let table = [
        // balance, permille, most, answer, after
        (0, 100, 3_000, refused(Some(10)), 0),
        (1, 100, 3_000, refused(Some(10)), 1),
        (900, 100, 3_000, refused(Some(1)), 900),
        (999, 100, 3_000, refused(Some(1)), 999),
        (999, u32::MAX, 3_000, refused(Some(1)), 999),
        (1_000, 100, 3_000, Ok(()), 0),
        (1_001, 100, 3_000, Ok(()), 1),
        (MOST, 100, MOST, Ok(()), MOST - 1_000),
        (500, 0, 3_000, refused(None), 500),
        (0, 100, 0, refused(None), 0),
    ];
    for (balance, permille, most, answer, after) in table {
        let budget = budget(balance, permille, most, 0);
        assert_eq!(budget.try_withdraw(), answer, "{balance} at {permille}");
        assert_eq!(budget.word.into_inner(), after, "{balance} at {permille}");
    }
}

#[test]
fn top_up_in_every_state() {
    let table = [
        (0, 0, 0),
        (0, 2_000, 2_000),
        (1_999, 2_000, 2_000),
        (2_000, 2_000, 2_000),
        (2_500, 2_000, 2_500),
    ];
    for (balance, floor, after) in table {
        let budget = budget(balance, 100, 3_000, floor);
        budget.top_up();
        assert_eq!(
            budget.word.into_inner(),
            after,
            "{balance} with a floor of {floor}"
        );
    }
}

#[test]
fn terms_are_kept_within_the_word() {
    let table = [
        // most, floor, most kept, saved at the beginning
        (50, 0, 50, 0),
        (50, 10, 50, 10),
        (50, 51, 50, 50),
        (0, 10, 0, 0),
        (u32::MAX, u32::MAX, RetryBudget::MAX, RetryBudget::MAX),
        (RetryBudget::MAX + 1, 1, RetryBudget::MAX, 1),
    ];
    for (most, floor, kept, saved) in table {
        let budget = RetryBudget::new(100, most).with_floor(floor);
        assert_eq!(budget.most, kept * 1_000, "{most} and {floor}");
        assert_eq!(budget.saved(), saved, "{most} and {floor}");
    }
}

/// How many attempts reach a service that fails them all, when each of the calls is retried up to three times.
fn attempts_under_total_failure(calls: u32, budget: Option<&RetryBudget>) -> u32 {
    let mut attempts = 0;
    for _ in 0..calls {
        attempts += 1;
        if let Some(budget) = budget {
            budget.deposit();
        }
        for _ in 0..3 {
            if budget.is_some_and(|budget| budget.try_withdraw().is_err()) {
                break;
            }
            attempts += 1;
        }
    }
    attempts
}

#[test]
fn amplification_under_total_failure_is_one_and_the_share() {
    assert_eq!(attempts_under_total_failure(10_000, None), 40_000);
    for (permille, expected) in [(0, 10_000), (100, 11_000), (200, 12_000), (1_000, 20_000)] {
        let budget = RetryBudget::new(permille, 100);
        assert_eq!(
            attempts_under_total_failure(10_000, Some(&budget)),
            expected,
            "{permille}"
        );
        let floored = RetryBudget::new(permille, 100).with_floor(10);
        assert_eq!(
            attempts_under_total_failure(10_000, Some(&floored)),
            expected + 10,
            "{permille}"
        );
    }
}

#[test]
fn an_outage_after_good_times_spends_no_more_than_was_saved() {
    let budget = RetryBudget::new(200, 50);
    for _ in 0..1_000_000 {
        budget.deposit();
    }
    assert_eq!(budget.saved(), 50);
    // The first deposit finds the account full, so that 99 of the 100 calls earn.
    let attempts = attempts_under_total_failure(100, Some(&budget));
    assert_eq!(attempts, 100 + 50 + 99 * 200 / 1_000);
}

#[test]
fn threads_in_an_outage_get_the_share_exactly() {
    let budget = RetryBudget::new(100, 1_000).with_floor(7);
    let let_through = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    budget.deposit();
                    if budget.try_withdraw().is_ok() {
                        let_through.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(let_through.into_inner() + budget.saved(), 8_000 / 10 + 7);
}

#[test]
fn debug_decodes_the_state() {
    assert_eq!(
        format!("{:?}", budget(2_999, 100, 50_000, 3_000)),
        "RetryBudget { saved: 2, permille: 100, most: 50, floor: 3 }"
    );
}

#[test]
fn overdrawn_says_what_to_do() {
    assert_eq!(
        Overdrawn { calls: Some(3) }.to_string(),
        "the retry budget is used up; handle the failure, or retry when 3 more calls were made"
    );
    assert!(
        Overdrawn { calls: None }
            .to_string()
            .contains("give calls a share of a retry")
    );
}

#[test]
fn saves_up_as_many_whole_retries_as_one_word_holds() {
    assert_eq!(RetryBudget::MAX, 4_294_967);
    assert_eq!(
        RetryBudget::new(0, u32::MAX).with_floor(u32::MAX).saved(),
        4_294_967
    );
}

#[test]
fn takes_sixteen_bytes() {
    assert_eq!(size_of::<RetryBudget>(), 16);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<RetryBudget>();
}
