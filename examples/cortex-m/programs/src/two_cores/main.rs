//! Two Cortex-M33 work on the same machines at the same time; afterwards the first one checks the books.
//!
//! Each check gives both cores the same work, of which the machine has to make one account: nothing lost, nothing given
//! twice. It is repeated until the cores have met, which means that each has seen the other in the middle of its work; a
//! check in which they never do shows nothing, and fails.
#![no_std]
#![no_main]

mod cores;

use core::hint::spin_loop;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use cores::{Core, on_both};
use cortex_m_rt::entry;
use programs::{Verdict, Wrong, expect};
use sweet_async_core::group::{Close, Exit, Group};
use sweet_async_core::id::IdGenerator;
use sweet_async_core::lifecycle::{Cancel, End, Level, Lifecycle, Reason, Start, State};
use sweet_async_core::mailbox::Mailbox;
use sweet_async_core::rate::{Quota, RateLimiter};
use sweet_async_core::{Counter, Credits, Gauge, Tick};

const CHECKS: &[(&str, fn() -> Verdict)] = &[
    ("credits are conserved", credits),
    ("a counter is exact", counter),
    ("ids are unique", ids),
    ("a rate is not exceeded", rate),
    ("a task has one end", lifecycle),
    ("one is the last out", group),
    ("a mailbox loses nothing", mailbox),
];

/// What each core does in each round of a check.
const STEPS: u32 = 10_000;

/// After so many rounds the cores have met, if the host has a processor for each.
const ROUNDS: u32 = 2_000;

#[entry]
fn main() -> ! {
    cores::start_the_other();
    programs::run(CHECKS)
}

/// How often a core found that the other had been there.
struct Met([Counter; 2]);

impl Met {
    const fn new() -> Self {
        Self([Counter::new(), Counter::new()])
    }

    fn note(&self, core: Core) {
        core.of(&self.0).increment();
    }

    fn enough(&self) -> bool {
        self.0.iter().all(|count| count.value() > 0)
    }
}

/// Takes one or two of three credits and gives them back.
fn credits() -> Verdict {
    static CREDITS: Credits = Credits::of::<3>();
    static HELD: Gauge = Gauge::new();
    static TOO_MANY: Counter = Counter::new();
    static TAKEN: [Counter; 2] = [Counter::new(), Counter::new()];
    static GIVEN: [Counter; 2] = [Counter::new(), Counter::new()];
    static MET: Met = Met::new();
    fn work(core: Core) {
        for step in 0..STEPS {
            let wanted = 1 + step % 2;
            if CREDITS.try_acquire(wanted).is_err() {
                MET.note(core);
                continue;
            }
            core.of(&TAKEN).add(wanted);
            if HELD.raise(wanted) > 3 {
                TOO_MANY.increment();
            }
            HELD.lower(wanted);
            if CREDITS.release(wanted).is_ok() {
                core.of(&GIVEN).add(wanted);
            }
        }
    }
    repeat(&MET, work, || {
        expect!((CREDITS.taken(), CREDITS.free(), HELD.value()), (0, 3, 0));
        expect!(
            TAKEN.each_ref().map(Counter::value),
            GIVEN.each_ref().map(Counter::value)
        );
        expect!(TOO_MANY.value(), 0);
        Ok(())
    })
}

fn counter() -> Verdict {
    static COUNT: Counter = Counter::new();
    static MET: Met = Met::new();
    fn work(core: Core) {
        let mut before = COUNT.value();
        for _ in 0..STEPS {
            COUNT.increment();
            let after = COUNT.value();
            if after != before + 1 {
                MET.note(core);
            }
            before = after;
        }
    }
    repeat(&MET, work, || {
        expect!(COUNT.take(), 2 * STEPS);
        Ok(())
    })
}

/// Each id is ticked off in a list; the list is full in the end, and nothing was ticked twice.
fn ids() -> Verdict {
    const WORDS: usize = (2 * STEPS as usize).div_ceil(32);
    static IDS: IdGenerator = IdGenerator::new();
    static FIRST: AtomicU32 = AtomicU32::new(1);
    static SEEN: [AtomicU32; WORDS] = [const { AtomicU32::new(0) }; WORDS];
    static TWICE: Counter = Counter::new();
    static MET: Met = Met::new();
    fn work(core: Core) {
        let mut before = None;
        for _ in 0..STEPS {
            let Ok(id) = IDS.next() else { return };
            if before.is_some_and(|before| id.get() != before + 1) {
                MET.note(core);
            }
            before = Some(id.get());
            let place = id.get() - FIRST.load(Relaxed);
            let bit = 1 << (place % 32);
            let known = SEEN
                .get(place as usize / 32)
                .map(|word| word.fetch_or(bit, AcqRel) & bit);
            if known != Some(0) {
                TWICE.increment();
            }
        }
    }
    repeat(&MET, work, || {
        expect!(TWICE.value(), 0);
        let seen = SEEN
            .iter()
            .map(|word| word.swap(0, AcqRel).count_ones())
            .sum::<u32>();
        expect!(seen, 2 * STEPS);
        FIRST.store(u32::MAX - IDS.left() + 1, Relaxed);
        Ok(())
    })
}

/// A burst of as many cells as one core asks for, at one moment: the other half is refused, whoever asks.
fn rate() -> Verdict {
    static LIMITER: RateLimiter = RateLimiter::new(Quota::of::<1, 1, STEPS>(), Tick::new(0));
    static NOW: AtomicU32 = AtomicU32::new(0);
    static ADMITTED: [Counter; 2] = [Counter::new(), Counter::new()];
    static MET: Met = Met::new();
    fn work(core: Core) {
        let now = Tick::new(NOW.load(Relaxed));
        let mut left = LIMITER.available(now);
        for _ in 0..STEPS {
            if LIMITER.check(now).is_ok() {
                core.of(&ADMITTED).increment();
                let after = LIMITER.available(now);
                if after + 1 != left {
                    MET.note(core);
                }
                left = after;
            }
        }
    }
    repeat(&MET, work, || {
        // A core that was held up in the middle of a check may lose its cell, as the documentation of `rate` says.
        let admitted = ADMITTED.each_ref().map(Counter::take).iter().sum::<u32>();
        expect!((admitted <= STEPS, admitted + 2 >= STEPS), (true, true));
        // Time for the whole burst to come back.
        NOW.fetch_add(STEPS, Relaxed);
        Ok(())
    })
}

/// One core finishes, the other kills: one of them ends the task, and the state says which. Shielded sections that both
/// open and close are all closed in the end.
fn lifecycle() -> Verdict {
    static TASK: [Lifecycle; 64] = [const { Lifecycle::new() }; 64];
    static TURNS: AtomicU32 = AtomicU32::new(0);
    static ENDED: [Counter; 2] = [Counter::new(), Counter::new()];
    static SHIELDED: Lifecycle = Lifecycle::new();
    static REFUSED: Counter = Counter::new();
    static MET: Met = Met::new();
    fn race(core: Core) {
        for (task, turn) in TASK.iter().zip(1..) {
            together(&TURNS, turn);
            let ended = match core {
                Core::First => task.finish(End::Completed).is_ok(),
                Core::Second => task.cancel(Level::KillHard, Reason::Requested) == Cancel::Ended,
            };
            core.of(&ENDED).add(u32::from(ended));
        }
    }
    fn shield(core: Core) {
        for _ in 0..STEPS {
            REFUSED.add(u32::from(SHIELDED.shield().is_err()));
            REFUSED.add(u32::from(SHIELDED.unshield().is_err()));
            if SHIELDED.snapshot().is_shielded() {
                MET.note(core);
            }
        }
    }
    for task in TASK.iter().chain([&SHIELDED]) {
        expect!(task.start(), Start::Run);
    }
    on_both(race);
    let count = |end| TASK.iter().filter(|task| task.state() == end).count();
    let [first, second] = ENDED.each_ref().map(|ended| ended.value() as usize);
    expect!(first + second, TASK.len());
    expect!(
        (count(State::Completed), count(State::Cancelled)),
        (first, second)
    );
    repeat(&MET, shield, || {
        expect!((REFUSED.value(), SHIELDED.snapshot().is_shielded()), (0, false));
        Ok(())
    })
}

/// Both leave scopes that are closed: one of them is told that it was the last. One that stays open counts all who come and
/// go.
fn group() -> Verdict {
    static CLOSED: [Group; 64] = [const { Group::new() }; 64];
    static TURNS: AtomicU32 = AtomicU32::new(0);
    static TOLD: Counter = Counter::new();
    static OPEN: Group = Group::new();
    static REFUSED: Counter = Counter::new();
    static MET: Met = Met::new();
    fn leave(_: Core) {
        for (scope, turn) in CLOSED.iter().zip(1..) {
            together(&TURNS, turn);
            TOLD.add(u32::from(scope.leave() == Ok(Exit::Empty)));
        }
    }
    fn visit(core: Core) {
        for _ in 0..STEPS {
            REFUSED.add(u32::from(OPEN.try_enter().is_err()));
            match OPEN.leave() {
                Ok(Exit::Continue) => MET.note(core),
                Ok(Exit::Idle) => {}
                Ok(Exit::Empty) | Err(_) => REFUSED.increment(),
            }
        }
    }
    for scope in &CLOSED {
        expect!((scope.try_enter(), scope.try_enter()), (Ok(()), Ok(())));
        expect!(scope.close(), Close::Drain { live: 2 });
    }
    on_both(leave);
    expect!(
        (TOLD.value() as usize, CLOSED.iter().all(Group::is_over)),
        (CLOSED.len(), true)
    );
    repeat(&MET, visit, || {
        expect!((REFUSED.value(), OPEN.live()), (0, 0));
        Ok(())
    })
}

/// Waits until both cores have come to this turn, counted from 1.
fn together(turns: &AtomicU32, turn: u32) {
    turns.fetch_add(1, AcqRel);
    while turns.load(Acquire) < 2 * turn {
        spin_loop();
    }
}

/// Both send and both receive: the sum of what came out is the sum of what went in.
fn mailbox() -> Verdict {
    static BOX: Mailbox<u32, 4> = Mailbox::new();
    static SUM: [Counter; 2] = [Counter::new(), Counter::new()];
    static MET: Met = Met::new();
    fn receive(core: Core) -> Option<u32> {
        let received = BOX.try_recv().ok();
        core.of(&SUM).add(received.unwrap_or(0));
        received
    }
    fn work(core: Core) {
        for number in 1..=STEPS {
            while BOX.try_send(number).is_err() {
                receive(core);
            }
            if receive(core) != Some(number) {
                MET.note(core);
            }
        }
    }
    repeat(&MET, work, || {
        while receive(Core::First).is_some() {}
        expect!(
            SUM.each_ref().map(Counter::take).iter().sum::<u32>(),
            STEPS * (STEPS + 1)
        );
        let counts = BOX.counts();
        expect!((counts.dropped, counts.held, counts.in_hand()), (0, 0, 0));
        expect!(counts.sent, counts.received);
        Ok(())
    })
}

/// Gives both cores the work until they have met, and checks the books after each round.
fn repeat(met: &Met, work: fn(Core), books: impl Fn() -> Verdict) -> Verdict {
    for _ in 0..ROUNDS {
        on_both(work);
        books()?;
        if met.enough() {
            return Ok(());
        }
    }
    cortex_m_semihosting::hprintln!("the cores never met");
    Err(Wrong)
}
