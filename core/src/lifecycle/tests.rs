extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{AtomicU32, Cancel, End, FinishError, Level, Lifecycle, Reason, ShieldError, Start, State, Word};

const STATES: [State; 9] = [
    State::Pending,
    State::Running,
    State::Waiting,
    State::Completed,
    State::Failed,
    State::Panicked,
    State::TimedOut,
    State::Cancelled,
    State::Rejected,
];
const LEVELS: [Option<Level>; 4] = [
    None,
    Some(Level::Graceful),
    Some(Level::Kill),
    Some(Level::KillHard),
];
const ENDS: [End; 5] = [
    End::Completed,
    End::Failed,
    End::Panicked,
    End::TimedOut,
    End::Cancelled,
];

/// One word, laid out by the table in the module's documentation and not by its constants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Layout {
    state: State,
    level: Option<Level>,
    reason: u32,
    shields: u32,
    attempt: u32,
}

impl Layout {
    /// A task in this state after one attempt, if it ever ran.
    const fn of(state: State) -> Self {
        let ran = !matches!(state, State::Pending | State::Rejected);
        Self {
            state,
            level: None,
            reason: 0,
            shields: 0,
            attempt: ran as u32,
        }
    }

    const fn told(mut self, level: Level, reason: Reason) -> Self {
        self.level = Some(level);
        self.reason = reason as u32;
        self
    }

    /// The same word with this level, for a reason that no test gives.
    const fn at(self, level: Option<Level>) -> Self {
        match level {
            None => self,
            Some(level) => self.told(level, Reason::Superseded),
        }
    }

    const fn to(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    const fn shields(mut self, shields: u32) -> Self {
        self.shields = shields;
        self
    }

    fn word(self) -> u32 {
        let level = self.level.map_or(0, |level| level as u32);
        self.state as u32 | level << 4 | self.reason << 6 | self.shields << 10 | self.attempt << 16
    }

    fn lifecycle(self) -> Lifecycle {
        Lifecycle {
            word: AtomicU32::new(self.word()),
        }
    }
}

/// Applies `operation` to a task laid out as `before`, and checks its answer and the word it leaves.
fn expect<A: core::fmt::Debug + PartialEq>(
    before: Layout,
    operation: impl FnOnce(&Lifecycle) -> A,
    answer: &A,
    after: Layout,
) {
    let task = before.lifecycle();
    assert_eq!(operation(&task), *answer, "from {before:?}");
    assert_eq!(task.word.into_inner(), after.word(), "from {before:?}");
}

/// Every word that a task can have in these states, but for shields and attempts.
fn every(states: &[State]) -> impl Iterator<Item = Layout> {
    states.iter().flat_map(|state| {
        let levels = match state {
            // A level on a pending task ends it; a rejected one never had any; a timeout comes before any.
            State::Pending | State::Rejected | State::TimedOut => LEVELS.get(..1),
            // A result comes only before a kill.
            State::Completed | State::Failed => LEVELS.get(..2),
            // A hard kill ends a task.
            State::Running | State::Waiting | State::Panicked => LEVELS.get(..3),
            // A cancelled one was told.
            State::Cancelled => LEVELS.get(1..),
        };
        levels
            .unwrap_or_default()
            .iter()
            .map(|level| Layout::of(*state).at(*level))
    })
}

fn refusal(state: State) -> FinishError {
    if state.is_terminal() {
        FinishError::Over(state)
    } else {
        FinishError::Misplaced(state)
    }
}

#[test]
fn start_in_every_state() {
    for before in every(&STATES) {
        if before.state == State::Pending {
            expect(
                before,
                Lifecycle::start,
                &Start::Run,
                before.to(State::Running).attempt(1),
            );
        } else {
            expect(before, Lifecycle::start, &Start::Over(before.state), before);
        }
    }
}

#[test]
fn wait_in_every_state() {
    for before in every(&STATES) {
        if before.state == State::Running {
            expect(before, Lifecycle::wait, &Ok(()), before.to(State::Waiting));
        } else {
            expect(before, Lifecycle::wait, &Err(refusal(before.state)), before);
        }
    }
}

#[test]
fn resume_in_every_state() {
    for before in every(&STATES) {
        if before.state == State::Waiting {
            expect(
                before,
                Lifecycle::resume,
                &Ok(2),
                before.to(State::Running).attempt(2),
            );
        } else {
            expect(before, Lifecycle::resume, &Err(refusal(before.state)), before);
        }
    }
}

#[test]
fn restart_in_every_state() {
    for before in every(&STATES) {
        let before = before.attempt(65_535).shields(63);
        if before.state.is_terminal() {
            let fresh = Layout::of(State::Pending);
            expect(before, Lifecycle::restart, &Ok(before.state), fresh);
        } else {
            expect(before, Lifecycle::restart, &Err(refusal(before.state)), before);
        }
    }
}

#[test]
fn a_static_task_runs_again_and_again() {
    static TASK: Lifecycle = Lifecycle::new();
    for end in ENDS.into_iter().chain(ENDS) {
        assert_eq!(TASK.start(), Start::Run);
        if end == End::Cancelled {
            assert_eq!(TASK.cancel(Level::KillHard, Reason::Deadline), Cancel::Ended);
        } else {
            assert_eq!(TASK.finish(end), Ok(()));
        }
        let ended = TASK.state();
        assert_eq!(TASK.restart(), Ok(ended));
        assert_eq!(TASK.restart(), Err(FinishError::Misplaced(State::Pending)));
        assert!(TASK.snapshot() == Lifecycle::new().snapshot(), "{TASK:?}");
    }
}

#[test]
fn reject_in_every_state() {
    for before in every(&STATES) {
        if before.state == State::Pending {
            expect(before, Lifecycle::reject, &Ok(()), before.to(State::Rejected));
        } else {
            expect(before, Lifecycle::reject, &Err(refusal(before.state)), before);
        }
    }
}

#[test]
fn finish_in_every_state() {
    for before in every(&STATES) {
        for end in ENDS {
            let (answer, after) = finished(before, end);
            expect(before, |task| task.finish(end), &answer, after);
        }
    }
}

/// What the documentation promises, one line for each combination that differs.
fn finished(before: Layout, end: End) -> (Result<(), FinishError>, Layout) {
    use End::{Cancelled, Completed, Failed, Panicked, TimedOut};
    use Level::{Graceful, Kill};
    let to = |state| (Ok(()), before.to(state));
    let refused = |error| (Err(error), before);
    match (before.state, before.level, end) {
        (state, ..) if state.is_terminal() => refused(FinishError::Over(state)),
        (State::Pending, _, TimedOut) => to(State::TimedOut),
        (State::Pending, ..) => refused(FinishError::Misplaced(State::Pending)),
        (_, None | Some(Graceful), Completed) => to(State::Completed),
        (_, None | Some(Graceful), Failed) => to(State::Failed),
        (_, Some(Kill), Completed | Failed) | (_, Some(_), TimedOut) => refused(FinishError::Cancelled),
        (_, _, Panicked) => to(State::Panicked),
        (_, None, TimedOut) => to(State::TimedOut),
        (state, None, Cancelled) => refused(FinishError::Misplaced(state)),
        (_, Some(_), Cancelled) => to(State::Cancelled),
        (state, level, end) => panic!("no task is {state} at {level:?}, finishing as {end:?}"),
    }
}

#[test]
fn cancel_in_every_state() {
    for before in every(&STATES) {
        for level in LEVELS.into_iter().flatten() {
            let told = if before.level.is_none() {
                before.told(level, Reason::Parent)
            } else {
                // The first reason stays.
                Layout {
                    level: Some(level),
                    ..before
                }
            };
            let (answer, after) = if before.state.is_terminal() {
                (Cancel::Over(before.state), before)
            } else if before.level >= Some(level) {
                (Cancel::Unchanged, before)
            } else if before.state == State::Pending || level == Level::KillHard {
                (Cancel::Ended, told.to(State::Cancelled))
            } else {
                (Cancel::Raised, told)
            };
            expect(before, |task| task.cancel(level, Reason::Parent), &answer, after);
        }
    }
}

#[test]
fn shield_and_unshield_in_every_state() {
    for before in every(&STATES) {
        let state = before.state;
        if state.is_terminal() {
            let over = ShieldError::Over(state);
            expect(before, Lifecycle::shield, &Err(over), before);
            expect(
                before.shields(1),
                Lifecycle::unshield,
                &Err(over),
                before.shields(1),
            );
            continue;
        }
        expect(before, Lifecycle::unshield, &Err(ShieldError::NotOpen), before);
        if state == State::Pending {
            expect(before, Lifecycle::shield, &Err(ShieldError::NotStarted), before);
            continue;
        }
        expect(before, Lifecycle::shield, &Ok(()), before.shields(1));
        let full = before.shields(63);
        expect(before.shields(62), Lifecycle::shield, &Ok(()), full);
        expect(full, Lifecycle::shield, &Err(ShieldError::TooDeep), full);
        expect(full, Lifecycle::unshield, &Ok(()), before.shields(62));
        expect(before.shields(1), Lifecycle::unshield, &Ok(()), before);
    }
}

#[test]
fn queries_in_every_state() {
    for before in every(&STATES) {
        let task = before.attempt(7).shields(3).lifecycle();
        let seen = task.snapshot();
        assert_eq!(
            (task.state(), seen.state()),
            (before.state, before.state),
            "{before:?}"
        );
        assert_eq!(seen.level(), before.level, "{before:?}");
        assert_eq!(
            seen.reason(),
            before.level.map(|_| Reason::Superseded),
            "{before:?}"
        );
        assert_eq!((seen.attempt(), seen.is_shielded()), (7, true), "{before:?}");
        assert_eq!(task.is_cancelled(), before.level.is_some(), "{before:?}");
        let live = matches!(before.state, State::Pending | State::Running | State::Waiting);
        assert_eq!(seen.is_cancelling(), live && before.level.is_some(), "{before:?}");
    }
}

#[test]
fn the_count_of_attempts_saturates() {
    let last = Layout::of(State::Waiting).attempt(65_535);
    expect(last, Lifecycle::resume, &Ok(u16::MAX), last.to(State::Running));
    let before = last.attempt(65_534);
    expect(before, Lifecycle::resume, &Ok(u16::MAX), last.to(State::Running));
}

#[test]
fn every_reason_is_kept() {
    let reasons = [
        Reason::Requested,
        Reason::Parent,
        Reason::Sibling,
        Reason::Dropped,
        Reason::Shutdown,
        Reason::Stopped,
        Reason::Superseded,
        Reason::Deadline,
    ];
    for reason in reasons {
        let task = Layout::of(State::Running).lifecycle();
        assert_eq!(task.cancel(Level::Graceful, reason), Cancel::Raised);
        assert_eq!(task.snapshot().reason(), Some(reason));
        assert!(!reason.to_string().is_empty());
    }
}

#[test]
fn starts_pending_in_a_static() {
    static TASK: Lifecycle = Lifecycle::new();
    assert_eq!(TASK.state(), State::Pending);
    assert_eq!(Lifecycle::default().word.into_inner(), Word::PENDING.0);
}

#[test]
fn takes_four_bytes_and_is_shared() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Lifecycle>();
    assert_eq!(size_of::<Lifecycle>(), 4);
}

#[test]
fn says_what_it_is_and_what_is_wrong() {
    let task = Layout::of(State::Running)
        .told(Level::Kill, Reason::Shutdown)
        .shields(2)
        .lifecycle();
    assert_eq!(
        format!("{task:?}"),
        "Lifecycle(Snapshot { state: Running, level: Some(Kill), reason: Some(Shutdown), attempt: 1, shields: 2 })"
    );
    let errors = [
        FinishError::Cancelled.to_string(),
        FinishError::Over(State::TimedOut).to_string(),
        FinishError::Misplaced(State::Pending).to_string(),
        ShieldError::TooDeep.to_string(),
        ShieldError::NotOpen.to_string(),
        ShieldError::NotStarted.to_string(),
        ShieldError::Over(State::Failed).to_string(),
    ];
    for said in errors {
        assert!(
            said.starts_with(char::is_alphanumeric) && !said.ends_with('.'),
            "{said}"
        );
    }
}

#[test]
fn states_and_levels_are_called_what_people_call_them() {
    let states = STATES.map(|state| state.to_string());
    assert_eq!(
        states,
        [
            "pending",
            "running",
            "waiting",
            "completed",
            "failed",
            "panicked",
            "timed out",
            "cancelled",
            "rejected"
        ]
    );
    assert_eq!(STATES.map(State::as_str), states.each_ref().map(String::as_str));
    let levels = LEVELS.into_iter().flatten().map(|level| level.to_string());
    assert!(levels.eq(["graceful", "kill", "kill hard"]));
}

#[test]
fn a_task_is_shielded_while_a_section_is_open() {
    let task = Lifecycle::new();
    assert_eq!(task.start(), Start::Run);
    for expected in [false, true, false] {
        assert_eq!(task.snapshot().is_shielded(), expected);
        let _ = if expected { task.unshield() } else { task.shield() };
    }
}

#[test]
fn numbers_are_those_of_the_repr() {
    let states: Vec<_> = (0..=255)
        .filter_map(State::from_number)
        .map(|state| state as u8)
        .collect();
    assert_eq!(states, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let levels: Vec<_> = (0..=255)
        .filter_map(Level::from_number)
        .map(|level| level as u8)
        .collect();
    assert_eq!(levels, [1, 2, 3]);
    let reasons: Vec<_> = (0..=255)
        .filter_map(Reason::from_number)
        .map(|reason| reason as u8)
        .collect();
    assert_eq!(reasons, [1, 2, 3, 4, 5, 6, 7, 8]);
}
