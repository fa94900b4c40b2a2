//! Random sequences of operations on a `Lifecycle` and on a naive struct with plain fields.

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use sweet_async_core::lifecycle::{Cancel, End, FinishError, Level, Lifecycle, Reason, Start, State};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Start,
    Wait,
    Resume,
    Finish(End),
    Reject,
    Cancel(Level, Reason),
    Shield,
    Unshield,
    Restart,
}

struct Naive {
    state: State,
    level: Option<Level>,
    reason: Option<Reason>,
    attempt: u16,
    shields: u32,
}

impl Naive {
    const fn new() -> Self {
        Self {
            state: State::Pending,
            level: None,
            reason: None,
            attempt: 0,
            shields: 0,
        }
    }

    fn start(&mut self) -> Start {
        if self.state != State::Pending {
            return Start::Over(self.state);
        }
        self.state = State::Running;
        self.attempt = 1;
        Start::Run
    }

    fn step(&mut self, from: State, to: State) -> Result<(), FinishError> {
        if self.state != from {
            return Err(self.refusal());
        }
        self.state = to;
        Ok(())
    }

    fn resume(&mut self) -> Result<u16, FinishError> {
        self.step(State::Waiting, State::Running)?;
        self.attempt = self.attempt.saturating_add(1);
        Ok(self.attempt)
    }

    fn finish(&mut self, end: End) -> Result<(), FinishError> {
        if self.state.is_terminal() {
            return Err(FinishError::Over(self.state));
        }
        let (to, forbidden) = match end {
            End::Completed => (State::Completed, self.level >= Some(Level::Kill)),
            End::Failed => (State::Failed, self.level >= Some(Level::Kill)),
            End::Panicked => (State::Panicked, false),
            End::TimedOut => (State::TimedOut, self.level.is_some()),
            End::Cancelled => (State::Cancelled, false),
        };
        if forbidden {
            return Err(FinishError::Cancelled);
        }
        let before_the_start = self.state == State::Pending && end != End::TimedOut;
        if before_the_start || (end == End::Cancelled && self.level.is_none()) {
            return Err(FinishError::Misplaced(self.state));
        }
        self.state = to;
        Ok(())
    }

    fn cancel(&mut self, level: Level, reason: Reason) -> Cancel {
        if self.state.is_terminal() {
            return Cancel::Over(self.state);
        }
        if self.level >= Some(level) {
            return Cancel::Unchanged;
        }
        self.level = Some(level);
        self.reason = self.reason.or(Some(reason));
        if self.state == State::Pending || level == Level::KillHard {
            self.state = State::Cancelled;
            return Cancel::Ended;
        }
        Cancel::Raised
    }

    fn shield(&mut self) -> bool {
        let may = matches!(self.state, State::Running | State::Waiting) && self.shields < 63;
        self.shields += u32::from(may);
        may
    }

    fn unshield(&mut self) -> bool {
        let may = !self.state.is_terminal() && self.shields > 0;
        self.shields -= u32::from(may);
        may
    }

    fn restart(&mut self) -> Result<State, FinishError> {
        if !self.state.is_terminal() {
            return Err(self.refusal());
        }
        Ok(core::mem::replace(self, Self::new()).state)
    }

    const fn refusal(&self) -> FinishError {
        if self.state.is_terminal() {
            FinishError::Over(self.state)
        } else {
            FinishError::Misplaced(self.state)
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let ends = [
        End::Completed,
        End::Failed,
        End::Panicked,
        End::TimedOut,
        End::Cancelled,
    ];
    let levels = [Level::Graceful, Level::Kill, Level::KillHard];
    let reasons = [
        Reason::Requested,
        Reason::Parent,
        Reason::Sibling,
        Reason::Deadline,
    ];
    prop_oneof![
        20 => Just(Operation::Start),
        40 => Just(Operation::Wait),
        40 => Just(Operation::Resume),
        60 => Just(Operation::Shield),
        40 => Just(Operation::Unshield),
        1 => Just(Operation::Reject),
        1 => Just(Operation::Restart),
        2 => select(ends.to_vec()).prop_map(Operation::Finish),
        3 => (select(levels.to_vec()), select(reasons.to_vec()))
            .prop_map(|(level, reason)| Operation::Cancel(level, reason)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_naive_lifecycle(operations in prop::collection::vec(operation(), 0..200)) {
        let task = Lifecycle::new();
        let mut naive = Naive::new();
        for operation in operations {
            let before = task.snapshot();
            match operation {
                Operation::Start => prop_assert_eq!(task.start(), naive.start()),
                Operation::Wait => {
                    prop_assert_eq!(task.wait(), naive.step(State::Running, State::Waiting));
                }
                Operation::Resume => prop_assert_eq!(task.resume(), naive.resume()),
                Operation::Finish(end) => prop_assert_eq!(task.finish(end), naive.finish(end)),
                Operation::Reject => {
                    prop_assert_eq!(task.reject(), naive.step(State::Pending, State::Rejected));
                }
                Operation::Cancel(level, reason) => {
                    prop_assert_eq!(task.cancel(level, reason), naive.cancel(level, reason));
                }
                Operation::Shield => prop_assert_eq!(task.shield().is_ok(), naive.shield()),
                Operation::Unshield => prop_assert_eq!(task.unshield().is_ok(), naive.unshield()),
                Operation::Restart => prop_assert_eq!(task.restart(), naive.restart()),
            }
            let after = task.snapshot();
            prop_assert_eq!(after.state(), naive.state);
            prop_assert_eq!(after.level(), naive.level);
            prop_assert_eq!(after.reason(), naive.reason);
            prop_assert_eq!(after.attempt(), naive.attempt);
            prop_assert_eq!(after.is_shielded(), naive.shields > 0);
            prop_assert_eq!(task.is_cancelled(), naive.level.is_some());
            if before.state().is_terminal() && matches!(operation, Operation::Restart) {
                prop_assert!(after == Lifecycle::new().snapshot(), "something of the old run stayed");
                continue;
            }
            prop_assert!(!before.state().is_terminal() || before == after, "an end changed");
            prop_assert!(before.level() <= after.level(), "the level fell");
            prop_assert!(before.attempt() <= after.attempt(), "the count of attempts fell");
        }
    }
}
