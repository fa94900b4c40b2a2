//! Circuit breakers for tasks: what fails is left alone until it works again.
//!
//! The decisions are those of [`sweet_async_core::breaker`]; here is the handle that tasks share, with durations and a
//! window that is chosen at run time.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::cell::OnceCell;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use sweet_async_core::breaker::{
    AnyWindow, CircuitBreaker as Machine, Consecutive, LastCalls, LastTime, Outcome, Rules, Settings,
    SettingsError, Ticket,
};
pub use sweet_async_core::breaker::{Counts, State};

use crate::Moment;
use crate::guard::Told;
use crate::task::CircuitOpen;

/// Keeps tasks away from something that fails, and lets a few through now and then to find out whether it works again.
///
/// A handle: clones speak of the same breaker, and every task that is given one shares it. All operations are lock-free;
/// an attempt through a closed breaker costs one load to be admitted and at most one compare-and-swap to be counted. An
/// attempt that is cancelled or dropped counts as nothing and gives its place back; a probe that hangs gives it back
/// when its lease ends.
///
/// # Examples
/// ```
/// use sweet_async_api::breaker::{CircuitBreaker, State};
/// use sweet_async_api::units::DurationUnits;
///
/// let breaker = CircuitBreaker::builder()
///     .name("search")
///     .last_calls(100)
///     .failure_rate(50)
///     .minimum_calls(20)
///     .open_for(5.seconds())
///     .build()?;
/// assert_eq!(breaker.state(), State::Closed);
/// # Ok::<(), sweet_async_api::breaker::BreakerError>(())
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    name: Cow<'static, str>,
    settings: Settings,
    slow_after: Option<Duration>,
    machine: Machine<AnyWindow>,
}

/// How many buckets a window over time has.
const BUCKETS: u32 = 16;

/// Describes a breaker.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CircuitBreakerBuilder {
    name: Cow<'static, str>,
    rules: Rules,
    window: Window,
    slow_after: Option<Duration>,
    slow_rate: bool,
}

#[derive(Clone, Copy, Debug)]
enum Window {
    Consecutive,
    Calls(u16),
    Time(Duration),
}

/// Why a breaker cannot be built as described.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BreakerError {
    /// A window over more than 1,000 calls.
    TooManyCalls,
    /// A window over less than half a second or more than 3 days.
    WindowTime,
    /// A slow rate without a time that is too slow, or the other way round, or one with consecutive failures, which
    /// do not look at it.
    SlowRate,
    /// Settings that the machine refuses.
    Rules(SettingsError),
}

impl CircuitBreaker {
    /// The most calls that a window over calls looks back.
    pub const MAX_CALLS: u16 = 1_000;

    /// Describes a breaker. If nothing else is said, 5 consecutive failures open it for 30 seconds; then one probe with
    /// a lease of 30 seconds decides.
    pub fn builder() -> CircuitBreakerBuilder {
        CircuitBreakerBuilder {
            name: Cow::Borrowed(""),
            rules: Rules::new(),
            window: Window::Consecutive,
            slow_after: None,
            slow_rate: false,
        }
    }

    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What the breaker does with calls. An open one whose time is over stays open until the first probe comes.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.machine.state()
    }

    /// What the window holds at `now`. Out of date when it is read, if tasks are running.
    #[must_use]
    pub fn counts(&self, now: Moment) -> Counts {
        self.shared.machine.counts(&self.shared.settings, now.tick())
    }

    /// Refuses every attempt until [`auto`](Self::auto); answers whether this call changed the state.
    #[expect(clippy::must_use_candidate, reason = "the state is forced whoever did it")]
    pub fn force_open(&self) -> bool {
        self.shared.machine.force_open()
    }

    /// Lets every attempt through and counts nothing until [`auto`](Self::auto); answers whether this call changed the
    /// state.
    #[expect(clippy::must_use_candidate, reason = "the state is forced whoever did it")]
    pub fn force_closed(&self) -> bool {
        self.shared.machine.force_closed()
    }

    /// Lets every attempt through and counts, but never opens, until [`auto`](Self::auto); answers whether this call
    /// changed the state.
    #[expect(clippy::must_use_candidate, reason = "the state is set whoever did it")]
    pub fn metrics_only(&self) -> bool {
        self.shared.machine.metrics_only()
    }

    /// Ends a forced state or metrics-only; answers whether this call changed the state.
    #[expect(clippy::must_use_candidate, reason = "the state is released whoever did it")]
    pub fn auto(&self) -> bool {
        self.shared.machine.auto()
    }

    /// Asks to make an attempt. The clock is read only where time decides, so not by an attempt that passes freely.
    #[inline]
    pub(crate) fn admit(&self, clock: impl Fn() -> Moment) -> Result<Admission, CircuitOpen> {
        let shared = &*self.shared;
        let mut now = None;
        let read = || now.insert(clock()).tick();
        match shared.machine.try_admit_with(&shared.settings, read) {
            Ok(ticket) => Ok(Admission {
                ticket,
                at: match shared.slow_after {
                    Some(_) => now.unwrap_or_else(clock),
                    None => Moment::START,
                },
            }),
            Err(refused) => Err(CircuitOpen {
                retry_in: refused.retry_at().zip(now).map(|(at, now)| {
                    let ticks = at.since(now.tick());
                    Duration::from_millis(u64::from(ticks))
                }),
            }),
        }
    }

    /// Takes note of how an attempt went. The clock is read once at most, and only where time decides.
    #[inline]
    pub(crate) fn tell(&self, admission: Admission, how: Told, clock: impl Fn() -> Moment) {
        let shared = &*self.shared;
        let now = OnceCell::new();
        let clock = || *now.get_or_init(&clock);
        let slow = || {
            let limit = shared.slow_after;
            limit.is_some_and(|limit| clock().since(admission.at) > limit)
        };
        let outcome = match how {
            Told::Succeeded if slow() => Outcome::SlowOk,
            Told::Succeeded => Outcome::Ok,
            Told::Failed | Told::Overloaded if slow() => Outcome::SlowFailed,
            Told::Failed | Told::Overloaded => Outcome::Failed,
            Told::Cancelled => Outcome::Cancelled,
        };
        let (settings, ticket) = (&shared.settings, admission.ticket);
        // Whoever wants to know that it opened or closed asks for its state.
        let _ = shared
            .machine
            .record_with(settings, ticket, outcome, || clock().tick());
    }
}

/// The right to make one attempt.
#[derive(Debug)]
pub(crate) struct Admission {
    ticket: Ticket,
    /// When; only where it is asked how long an attempt takes.
    at: Moment,
}

impl CircuitBreakerBuilder {
    /// Names the breaker, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Opens after this many failures in a row.
    pub const fn consecutive_failures(mut self, failures: u16) -> Self {
        self.window = Window::Consecutive;
        self.rules = self.rules.failures(failures);
        self
    }

    /// Looks back over the last `calls`, at most [`CircuitBreaker::MAX_CALLS`].
    pub const fn last_calls(mut self, calls: u16) -> Self {
        self.window = Window::Calls(calls);
        self
    }

    /// Looks back over at least the last `time` and less than twice of it, from half a second to 3 days: 16 buckets of
    /// the same power of two in milliseconds.
    pub const fn last(mut self, time: Duration) -> Self {
        self.window = Window::Time(time);
        self
    }

    /// Opens when this share of the calls in the window failed, in percent.
    pub const fn failure_rate(mut self, percent: u8) -> Self {
        self.rules = self.rules.failure_rate(percent);
        self
    }

    /// Opens when this share of the calls in the window took longer than [`slow_after`](Self::slow_after), in percent.
    pub const fn slow_rate(mut self, percent: u8) -> Self {
        self.rules = self.rules.slow_rate(percent);
        self.slow_rate = true;
        self
    }

    /// From when on a call is too slow.
    pub const fn slow_after(mut self, time: Duration) -> Self {
        self.slow_after = Some(time);
        self
    }

    /// Judges rates only when this many calls are in the window. 10 if not said.
    pub const fn minimum_calls(mut self, calls: u16) -> Self {
        self.rules = self.rules.minimum_calls(calls);
        self
    }

    /// How long the breaker stays open, at most 4.6 hours.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.rules = self.rules.open_for(ticks(time));
        self
    }

    /// How long the breaker stays open at first, and `factor` (1, 2, 4 or 8) times longer after each failed probe, up to
    /// `longest`, at most 4.6 hours.
    pub fn open_for_growing(mut self, first: Duration, factor: u8, longest: Duration) -> Self {
        self.rules = self.rules.open_for_growing(ticks(first), factor, ticks(longest));
        self
    }

    /// How many probes have to go well before the breaker closes, 1 to 7.
    pub const fn probes(mut self, probes: u8) -> Self {
        self.rules = self.rules.probes(probes);
        self
    }

    /// How long a probe may take before its place is given to another, at most 4.6 hours.
    pub fn probe_lease(mut self, time: Duration) -> Self {
        self.rules = self.rules.lease(ticks(time));
        self
    }

    /// Makes the breaker.
    ///
    /// # Errors
    /// [`BreakerError`] when the settings cannot be followed.
    pub fn build(self) -> Result<CircuitBreaker, BreakerError> {
        let rules = match self.window {
            Window::Consecutive => self.rules,
            Window::Calls(calls) if calls > CircuitBreaker::MAX_CALLS => {
                return Err(BreakerError::TooManyCalls);
            }
            Window::Calls(calls) => self.rules.last_calls(calls),
            // The calls of a window over time are not bounded, so their number cannot contradict the minimum.
            Window::Time(time) => self.rules.last_calls(u16::MAX).bucket(bucket(time)?),
        };
        let judged = !matches!(self.window, Window::Consecutive);
        if self.slow_rate != self.slow_after.is_some() || (self.slow_rate && !judged) {
            return Err(BreakerError::SlowRate);
        }
        let settings = rules.check().map_err(BreakerError::Rules)?;
        let window = match self.window {
            Window::Consecutive => AnyWindow::Consecutive(Consecutive::new()),
            Window::Calls(_) => AnyWindow::Calls(LastCalls::new()),
            Window::Time(_) => AnyWindow::Time(LastTime::new()),
        };
        let machine = Machine::new(window);
        let shared = Shared {
            name: self.name,
            settings,
            slow_after: self.slow_after,
            machine,
        };
        Ok(CircuitBreaker {
            shared: Arc::new(shared),
        })
    }
}

/// Whole milliseconds, rounded up; what does not fit is refused by the rules.
fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// The length of a bucket for a window over `time`.
fn bucket(time: Duration) -> Result<u32, BreakerError> {
    let length = ticks(time).div_ceil(BUCKETS);
    let length = length
        .checked_next_power_of_two()
        .ok_or(BreakerError::WindowTime)?;
    if (Rules::MIN_BUCKET..=Rules::MAX_TICKS).contains(&length) {
        Ok(length)
    } else {
        Err(BreakerError::WindowTime)
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BreakerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyCalls => f.write_str("a window looks back over at most 1,000 calls; lower the number"),
            Self::WindowTime => f.write_str("a window over time lasts from half a second to 3 days"),
            Self::SlowRate => f.write_str(
                "a slow rate needs a time that is too slow and a window over calls or time; give both or none",
            ),
            Self::Rules(error) => error.fmt(f),
        }
    }
}

impl Error for BreakerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rules(error) => Some(error),
            _ => None,
        }
    }
}
