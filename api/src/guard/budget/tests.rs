use core::time::Duration;

use super::RetryBudget;
use crate::Moment;

/// A clock is read before it is used, so somebody may draw with a time that others have left behind.
#[test]
fn the_floor_comes_back_once_in_a_period_and_for_nobody_who_is_late() {
    let second = Duration::from_secs(1);
    let budget = RetryBudget::builder().percent(0).floor(2, second).most(2).build();
    let budget = budget.ok();
    let drawn = |periods: u32| {
        let now = Moment::from_nanos(0) + second * periods;
        (0..5)
            .filter(|_| budget.as_ref().is_some_and(|budget| budget.withdraw(now).is_ok()))
            .count()
    };
    let drawn: Vec<_> = [3, 3, 4, 3, 4, 7, 4, 7, 5, 8].into_iter().map(drawn).collect();
    assert_eq!(drawn, [2, 0, 2, 0, 0, 2, 0, 0, 0, 2]);
}
