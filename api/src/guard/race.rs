//! One attempt of several tries, of which the first to succeed counts.

use core::future::Future;
use core::pin::Pin;
use core::task::{self, Poll};
use core::time::Duration;

use pin_project_lite::pin_project;

use super::alarm::Alarm;
use super::{Asking, Guards, Hedge, Pass, Told, Wait};
use crate::task::{Cause, Context};
use crate::{Moment, Runtime, Sleep};

/// Where tries come from, and who is asked and told.
pub(crate) trait Tries<E> {
    /// The executor.
    type Runtime: Runtime;
    /// One try.
    type Try;

    /// Begins a try; `None` if there is nothing left to begin.
    fn begin(&mut self) -> Option<Self::Try>;
    /// Whether the other side says by this error that it has too much to do.
    fn is_overload(&self, error: &E) -> bool;
    fn guards(&self) -> &Guards;
    fn hedge(&self) -> &Hedge;
    fn cx(&self) -> &Context<Self::Runtime>;
}

pin_project! {
    /// The attempt. `L` is the runtime's sleep, and named apart so that whether this is `Send` does not depend on lifetimes
    /// in `E`.
    pub(crate) struct Race<S, F, E, L>
    where
        S: Tries<E>,
    {
        #[pin]
        first: Option<F>,
        field: Field<S, F, E>,
        #[pin]
        alarm: Alarm<L>,
    }
}

/// All of it that stays where it is.
struct Field<S: Tries<E>, F, E> {
    tries: S,
    /// Of the first try.
    pass: Option<Pass>,
    /// The further ones that run.
    hedges: Vec<Hedged<F>>,
    /// What a try that is being begun was given.
    opening: Option<Pass>,
    begun: Moment,
    /// When the attempt has taken too long.
    end: Moment,
    /// When the next try is due; never, when there is to be none.
    next: Moment,
    left: u32,
    failed: Vec<Cause<E>>,
    /// Which try is being polled: it has failed if it unwinds.
    polled: Option<usize>,
}

struct Hedged<F> {
    work: Pin<Box<F>>,
    pass: Option<Pass>,
}

impl<S, F, T, E, L> Race<S, F, E, L>
where
    S: Tries<E, Try = F>,
    S::Runtime: Runtime<Sleep = L>,
    L: Sleep,
    F: Future<Output = Result<T, E>>,
{
    /// Begins the first try, which was given `pass`.
    pub(crate) fn begin(tries: S, pass: Option<Pass>, limit: Option<Duration>) -> Option<Self> {
        let begun = tries.cx().runtime().now();
        let (delay, left) = (tries.hedge().delay(), tries.hedge().most());
        let mut field = Field {
            tries,
            pass: None,
            hedges: Vec::new(),
            opening: pass,
            begun,
            end: limit.map_or(Moment::NEVER, |limit| begun + limit),
            next: begun + delay,
            left,
            failed: Vec::new(),
            polled: None,
        };
        let first = field.tries.begin()?;
        field.pass = field.opening.take();
        Some(Self {
            first: Some(first),
            field,
            alarm: Alarm::new(),
        })
    }
}

impl<S, F, T, E, L> Future for Race<S, F, E, L>
where
    S: Tries<E, Try = F>,
    S::Runtime: Runtime<Sleep = L>,
    L: Sleep,
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Cause<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let field = this.field;
        loop {
            if let Some(first) = this.first.as_mut().as_pin_mut() {
                field.polled = Some(FIRST);
                let polled = first.poll(cx);
                field.polled = None;
                if let Poll::Ready(ended) = polled {
                    let pass = field.pass.take();
                    match ended {
                        Ok(value) => {
                            field.won(pass);
                            this.first.set(None);
                            return Poll::Ready(Ok(value));
                        }
                        Err(error) => field.lost(pass, error),
                    }
                    this.first.set(None);
                }
            }
            if let Some(value) = field.poll_hedges(cx) {
                // The loser is dropped before the result is there.
                this.first.set(None);
                return Poll::Ready(Ok(value));
            }
            if this.first.is_none() && field.hedges.is_empty() {
                return Poll::Ready(Err(field.both()));
            }
            let runtime = field.tries.cx().runtime().clone();
            core::task::ready!(this.alarm.as_mut().poll(field.next, &runtime, cx));
            if !field.launch() {
                field.next = Moment::NEVER;
            }
        }
    }
}

impl<S, F, E> Field<S, F, E>
where
    S: Tries<E, Try = F>,
{
    /// Polls the further tries; one that fails is taken out.
    fn poll_hedges<T>(&mut self, cx: &mut task::Context<'_>) -> Option<T>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut number = 0;
        while let Some(hedge) = self.hedges.get_mut(number) {
            self.polled = Some(number);
            let polled = hedge.work.as_mut().poll(cx);
            self.polled = None;
            let Poll::Ready(ended) = polled else {
                number += 1;
                continue;
            };
            let Hedged { pass, .. } = self.hedges.swap_remove(number);
            match ended {
                Ok(value) => {
                    self.won(pass);
                    return Some(value);
                }
                Err(error) => self.lost(pass, error),
            }
        }
        None
    }

    /// A try succeeded: the others are told that they were cancelled, and are dropped.
    fn won(&mut self, pass: Option<Pass>) {
        self.tell(pass, Told::Succeeded);
        let loser = self.pass.take();
        self.tell(loser, Told::Cancelled);
        let took = self.tries.cx().runtime().now().since(self.begun);
        self.tries.hedge().record(took);
        for mut hedge in core::mem::take(&mut self.hedges) {
            self.tell(hedge.pass.take(), Told::Cancelled);
        }
    }

    /// A try failed: no further one is begun, those that run go on.
    fn lost(&mut self, pass: Option<Pass>, error: E) {
        let how = if self.tries.is_overload(&error) {
            Told::Overloaded
        } else {
            Told::Failed
        };
        self.tell(pass, how);
        self.failed.push(Cause::Failed(error));
        self.next = Moment::NEVER;
    }

    /// No try is left.
    fn both(&mut self) -> Cause<E> {
        let mut failed = core::mem::take(&mut self.failed);
        if failed.len() > 1 {
            return Cause::HedgesFailed(failed);
        }
        failed.pop().unwrap_or(Cause::Taken)
    }

    /// Begins a further try, if everybody lets it; whether another one may follow.
    fn launch(&mut self) -> bool {
        let cx = self.tries.cx();
        let (now, deadline) = (cx.runtime().now(), cx.deadline().unwrap_or(Moment::NEVER));
        if cx.is_cancelled() || now >= deadline.min(self.end) || self.left == 0 {
            return false;
        }
        let guards = self.tries.guards();
        let budget = guards.budget.as_ref();
        if budget.is_some_and(|budget| !budget.has_one(now)) {
            return false;
        }
        let asking = Asking {
            now,
            deadline,
            waker: None,
        };
        let Ok(pass) = guards.ask(&mut Wait::default(), asking) else {
            return false;
        };
        if budget.is_some_and(|budget| budget.withdraw(now).is_err()) {
            self.tell(Some(pass), Told::Cancelled);
            return false;
        }
        self.opening = Some(pass);
        let begun = self.tries.begin();
        let pass = self.opening.take();
        let Some(work) = begun else {
            self.tell(pass, Told::Cancelled);
            return false;
        };
        self.hedges.push(Hedged {
            work: Box::pin(work),
            pass,
        });
        self.left -= 1;
        self.next = now + self.tries.hedge().delay();
        self.left > 0
    }
}

impl<S: Tries<E>, F, E> Field<S, F, E> {
    fn tell(&self, pass: Option<Pass>, how: Told) {
        if let Some(mut pass) = pass {
            let runtime = self.tries.cx().runtime();
            self.tries.guards().tell(&mut pass, how, runtime);
        }
    }
}

/// Cut off: cancelled, out of time, or unwound.
impl<S: Tries<E>, F, E> Drop for Field<S, F, E> {
    fn drop(&mut self) {
        let (first, opening, hedges) = (
            self.pass.take(),
            self.opening.take(),
            core::mem::take(&mut self.hedges),
        );
        self.tell(opening, Told::Failed);
        if first.is_none() && hedges.is_empty() {
            return;
        }
        let cx = self.tries.cx();
        let end = self.end.min(cx.deadline().unwrap_or(Moment::NEVER));
        let cut_off = if cx.runtime().now() >= end {
            Told::Overloaded
        } else {
            Told::Cancelled
        };
        let how = |number| {
            if self.polled == Some(number) {
                Told::Failed
            } else {
                cut_off
            }
        };
        self.tell(first, how(FIRST));
        for (number, mut hedge) in hedges.into_iter().enumerate() {
            self.tell(hedge.pass.take(), how(number));
        }
    }
}

/// The number of the first try.
const FIRST: usize = usize::MAX;
