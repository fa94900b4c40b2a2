//! Mail between a parent and a child: two bounded ways, typed, with requests, signs of life and a way to ask to stop.
//!
//! ```text
//!   parent                                                    child
//!   Mail<Out, In>  ── at most `capacity` of Out wait ──►  Mail<In, Out>
//!                  ◄── at most `capacity` of In wait ───
//! ```
//!
//! A heartbeat is no message: it leaves the time at which it was given, so that it never waits for room, and any message is
//! one as well. A request to stop is none either: it is the cancellation of the task, which whoever waits for mail is told
//! before everything else.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::pin::pin;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use concurrent_queue::{ConcurrentQueue, PopError, PushError};
use event_listener::{Event, EventListener};
use futures_util::future::{Either, select};
use sweet_async_core::lifecycle::{Level, Reason, State};

use super::TaskId;
use super::context::Context;
use super::error::{Cancellation, Invalid};
use super::view::{AlreadyEnded, TaskRef};
use crate::{Moment, Runtime};

/// One end of the mail between two tasks: `Out` goes from here, `In` comes.
///
/// Dropped or closed at either end, nothing more goes in at both; what waits can still be received.
///
/// # Examples
/// ```
/// use core::convert::Infallible;
/// use sweet_async_api::{Context, Runtime, task::{Invalid, Message}};
///
/// /// Asks a child for squares.
/// async fn squares<R: Runtime>(cx: Context<R>) -> Result<u64, Invalid> {
///     let (mail, ticket) = cx.mail::<u32, u64>(4)?;
///     let child = cx.child::<(), Infallible>().run(move |cx: Context<R>| async move {
///         let mail = ticket.open(&cx);
///         while let Ok(asked) = mail.recv().await {
///             let Message::Data(number) = asked.message else { break };
///             let _ = mail.reply(asked.id, u64::from(number) * u64::from(number));
///         }
///     });
///     child.detach();
///     let answer = mail.request(7).await.map(|answer| answer.message);
///     Ok(match answer {
///         Ok(Message::Data(square)) => square,
///         _ => 0,
///     })
/// }
/// ```
pub struct Mail<R: Runtime, Out, In> {
    cx: Context<R>,
    ends: Ends<Out, In>,
    /// Whose mail this is, once known.
    peer: Arc<OnceLock<TaskRef>>,
    is_parent: bool,
    /// The cancellation of this end's own task was told.
    told: AtomicBool,
}

/// The child's end, on its way to the child.
#[must_use = "dropped, it closes the mail"]
pub struct Ticket<Out, In> {
    ends: Ends<Out, In>,
    peer: Arc<OnceLock<TaskRef>>,
}

/// The parent's end, and what opens the child's.
pub type BothEnds<R, Out, In> = (Mail<R, Out, In>, Ticket<In, Out>);

/// The ends of both ways on one side. Dropped, they close.
struct Ends<Out, In> {
    out: Arc<Lane<Out>>,
    inn: Arc<Lane<In>>,
}

/// A message and what is to be known of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Envelope<T> {
    /// Tells it from all others that go the same way; an answer has the one of what it answers.
    pub id: Correlation,
    /// The task that sent it.
    pub from: TaskId,
    /// What is in it.
    pub message: Message<T>,
}

/// Tells a message from all others that go the same way between two tasks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Correlation(pub(super) u64);

/// What is in an envelope.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Message<T> {
    /// What the two have to say to each other.
    Data(T),
    /// The same, as something that went wrong.
    Error(T),
    /// The same, by a number that the two have agreed upon.
    Custom(u16, T),
    /// How the sender is doing.
    Status(State),
    /// What was asked for was understood.
    Ack,
    /// The sender has done its part, and says no more.
    Completed,
    /// The task that receives this was told to stop. Made here, not sent.
    CancelRequest(Cancellation),
}

/// Mail that was not sent, whole.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NotSent<T> {
    /// As much waits as may.
    Full(Message<T>),
    /// An end is closed.
    Closed(Message<T>),
}

/// An answer that nobody waits for: it was given, the one who asked went away, or it was no request. Here it is back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NotAwaited<T>(pub Message<T>);

/// Why there is no mail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoMail {
    /// None waits now.
    Empty,
    /// None waits and an end is closed.
    Closed,
    /// No sign of life came for this long.
    Silent(Duration),
}

/// Why a request has no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoAnswer<T> {
    /// It was not sent.
    NotSent(NotSent<T>),
    /// It was sent, and an end was closed before it was answered.
    Closed,
}

/// What became of a request to stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Asked {
    /// The child has understood, and is still busy with its end.
    Acknowledged,
    /// The child's end of the mail is closed: it has ended or is about to, without a word.
    Gone,
}

/// Why the child was not asked to stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NotAsked {
    /// The child has not opened its end, so nothing is known of it here; its handle can cancel it.
    NotOpen,
    /// It has ended.
    Ended(AlreadyEnded),
    /// This is the child's end.
    NoChild,
}

/// One way.
struct Lane<T> {
    queue: ConcurrentQueue<Envelope<T>>,
    room: Event,
    mail: Event,
    next: AtomicU64,
    /// When the sender last gave a sign of life.
    sign: AtomicU64,
    /// The answers that go this way, to requests that went the other.
    answers: Mutex<Answers<T>>,
    answered: Event,
}

/// Who waits for an answer, and the answers that are there.
struct Answers<T> {
    places: BTreeMap<Correlation, Option<Envelope<T>>>,
    /// The request to stop that the sender of these answers has to acknowledge.
    stop: Option<Correlation>,
}

impl<R: Runtime> Context<R> {
    /// Makes the mail between this task and a child: this task's end, and a ticket that the child takes along and opens. At
    /// most `capacity` messages wait each way.
    ///
    /// # Errors
    /// [`Invalid::ZeroCapacity`].
    pub fn mail<Out, In>(&self, capacity: usize) -> Result<BothEnds<R, Out, In>, Invalid> {
        if capacity == 0 {
            return Err(Invalid::ZeroCapacity);
        }
        let now = self.runtime().now();
        let (out, inn) = (Lane::new(capacity, now), Lane::new(capacity, now));
        let peer = Arc::new(OnceLock::new());
        let ticket = Ticket {
            ends: Ends {
                out: Arc::clone(&inn),
                inn: Arc::clone(&out),
            },
            peer: Arc::clone(&peer),
        };
        Ok((Mail::new(self.clone(), Ends { out, inn }, peer, true), ticket))
    }
}

impl<Out, In> Ticket<Out, In> {
    /// Opens the child's end, in the child whose context this is.
    #[must_use]
    pub fn open<R: Runtime>(self, cx: &Context<R>) -> Mail<R, Out, In> {
        // Nobody else has the ticket.
        let _ = self.peer.set(TaskRef::clone(cx));
        self.ends.out.live(cx.runtime().now());
        Mail::new(cx.clone(), self.ends, self.peer, false)
    }
}

impl<R: Runtime, Out, In> Mail<R, Out, In> {
    const fn new(cx: Context<R>, ends: Ends<Out, In>, peer: Arc<OnceLock<TaskRef>>, is_parent: bool) -> Self {
        let told = AtomicBool::new(false);
        Self {
            cx,
            ends,
            peer,
            is_parent,
            told,
        }
    }

    /// Sends, waiting for room.
    ///
    /// # Errors
    /// [`NotSent::Closed`] hands the message back.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent, and the message is dropped; [`try_send`](Self::try_send) hands it back.
    pub async fn send(&self, message: impl Into<Message<Out>>) -> Result<Correlation, NotSent<Out>> {
        let id = self.ends.out.next();
        self.put(id, message.into()).await.map(|()| id)
    }

    /// Sends, if there is room.
    ///
    /// # Errors
    /// [`NotSent`] hands the message back.
    pub fn try_send(&self, message: impl Into<Message<Out>>) -> Result<Correlation, NotSent<Out>> {
        let id = self.ends.out.next();
        self.try_put(id, message.into()).map(|()| id)
    }

    /// Receives, waiting for mail. The first thing that a task hears once it is told to stop is
    /// [`Message::CancelRequest`], whoever told it; it hears that once.
    ///
    /// # Errors
    /// [`NoMail::Closed`] when none waits and none can come.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&self) -> Result<Envelope<In>, NoMail> {
        loop {
            // The listener is made, then the mail is looked at; whoever sends puts, then tells.
            let mail = self.ends.inn.mail.listen();
            match self.try_recv() {
                Err(NoMail::Empty) => {}
                answer => return answer,
            }
            self.wait(mail).await;
        }
    }

    /// Receives, if there is mail.
    ///
    /// # Errors
    /// [`NoMail::Empty`], [`NoMail::Closed`].
    pub fn try_recv(&self) -> Result<Envelope<In>, NoMail> {
        if let Some(request) = self.cancel_request() {
            return Ok(request);
        }
        match self.ends.inn.queue.pop() {
            Ok(envelope) => {
                self.ends.inn.room.notify(1);
                Ok(envelope)
            }
            Err(PopError::Empty) => Err(NoMail::Empty),
            Err(PopError::Closed) => Err(NoMail::Closed),
        }
    }

    /// Receives, as long as the other end shows that it lives: by mail, or by [`beat`](Self::beat). Opening its end counts as
    /// a sign, and so does making it.
    ///
    /// # Errors
    /// [`NoMail::Silent`] when no sign came for `limit`, [`NoMail::Closed`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv_within(&self, limit: Duration) -> Result<Envelope<In>, NoMail> {
        let runtime = self.cx.runtime();
        let mut recv = pin!(self.recv());
        loop {
            let sign = Moment::from_nanos(self.ends.inn.sign.load(Relaxed));
            let end = pin!(runtime.sleep_until(sign + limit));
            match select(recv.as_mut(), end).await {
                Either::Left((answer, _)) => return answer,
                Either::Right(_) => {
                    let sign = Moment::from_nanos(self.ends.inn.sign.load(Relaxed));
                    let silent = runtime.now().since(sign);
                    if silent >= limit {
                        return Err(NoMail::Silent(silent));
                    }
                }
            }
        }
    }

    /// Shows that this end lives. One atomic operation, and nothing that could be full.
    pub fn beat(&self) {
        self.ends.out.live(self.cx.runtime().now());
    }

    /// Sends and waits for the answer.
    ///
    /// # Errors
    /// [`NoAnswer::NotSent`] hands the message back; [`NoAnswer::Closed`] when an end was closed first.
    ///
    /// # Cancel safety
    /// Dropped, nobody waits for the answer, and who gives it has it back. Whether the request was sent is not known.
    pub async fn request(&self, message: impl Into<Message<Out>>) -> Result<Envelope<In>, NoAnswer<Out>> {
        let id = self.ends.out.next();
        let waiting = Waiting::new(&self.ends.inn, id);
        self.put(id, message.into()).await.map_err(NoAnswer::NotSent)?;
        waiting.answer().await.ok_or(NoAnswer::Closed)
    }

    /// Answers what was received in the envelope of this `id`. Never waits: an answer has its place from when it was asked.
    ///
    /// # Errors
    /// [`NotAwaited`] hands the answer back.
    pub fn reply(&self, id: Correlation, answer: impl Into<Message<Out>>) -> Result<(), NotAwaited<Out>> {
        let envelope = self.envelope(id, answer.into());
        self.ends.out.live(self.cx.runtime().now());
        self.ends
            .out
            .answer(envelope)
            .map_err(|refused| NotAwaited(refused.message))
    }

    /// Says that what was asked for by the envelope of this `id` was understood: a request, or the request to stop.
    ///
    /// # Errors
    /// [`NotAwaited`] when nobody asked, or nobody waits any more.
    pub fn acknowledge(&self, id: Correlation) -> Result<(), NotAwaited<Out>> {
        self.reply(id, Message::Ack)
    }

    /// Cancels the child at `level`, and waits until it has acknowledged it or its end is closed. The request is a
    /// cancellation like another, with this task as the one who asked; the child's next [`recv`](Self::recv) tells it.
    ///
    /// # Errors
    /// [`NotAsked`].
    ///
    /// # Cancel safety
    /// The request stands when the future is dropped.
    pub async fn ask_to_stop(&self, level: Level) -> Result<Asked, NotAsked> {
        if !self.is_parent {
            return Err(NotAsked::NoChild);
        }
        let child = self.peer.get().ok_or(NotAsked::NotOpen)?;
        let id = self.ends.out.next();
        let waiting = Waiting::new(&self.ends.inn, id);
        // Before the child is told, so that it knows what to answer.
        self.ends.inn.answers().stop = Some(id);
        child
            .cancel_because(level, Reason::Requested, Some(self.cx.id()))
            .map_err(NotAsked::Ended)?;
        Ok(match waiting.answer().await {
            Some(_) => Asked::Acknowledged,
            None => Asked::Gone,
        })
    }

    /// Lets nothing more in, at both ends.
    pub fn close(&self) {
        self.ends.close();
    }

    /// Whether nothing more goes in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.ends.out.queue.is_closed()
    }

    /// The task at the other end; for a parent `None` until the child has opened its end.
    #[must_use]
    pub fn peer(&self) -> Option<TaskRef> {
        if self.is_parent {
            self.peer.get().cloned()
        } else {
            self.cx.parent()
        }
    }

    async fn put(&self, id: Correlation, message: Message<Out>) -> Result<(), NotSent<Out>> {
        let mut message = message;
        loop {
            let room = self.ends.out.room.listen();
            message = match self.try_put(id, message) {
                Err(NotSent::Full(message)) => message,
                answer => return answer,
            };
            room.await;
        }
    }

    fn try_put(&self, id: Correlation, message: Message<Out>) -> Result<(), NotSent<Out>> {
        self.ends.out.live(self.cx.runtime().now());
        match self.ends.out.queue.push(self.envelope(id, message)) {
            Ok(()) => {
                self.ends.out.mail.notify(1);
                Ok(())
            }
            Err(PushError::Full(refused)) => Err(NotSent::Full(refused.message)),
            Err(PushError::Closed(refused)) => Err(NotSent::Closed(refused.message)),
        }
    }

    fn envelope(&self, id: Correlation, message: Message<Out>) -> Envelope<Out> {
        let from = self.cx.id();
        Envelope { id, from, message }
    }

    /// The cancellation of this end's own task, once.
    fn cancel_request(&self) -> Option<Envelope<In>> {
        let cancellation = self.cx.cancellation()?;
        // ORDERING: Relaxed. One word, of which one exchange tells who is the first to look; it publishes nothing.
        if self.told.swap(true, Relaxed) {
            return None;
        }
        let asked = self.ends.out.answers().stop;
        let id = asked.unwrap_or_else(|| self.ends.inn.next());
        Some(Envelope {
            id,
            from: cancellation.by.unwrap_or_else(|| self.cx.id()),
            message: Message::CancelRequest(cancellation),
        })
    }

    /// Waits for mail, or for what there is to tell besides.
    async fn wait(&self, mail: EventListener) {
        // ORDERING: Relaxed. Who reads too early that nothing was told is woken at once, and looks again.
        if self.told.load(Relaxed) {
            mail.await;
        } else {
            let _ = self.cx.until_cancelled(mail).await;
        }
    }
}

/// The place of an answer, for as long as somebody waits for it.
struct Waiting<'a, T> {
    lane: &'a Lane<T>,
    id: Correlation,
}

impl<'a, T> Waiting<'a, T> {
    fn new(lane: &'a Lane<T>, id: Correlation) -> Self {
        lane.answers().places.insert(id, None);
        Self { lane, id }
    }

    /// The answer; `None` when none can come any more.
    async fn answer(&self) -> Option<Envelope<T>> {
        loop {
            let answered = self.lane.answered.listen();
            // Closed first, then the answer: one that was given before the end is seen.
            let closed = self.lane.queue.is_closed();
            if let Some(answer) = self.lane.answers().take(self.id) {
                return Some(answer);
            }
            if closed {
                return None;
            }
            answered.await;
        }
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let answer = self.lane.answers().places.remove(&self.id);
        drop(answer);
    }
}

impl<T> Answers<T> {
    fn take(&mut self, id: Correlation) -> Option<Envelope<T>> {
        self.places.get_mut(&id).and_then(Option::take)
    }
}

impl<T> Lane<T> {
    fn new(capacity: usize, now: Moment) -> Arc<Self> {
        Arc::new(Self {
            queue: ConcurrentQueue::bounded(capacity),
            room: Event::new(),
            mail: Event::new(),
            next: AtomicU64::new(1),
            sign: AtomicU64::new(now.as_nanos()),
            answers: Mutex::new(Answers {
                places: BTreeMap::new(),
                stop: None,
            }),
            answered: Event::new(),
        })
    }

    fn next(&self) -> Correlation {
        // ORDERING: Relaxed. A number that stands alone.
        Correlation(self.next.fetch_add(1, Relaxed))
    }

    fn live(&self, now: Moment) {
        // ORDERING: Relaxed. A moment that stands alone: who waits for it looks again when it is too long ago.
        self.sign.fetch_max(now.as_nanos(), Relaxed);
    }

    /// Puts an answer where it is waited for.
    fn answer(&self, envelope: Envelope<T>) -> Result<(), Envelope<T>> {
        match self.answers().places.get_mut(&envelope.id) {
            Some(place @ None) => *place = Some(envelope),
            _ => return Err(envelope),
        }
        self.answered.notify(usize::MAX);
        Ok(())
    }

    fn close(&self) {
        if self.queue.close() {
            self.mail.notify(usize::MAX);
            self.room.notify(usize::MAX);
            self.answered.notify(usize::MAX);
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers<T>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Out, In> Ends<Out, In> {
    fn close(&self) {
        self.out.close();
        self.inn.close();
    }
}

impl<Out, In> Drop for Ends<Out, In> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> From<T> for Message<T> {
    fn from(data: T) -> Self {
        Self::Data(data)
    }
}

impl<R: Runtime, Out, In> fmt::Debug for Mail<R, Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("of", &self.cx.id())
            .field("out", &self.ends.out.queue.len())
            .field("in", &self.ends.inn.queue.len())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<Out, In> fmt::Debug for Ticket<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<T> fmt::Display for NotSent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "as much mail waits as may; send again when some was received",
            Self::Closed(_) => "an end of the mail is closed; stop sending",
        })
    }
}

impl<T> fmt::Display for NotAwaited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody waits for this answer")
    }
}

impl fmt::Display for NoMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no mail waits; receive again when some was sent"),
            Self::Closed => f.write_str("an end of the mail is closed; stop receiving"),
            Self::Silent(limit) => write!(f, "no sign of life came for {limit:?}"),
        }
    }
}

impl<T> fmt::Display for NoAnswer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(not_sent) => not_sent.fmt(f),
            Self::Closed => f.write_str("an end of the mail was closed before there was an answer"),
        }
    }
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => {
                f.write_str("the child has not opened its end of the mail; cancel it by its handle")
            }
            Self::Ended(ended) => ended.fmt(f),
            Self::NoChild => f.write_str("only a parent asks its child to stop"),
        }
    }
}

impl<T: fmt::Debug> Error for NotSent<T> {}
impl<T: fmt::Debug> Error for NotAwaited<T> {}
impl Error for NoMail {}
impl<T: fmt::Debug> Error for NoAnswer<T> {}
impl Error for NotAsked {}
