//! The gate: who is let through, and what a result does to the state.

use core::fmt;

use crate::Tick;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use crate::sync::{AtomicU32, const_fn};

use super::gate::{Admit, Word};
use super::outcome::{Counts, Outcome, Recorded, Refused, State, Ticket};
use super::permit::Permit;
use super::settings::Settings;
use super::snapshot::SnapshotError;
use super::window::{Entry, Noted, Window};

/// Keeps calls away from something that fails, and finds out by a few probes when it works again.
///
/// See the [module documentation](super) for the states and what is guaranteed.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Recorded, Refused, Rules, State};
///
/// static BREAKER: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
///
/// let settings = Rules::new().failures(2).open_for(100).check()?;
/// for expected in [Recorded::Unchanged, Recorded::Opened { retry_at: Tick::new(107) }] {
///     let permit = BREAKER.try_enter(&settings, Tick::new(7))?;
///     assert_eq!(permit.record(Outcome::Failed, Tick::new(7)), expected);
/// }
/// let refused = BREAKER.try_enter(&settings, Tick::new(50)).unwrap_err();
/// assert_eq!(refused, Refused::Open { retry_at: Tick::new(107) });
///
/// let probe = BREAKER.try_enter(&settings, Tick::new(107))?;
/// assert_eq!(probe.record(Outcome::Ok, Tick::new(110)), Recorded::Closed);
/// assert_eq!(BREAKER.state(), State::Closed);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct CircuitBreaker<W> {
    gate: AtomicU32,
    /// The next generation to give out; only its low bits are used, and two of its callers never get the same.
    generations: AtomicU32,
    window: W,
}

impl<W> CircuitBreaker<W> {
    const_fn! {
        /// A closed breaker that looks back through `window`.
        #[must_use]
        pub fn new(window: W) -> Self {
            Self {
                gate: AtomicU32::new(Word::closed(0).0),
                generations: AtomicU32::new(1),
                window,
            }
        }
    }

    /// What the breaker does with calls, as far as it knows: an open breaker whose time is over stays open until the
    /// first probe comes.
    #[must_use]
    pub fn state(&self) -> State {
        self.read().state()
    }

    /// How many probes are in flight; zero unless half-open.
    #[must_use]
    pub fn probes_in_flight(&self) -> u32 {
        let word = self.read();
        match word.state() {
            State::HalfOpen => word.flying(),
            _ => 0,
        }
    }

    /// Asks to make a call, without borrowing the breaker; see [`CircuitBreaker::try_enter`].
    ///
    /// Costs one load while the breaker is closed, and one load and a comparison while it is open.
    ///
    /// # Errors
    /// [`Refused`], which says when to come back. The breaker is unchanged.
    #[inline]
    pub fn try_admit(&self, settings: &Settings, now: Tick) -> Result<Ticket, Refused> {
        self.try_admit_with(settings, || now)
    }

    /// The same, for clocks that cost something to read: `clock` is asked at most once, and only unless calls pass
    /// freely. It is asked after the state was looked at, never before.
    ///
    /// # Errors
    /// [`Refused`], which says when to come back. The breaker is unchanged.
    #[inline]
    pub fn try_admit_with(
        &self,
        settings: &Settings,
        clock: impl FnOnce() -> Tick,
    ) -> Result<Ticket, Refused> {
        let word = self.read();
        if !word.is_guarded() {
            return Ok(Ticket::call(word.generation()));
        }
        let now = clock();
        if word.state() == State::Open {
            let remaining = word.remaining(settings, now);
            if remaining > 0 {
                return Err(Refused::Open {
                    retry_at: now.after(remaining),
                });
            }
        }
        self.admit_guarded(settings, now)
    }

    #[cold]
    fn admit_guarded(&self, settings: &Settings, now: Tick) -> Result<Ticket, Refused> {
        let mut renewed = None;
        self.transition(|word| match word.admit(settings, now) {
            Admit::Freely => (Ok(Ticket::call(word.generation())), word),
            Admit::Refuse(refused) => (Err(refused), word),
            Admit::Join => (
                Ok(Ticket::probe(word.generation(), false)),
                word.join(settings, now),
            ),
            Admit::Renew => {
                let generation = *renewed.get_or_insert_with(|| self.next_generation());
                (
                    Ok(Ticket::probe(generation, word.state() == State::Open)),
                    word.renew(generation, settings, now),
                )
            }
        })
    }

    /// Hands back the right to a call that ended without saying anything about the called side.
    ///
    /// A probe's place is free again; its generation is told apart from later ones for 2,047 of them.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is handed back once")]
    pub fn give_back(&self, ticket: Ticket) -> Recorded {
        if !ticket.is_probe() {
            return Recorded::Unchanged;
        }
        self.transition(|word| {
            if word.is_probing(ticket.generation()) {
                (Recorded::Unchanged, word.give_back())
            } else {
                (Recorded::Late, word)
            }
        })
    }

    /// Refuses every call from now on; answers whether this call changed the state.
    pub fn force_open(&self) -> bool {
        self.transition(|word| (word != Word::forced_open(), Word::forced_open()))
    }

    /// Lets every call through from now on and counts none; answers whether this call changed the state.
    pub fn force_closed(&self) -> bool {
        let mut fresh = None;
        self.transition(|word| {
            if word.state() == State::ForcedClosed {
                return (false, word);
            }
            let generation = *fresh.get_or_insert_with(|| self.next_generation());
            (true, Word::forced_closed(generation))
        })
    }

    /// A number that no other caller gets, to begin a generation with.
    fn next_generation(&self) -> u32 {
        // ORDERING: Relaxed. The number has only to differ from those of others; it is published by the exchange of the
        // gate that uses it. Model: `breaker::late_probe_changes_nothing`.
        self.generations.fetch_add(1, Relaxed) & Word::GENERATION
    }

    #[inline]
    fn read(&self) -> Word {
        // ORDERING: Acquire. Who is let through or refused sees what the one who closed or opened did before (B8); it
        // pairs with the Release half of `transition`. Models: `breaker::refused_sees_the_opener`,
        // `breaker::admitted_sees_the_closer`.
        Word(self.gate.load(Acquire))
    }

    /// Applies `decide` to the current word until its answer took effect; a word that stays needs no exchange.
    fn transition<A>(&self, mut decide: impl FnMut(Word) -> (A, Word)) -> A {
        let mut current = self.read();
        loop {
            let (answer, next) = decide(current);
            if next == current {
                return answer;
            }
            // ORDERING: AcqRel; Acquire on failure. Release publishes what the caller did before it opened, closed or gave
            // its place back, Acquire shows it to who takes the place or decides on the new state (B8). Models:
            // `breaker::refused_sees_the_opener`, `breaker::admitted_sees_the_closer`, `breaker::opener_sees_who_failed`.
            match self
                .gate
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => return answer,
                Err(seen) => current = Word(seen),
            }
        }
    }
}

#[cfg(test)]
impl<W> CircuitBreaker<W> {
    pub(super) fn with_words(word: Word, generation: u32, window: W) -> Self {
        Self {
            gate: AtomicU32::new(word.0),
            generations: AtomicU32::new(generation),
            window,
        }
    }

    pub(super) fn word(&self) -> Word {
        self.read()
    }

    pub(super) fn into_window(self) -> W {
        self.window
    }
}

impl<W: Window> CircuitBreaker<W> {
    /// Asks to make a call.
    ///
    /// Linearizable with every other operation. The permit gives itself back as [`Outcome::Cancelled`] when it is dropped.
    ///
    /// # Errors
    /// [`Refused`], which says when to come back. The breaker is unchanged.
    #[inline]
    pub fn try_enter<'a>(&'a self, settings: &'a Settings, now: Tick) -> Result<Permit<'a, W>, Refused> {
        let ticket = self.try_admit(settings, now)?;
        Ok(Permit::new(self, settings, ticket))
    }

    /// Takes note of how a call ended.
    ///
    /// A result of a generation that is over changes nothing. A success of a closed breaker without failures in a row
    /// costs one load with [`Consecutive`](super::Consecutive), and one compare-and-swap with the other windows.
    #[inline]
    pub fn record(&self, settings: &Settings, ticket: Ticket, outcome: Outcome, now: Tick) -> Recorded {
        self.record_with(settings, ticket, outcome, || now)
    }

    /// The same, for clocks that cost something to read: `clock` is asked only where time decides, which is for each
    /// result that [`LastTime`](super::LastTime) counts, for that of a probe, and for one that opens the breaker or
    /// changes how many failed in a row. A result that `LastTime` counts and that opens asks twice.
    #[inline]
    pub fn record_with(
        &self,
        settings: &Settings,
        ticket: Ticket,
        outcome: Outcome,
        clock: impl Fn() -> Tick,
    ) -> Recorded {
        if !outcome.is_telling() {
            return self.give_back(ticket);
        }
        if ticket.is_probe() {
            let failed = outcome.is_failure() || outcome.is_slow() && settings.judges_slow();
            return self.turn(settings, Word::probing(ticket.generation()), failed, clock());
        }
        let word = self.read();
        if !word.is_counting(ticket.generation()) {
            return uncounted(word, ticket.generation());
        }
        if self.window.in_gate() {
            if outcome.is_failure() || word.count() > 0 {
                return self.record_in_gate(settings, ticket.generation(), outcome, clock());
            }
            return Recorded::Unchanged;
        }
        let entry = Entry {
            generation: ticket.generation(),
            outcome,
        };
        let is_current = || self.read().is_counting(entry.generation);
        match self.window.note(entry, settings, &clock, is_current) {
            Noted::Within => Recorded::Unchanged,
            Noted::Late => Recorded::Late,
            Noted::Over => self.turn(settings, Word::closed(entry.generation), true, clock()),
        }
    }

    /// A result that may change the state: that of a probe, or one with which a threshold is reached. `from` has the
    /// state and the generation in which it may.
    #[cold]
    fn turn(&self, settings: &Settings, from: Word, failed: bool, now: Tick) -> Recorded {
        self.transition(|word| {
            if !word.is_in(from) {
                // Of those who reach a threshold at once one opens; the others were counted all the same.
                let late = from.is_guarded();
                return (if late { Recorded::Late } else { Recorded::Unchanged }, word);
            }
            if failed {
                let (retry_at, next) = word.opened(settings, now);
                return (Recorded::Opened { retry_at }, next);
            }
            let next = word.probe_went_well(settings);
            if next.is_guarded() {
                return (Recorded::Unchanged, next);
            }
            self.window.forget(next.generation());
            (Recorded::Closed, next)
        })
    }

    /// Counts failures in a row in the gate itself.
    #[cold]
    fn record_in_gate(&self, settings: &Settings, generation: u32, outcome: Outcome, now: Tick) -> Recorded {
        self.transition(|word| {
            if !word.is_counting(generation) {
                return (uncounted(word, generation), word);
            }
            if !outcome.is_failure() {
                return (Recorded::Unchanged, word.without_failures());
            }
            let next = word.with_failure();
            if next.count() < settings.failures() || next.state() == State::MetricsOnly {
                return (Recorded::Unchanged, next);
            }
            let (retry_at, next) = word.opened(settings, now);
            (Recorded::Opened { retry_at }, next)
        })
    }

    /// Counts from now on, but never opens; answers whether this call changed the state.
    ///
    /// From closed it keeps what was counted, from any other state it starts over.
    pub fn metrics_only(&self) -> bool {
        let mut fresh = None;
        self.transition(|word| match word.state() {
            State::MetricsOnly => (false, word),
            State::Closed => (true, word.metrics_only()),
            _ => {
                let generation = self.fresh_generation(&mut fresh);
                (true, Word::closed(generation).metrics_only())
            }
        })
    }

    /// Ends a forced state or metrics-only; answers whether this call changed the state.
    ///
    /// The breaker is closed afterwards. From metrics-only it keeps what was counted; the next failure is judged with it.
    /// From a forced state it starts over, and results of calls from before are late.
    pub fn auto(&self) -> bool {
        let mut fresh = None;
        self.transition(|word| match word.state() {
            State::Closed | State::Open | State::HalfOpen => (false, word),
            State::MetricsOnly => (true, word.counted()),
            State::ForcedOpen | State::ForcedClosed => {
                let generation = self.fresh_generation(&mut fresh);
                (true, Word::closed(generation))
            }
        })
    }

    /// A generation that the window holds nothing of.
    fn fresh_generation(&self, kept: &mut Option<u32>) -> u32 {
        *kept.get_or_insert_with(|| {
            let generation = self.next_generation();
            self.window.forget(generation);
            generation
        })
    }

    /// What the window holds; with [`Consecutive`](super::Consecutive) the failures in a row. Zero unless closed or
    /// metrics-only. Out of date when it is read, if others record.
    #[must_use]
    pub fn counts(&self, settings: &Settings, now: Tick) -> Counts {
        let word = self.read();
        if !word.is_counting(word.generation()) {
            return Counts::default();
        }
        if self.window.in_gate() {
            return Counts {
                calls: word.count(),
                failed: word.count(),
                slow: 0,
            };
        }
        self.window.counts(word.generation(), settings, now)
    }

    /// Hands each word that has to outlive a restart to `put`, always the same number of them for the same kind of
    /// window: the state first, with the open time relative to `now`.
    ///
    /// Probes in flight are forgotten: half-open is kept as open with its time over. Taken while others record, the
    /// copy may miss or split a result that is being recorded; the breaker that is made of it works all the same.
    pub fn snapshot(&self, settings: &Settings, now: Tick, mut put: impl FnMut(u32)) {
        put(self.read().exported(settings, now).0);
        self.window.export(&mut put);
    }

    /// A breaker as [`CircuitBreaker::snapshot`] described it, on a clock that may be another; `window` is an empty one
    /// of the same kind.
    ///
    /// # Errors
    /// [`SnapshotError`] for words that no snapshot hands out.
    pub fn restore(
        mut window: W,
        now: Tick,
        words: impl IntoIterator<Item = u32>,
    ) -> Result<Self, SnapshotError> {
        let mut words = words.into_iter();
        let mut next = || words.next();
        let raw = next().ok_or(SnapshotError::TooShort)?;
        let word = Word::imported(raw, now).ok_or(SnapshotError::Unknown)?;
        window.import(&mut next)?;
        Ok(Self {
            gate: AtomicU32::new(word.0),
            generations: AtomicU32::new(word.next_generation()),
            window,
        })
    }
}

impl<W> fmt::Debug for CircuitBreaker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        let mut out = f.debug_struct("CircuitBreaker");
        out.field("state", &word.state());
        match word.state() {
            State::Open => out.field("failed_probes_in_a_row", &word.streak()),
            State::HalfOpen => out
                .field("failed_probes_in_a_row", &word.streak())
                .field("probes_in_flight", &word.flying())
                .field("probes_done", &word.done()),
            State::Closed | State::MetricsOnly => out.field("failures_in_a_row", &word.count()),
            State::ForcedOpen | State::ForcedClosed => &mut out,
        }
        .finish_non_exhaustive()
    }
}

/// What to say to a result that is not counted.
fn uncounted(word: Word, generation: u32) -> Recorded {
    if word.state() == State::ForcedClosed && word.generation() == generation {
        Recorded::Unchanged
    } else {
        Recorded::Late
    }
}
