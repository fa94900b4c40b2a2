//! Races on the lifecycle word.
#![cfg(sweet_loom)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a model fails by panicking"
)]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread::{self, JoinHandle};

use loom_tests::{Model, check};
use sweet_async_core::lifecycle::{
    Cancel, End, FinishError, Level, Lifecycle, Reason, Snapshot, Start, State,
};

/// A task, and what each of those who change it wrote before they did.
struct Task {
    life: Lifecycle,
    notes: [AtomicU32; 3],
}

impl Task {
    fn pending() -> Arc<Self> {
        Arc::new(Self {
            life: Lifecycle::new(),
            notes: [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)],
        })
    }

    fn running() -> Arc<Self> {
        let task = Self::pending();
        assert_eq!(task.life.start(), Start::Run);
        task
    }

    fn note(&self, author: usize) {
        self.notes[author].store(1, Relaxed);
    }

    fn sees(&self, author: usize) -> bool {
        self.notes[author].load(Relaxed) == 1
    }

    fn cancel(&self, author: usize, level: Level, reason: Reason) -> Cancel {
        self.note(author);
        self.life.cancel(level, reason)
    }

    fn finish(&self, author: usize, end: End) -> Result<(), FinishError> {
        self.note(author);
        self.life.finish(end)
    }
}

fn with<T: 'static>(task: &Arc<Task>, work: impl FnOnce(&Task) -> T + 'static) -> JoinHandle<T> {
    let task = Arc::clone(task);
    thread::spawn(move || work(&task))
}

fn join<T>(handle: JoinHandle<T>) -> T {
    handle.join().expect("no thread of a model panics")
}

/// What two readings by one thread, the first taken first, must agree on.
fn in_order(first: Snapshot, second: Snapshot) {
    if first.state().is_terminal() {
        assert!(first == second, "{first:?} changed to {second:?}");
    }
    assert!(first.level() <= second.level(), "{first:?} fell to {second:?}");
    assert!(
        first.attempt() <= second.attempt(),
        "{first:?} fell to {second:?}"
    );
    if first.reason().is_some() {
        assert_eq!(first.reason(), second.reason(), "another reason");
    }
}

/// Race: the owner starts ∥ somebody cancels ∥ a third looks. Holds: L1, L5.
#[test]
fn cancel_before_start() {
    let model = Model {
        name: "lifecycle::cancel_before_start",
        holds: "L1, L5",
        threads: 3,
        preemptions: None,
        witnesses: &["started", "not started", "seen cancelled", "seen in time"],
    };
    check(model, |witness| {
        let task = Task::pending();
        let owner = with(&task, |task| {
            let start = task.life.start();
            if start != Start::Run {
                assert_eq!(start, Start::Over(State::Cancelled));
                assert!(task.sees(0), "the owner missed what the canceller wrote");
            }
            start
        });
        let looker = with(&task, |task| {
            let cancelled = task.life.is_cancelled();
            let then = task.life.snapshot();
            if cancelled {
                assert_eq!(then.level(), Some(Level::Graceful), "the level is gone");
                assert_eq!(then.reason(), Some(Reason::Parent), "the reason is gone");
            }
            cancelled
        });
        let cancel = task.cancel(0, Level::Graceful, Reason::Parent);
        let start = join(owner);
        witness.saw(if join(looker) {
            "seen cancelled"
        } else {
            "seen in time"
        });
        let last = task.life.snapshot();
        assert_eq!(last.level(), Some(Level::Graceful));
        if start == Start::Run {
            assert_eq!((cancel, last.state()), (Cancel::Raised, State::Running));
            witness.saw("started");
        } else {
            assert_eq!((cancel, last.state()), (Cancel::Ended, State::Cancelled));
            witness.saw("not started");
        }
    });
}

/// Race: the owner completes ∥ a deadline passes ∥ somebody kills hard. Holds: L1, L6.
#[test]
fn one_end() {
    let model = Model {
        name: "lifecycle::one_end",
        holds: "L1, L6",
        threads: 3,
        preemptions: None,
        witnesses: &["completed", "timed out", "cancelled"],
    };
    check(model, |witness| {
        let task = Task::running();
        let sees_the_winner = |task: &Task, state| {
            let winner = match state {
                State::Completed => 0,
                State::TimedOut => 1,
                State::Cancelled => 2,
                other => panic!("nobody asked for {other}"),
            };
            assert!(task.sees(winner), "a loser missed what the winner wrote");
            false
        };
        let won = move |task: &Task, answer| match answer {
            Ok(()) => true,
            Err(FinishError::Over(state)) => sees_the_winner(task, state),
            Err(error) => panic!("{error}"),
        };
        let owner = with(&task, move |task| won(task, task.finish(0, End::Completed)));
        let timer = with(&task, move |task| won(task, task.finish(1, End::TimedOut)));
        let killed = match task.cancel(2, Level::KillHard, Reason::Requested) {
            Cancel::Ended => true,
            Cancel::Over(state) => sees_the_winner(&task, state),
            other => panic!("a hard kill of a running task answers {other:?}"),
        };
        let end = match (join(owner), join(timer), killed) {
            (true, false, false) => State::Completed,
            (false, true, false) => State::TimedOut,
            (false, false, true) => State::Cancelled,
            several => panic!("the winners are {several:?}"),
        };
        let last = task.life.snapshot();
        assert_eq!(last.state(), end, "the winner's end is not the task's");
        assert_eq!(
            last.level().is_some(),
            killed,
            "a refused kill left its level behind"
        );
        witness.saw(end.as_str());
    });
}

/// Race: the owner writes the result and completes ∥ somebody cancels gracefully ∥ an observer looks. Holds: L6.
#[test]
fn observer_sees_the_result() {
    let model = Model {
        name: "lifecycle::observer_sees_the_result",
        holds: "L6",
        threads: 3,
        preemptions: None,
        witnesses: &["over", "not over", "cancelled in time", "cancelled too late"],
    };
    check(model, |witness| {
        let task = Task::running();
        let owner = with(&task, |task| task.finish(0, End::Completed));
        let observer = with(&task, |task| {
            let over = task.life.state().is_terminal();
            assert!(!over || task.sees(0), "the observer missed the result");
            over
        });
        match task.cancel(1, Level::Graceful, Reason::Requested) {
            Cancel::Raised => witness.saw("cancelled in time"),
            Cancel::Over(State::Completed) => {
                assert!(task.sees(0), "the canceller missed the result");
                witness.saw("cancelled too late");
            }
            other => panic!("a graceful cancellation answers {other:?}"),
        }
        assert_eq!(join(owner), Ok(()), "a graceful cancellation refused the result");
        witness.saw(if join(observer) { "over" } else { "not over" });
    });
}

/// Race: two cancel at different levels, for different reasons ∥ a third looks twice. Holds: L2, L3.
#[test]
fn level_grows_and_reason_stays() {
    let model = Model {
        name: "lifecycle::level_grows_and_reason_stays",
        holds: "L2, L3",
        threads: 3,
        preemptions: None,
        witnesses: &["escalated", "killed at once", "both seen"],
    };
    check(model, |witness| {
        let task = Task::running();
        let gentle = with(&task, |task| {
            let cancel = task.cancel(0, Level::Graceful, Reason::Parent);
            if cancel == Cancel::Unchanged {
                assert!(task.sees(1), "the later caller missed what the earlier one wrote");
            }
            cancel
        });
        let looker = with(&task, |task| {
            let (first, second) = (task.life.snapshot(), task.life.snapshot());
            in_order(first, second);
            (first.level(), second.level())
        });
        let harsh = task.cancel(1, Level::Kill, Reason::Requested);
        assert_eq!(harsh, Cancel::Raised, "a kill of a running task rises");
        let gentle = join(gentle);
        if join(looker) == (Some(Level::Graceful), Some(Level::Kill)) {
            witness.saw("both seen");
        }
        let last = task.life.snapshot();
        assert_eq!(last.level(), Some(Level::Kill), "the higher level is in force");
        assert_eq!(last.state(), State::Running);
        if gentle == Cancel::Raised {
            assert_eq!(last.reason(), Some(Reason::Parent), "the first reason stays");
            witness.saw("escalated");
        } else {
            assert_eq!(gentle, Cancel::Unchanged);
            assert_eq!(last.reason(), Some(Reason::Requested), "the first reason stays");
            witness.saw("killed at once");
        }
    });
}

/// Race: the owner completes ∥ somebody kills ∥ a deadline passes. Holds: L1, L4, L6.
#[test]
fn kill_refuses_the_result() {
    let model = Model {
        name: "lifecycle::kill_refuses_the_result",
        holds: "L1, L4, L6",
        threads: 3,
        preemptions: None,
        witnesses: &["refused", "completed", "timed out"],
    };
    check(model, |witness| {
        let task = Task::running();
        let owner = with(&task, |task| {
            let end = task.finish(0, End::Completed);
            if end == Err(FinishError::Cancelled) {
                assert!(task.sees(1), "the owner missed why it was killed");
                assert_eq!(task.life.finish(End::Cancelled), Ok(()));
            }
            end
        });
        let timer = with(&task, |task| task.finish(2, End::TimedOut));
        let kill = task.cancel(1, Level::Kill, Reason::Superseded);
        let (owner, timer) = (join(owner), join(timer));
        let end = task.life.state();
        match kill {
            Cancel::Raised => {
                assert_eq!((owner, end), (Err(FinishError::Cancelled), State::Cancelled));
                assert!(timer.is_err(), "a deadline ended a killed task");
                witness.saw("refused");
            }
            Cancel::Over(State::Completed) => {
                assert_eq!((owner, end), (Ok(()), State::Completed));
                witness.saw("completed");
            }
            Cancel::Over(State::TimedOut) => {
                assert_eq!((timer, end), (Ok(()), State::TimedOut));
                assert_eq!(owner, Err(FinishError::Over(end)));
                witness.saw("timed out");
            }
            other => panic!("a kill of a running task answers {other:?}"),
        }
    });
}

/// Race: the owner ends an attempt and begins the next ∥ somebody kills hard ∥ a third looks twice. Holds: L1, L7.
#[test]
fn attempts_count_up_until_the_end() {
    let model = Model {
        name: "lifecycle::attempts_count_up_until_the_end",
        holds: "L1, L7",
        threads: 3,
        preemptions: Some(3),
        witnesses: &[
            "killed in the first attempt",
            "killed while waiting",
            "killed in the second attempt",
            "seen waiting",
        ],
    };
    check(model, |witness| {
        let task = Task::running();
        let owner = with(&task, |task| (task.life.wait(), task.life.resume()));
        let looker = with(&task, |task| {
            let (first, second) = (task.life.snapshot(), task.life.snapshot());
            in_order(first, second);
            second.state() == State::Waiting
        });
        let kill = task.life.cancel(Level::KillHard, Reason::Shutdown);
        let owner = join(owner);
        if join(looker) {
            witness.saw("seen waiting");
        }
        assert_eq!(kill, Cancel::Ended, "nobody else ends this task");
        let last = task.life.snapshot();
        assert_eq!(last.state(), State::Cancelled, "an attempt began after the end");
        let over = FinishError::Over(State::Cancelled);
        let (attempt, when) = match owner {
            (Ok(()), Ok(attempt)) => {
                assert_eq!(attempt, 2, "the second attempt is numbered otherwise");
                (attempt, "killed in the second attempt")
            }
            (Ok(()), Err(error)) if error == over => (1, "killed while waiting"),
            (Err(first), Err(second)) if (first, second) == (over, over) => {
                (1, "killed in the first attempt")
            }
            other => panic!("the owner is told {other:?}"),
        };
        assert_eq!(last.attempt(), attempt, "the count is off");
        witness.saw(when);
    });
}

/// Race: the owner starts ∥ admission refuses ∥ a deadline passes. Holds: L1, L6.
#[test]
fn pending_leads_one_way() {
    let model = Model {
        name: "lifecycle::pending_leads_one_way",
        holds: "L1, L6",
        threads: 3,
        preemptions: None,
        witnesses: &["rejected", "timed out before", "timed out while running"],
    };
    check(model, |witness| {
        let task = Task::pending();
        let owner = with(&task, |task| {
            let start = task.life.start();
            match start {
                Start::Run => {}
                Start::Over(State::Rejected) => assert!(task.sees(1), "the owner missed why it was refused"),
                Start::Over(State::TimedOut) => {
                    assert!(task.sees(2), "the owner missed whose deadline it was");
                }
                Start::Over(other) => panic!("nobody asked for {other}"),
            }
            start
        });
        let admission = with(&task, |task| {
            task.note(1);
            task.life.reject()
        });
        let timer = task.finish(2, End::TimedOut);
        let (start, rejected) = (join(owner), join(admission));
        let end = task.life.state();
        match (start, rejected, timer) {
            (Start::Over(State::Rejected), Ok(()), Err(FinishError::Over(State::Rejected))) => {
                assert_eq!(end, State::Rejected);
                witness.saw("rejected");
            }
            (Start::Over(State::TimedOut), Err(FinishError::Over(State::TimedOut)), Ok(())) => {
                assert_eq!(end, State::TimedOut);
                witness.saw("timed out before");
            }
            (Start::Run, Err(FinishError::Misplaced(State::Running) | FinishError::Over(_)), Ok(())) => {
                assert_eq!(end, State::TimedOut);
                witness.saw("timed out while running");
            }
            several => panic!("they took several ways: {several:?}"),
        }
    });
}

/// Race: two open and close shielded sections ∥ somebody kills. Holds: L2, L3.
#[test]
fn shields_and_levels_keep_each_other() {
    let model = Model {
        name: "lifecycle::shields_and_levels_keep_each_other",
        holds: "L2, L3",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["killed under a shield", "killed outside"],
    };
    check(model, |witness| {
        let task = Task::running();
        let sections = [0, 1].map(|_| {
            with(&task, |task| {
                task.life.shield().expect("the task runs");
                let under = task.life.snapshot();
                assert!(under.is_shielded(), "the other one's end took this shield away");
                task.life.unshield().expect("the section is open");
                under.level().is_some()
            })
        });
        assert_eq!(task.life.cancel(Level::Kill, Reason::Sibling), Cancel::Raised);
        let under = sections.map(join);
        witness.saw(if under.contains(&true) {
            "killed under a shield"
        } else {
            "killed outside"
        });
        let last = task.life.snapshot();
        assert!(!last.is_shielded(), "a shield was left behind: {last:?}");
        assert_eq!(last.level(), Some(Level::Kill), "the level was lost");
        assert_eq!(last.reason(), Some(Reason::Sibling), "the reason was lost");
    });
}

/// Race: the worker completes ∥ a supervisor restarts ∥ the next worker starts. Holds: L1, L8.
#[test]
fn restart_hands_over() {
    let model = Model {
        name: "lifecycle::restart_hands_over",
        holds: "L1, L8",
        threads: 3,
        preemptions: None,
        witnesses: &["too early", "restarted", "started again", "started too early"],
    };
    check(model, |witness| {
        let task = Task::running();
        let worker = with(&task, |task| task.finish(0, End::Completed));
        let next = with(&task, |task| {
            let start = task.life.start();
            (start, task.sees(0), task.sees(1))
        });
        task.note(1);
        let restart = task.life.restart();
        let saw_the_result = task.sees(0);
        assert_eq!(join(worker), Ok(()), "the worker could not end its own run");
        let (start, saw_the_first, saw_the_second) = join(next);
        let last = task.life.snapshot();
        match restart {
            Ok(end) => {
                assert_eq!(end, State::Completed);
                assert!(saw_the_result, "who restarted missed what the old run left");
                witness.saw("restarted");
            }
            Err(error) => {
                assert_eq!(error, FinishError::Misplaced(State::Running));
                assert_eq!(last.state(), State::Completed, "a run was cut off");
                witness.saw("too early");
            }
        }
        if start == Start::Run {
            assert!(restart.is_ok(), "a run began before the other had ended");
            assert!(
                saw_the_first && saw_the_second,
                "the new run missed what was written before it"
            );
            assert_eq!((last.state(), last.attempt()), (State::Running, 1));
            witness.saw("started again");
        } else {
            assert!(matches!(start, Start::Over(State::Running | State::Completed)));
            witness.saw("started too early");
        }
    });
}

/// Race: a killed task is restarted ∥ somebody cancels late ∥ a third looks twice. Holds: L2, L3, L8.
#[test]
fn restart_meets_the_late_canceller() {
    let model = Model {
        name: "lifecycle::restart_meets_the_late_canceller",
        holds: "L2, L3, L8",
        threads: 3,
        preemptions: None,
        witnesses: &["too late for the old run", "ended the new run", "both runs seen"],
    };
    check(model, |witness| {
        let task = Task::running();
        assert_eq!(task.life.cancel(Level::Kill, Reason::Shutdown), Cancel::Raised);
        assert_eq!(task.life.finish(End::Cancelled), Ok(()));
        let canceller = with(&task, |task| task.life.cancel(Level::Graceful, Reason::Parent));
        let looker = with(&task, |task| [task.life.snapshot(), task.life.snapshot()]);
        assert_eq!(task.life.restart(), Ok(State::Cancelled), "nobody else restarts");
        let (cancel, looks) = (join(canceller), join(looker));
        let kind = |seen: Snapshot| (seen.state(), seen.level(), seen.reason(), seen.attempt());
        let old = (State::Cancelled, Some(Level::Kill), Some(Reason::Shutdown), 1);
        let fresh = (State::Pending, None, None, 0);
        let ended = (State::Cancelled, Some(Level::Graceful), Some(Reason::Parent), 0);
        let last = kind(task.life.snapshot());
        match cancel {
            Cancel::Over(State::Cancelled) => {
                assert_eq!(last, fresh, "a request to the old run changed the new one");
                witness.saw("too late for the old run");
            }
            Cancel::Ended => {
                assert_eq!(last, ended, "the new run took something over from the old one");
                witness.saw("ended the new run");
            }
            other => panic!("a late request is answered {other:?}"),
        }
        let order = looks.map(|seen| [old, fresh, ended].iter().position(|each| *each == kind(seen)));
        assert!(
            order[0].is_some() && order[1].is_some(),
            "neither run was seen: {looks:?}"
        );
        assert!(order[0] <= order[1], "the looker went back: {looks:?}");
        if order[0] == Some(0) && order[1] > Some(0) {
            witness.saw("both runs seen");
        }
    });
}
