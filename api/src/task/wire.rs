//! Envelopes as bytes, for tasks that do not share a memory.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use sweet_async_core::envelope::{Content, Head};

use super::TaskId;
use super::error::Cancellation;
use super::mail::{Correlation, Envelope, Message};

/// A payload of 4 GiB or more, which no head can announce.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TooLong {
    /// Its bytes.
    pub length: usize,
}

impl<T: AsRef<[u8]>> Envelope<T> {
    /// The envelope as bytes: a [`Head`], and the payload as it is. What is to be said besides, the machine and the time that
    /// is left, goes into [`head`](Self::head).
    ///
    /// # Errors
    /// [`TooLong`].
    ///
    /// # Examples
    /// ```
    /// use sweet_async_api::task::{Correlation, Envelope, Head, Message};
    /// # fn example(me: sweet_async_api::TaskId) -> Result<(), Box<dyn std::error::Error>> {
    /// let question = Envelope::new(me, Correlation::from(7), Message::Data("how are you?"));
    /// let bytes = question.encode()?;
    ///
    /// let (head, payload, rest) = Head::split(&bytes, 1_024)?;
    /// let read = Envelope::of(&head, payload).ok_or("a heartbeat")?;
    /// assert_eq!((read.id, read.from), (question.id, me));
    /// assert_eq!(read.message, Message::Data(&b"how are you?"[..]));
    /// assert!(rest.is_empty());
    /// # Ok(())
    /// # }
    /// # example("1".parse().unwrap()).unwrap();
    /// ```
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut bytes = self.head()?.encode().to_vec();
        bytes.extend_from_slice(self.payload());
        Ok(bytes)
    }

    /// The head that announces this envelope.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn head(&self) -> Result<Head, TooLong> {
        let length = self.payload().len();
        let length = u32::try_from(length).map_err(|_| TooLong { length })?;
        let content = match &self.message {
            Message::Data(_) => Content::Data { length },
            Message::Error(_) => Content::Error { length },
            Message::Custom(number, _) => Content::Custom {
                number: *number,
                length,
            },
            Message::Status(state) => Content::Status(*state),
            Message::Ack => Content::Ack,
            Message::Completed => Content::Completed,
            Message::CancelRequest(cancellation) => Content::CancelRequest {
                level: cancellation.level,
                reason: cancellation.reason,
            },
        };
        Ok(Head::new(self.from.into(), self.id.into(), content))
    }

    fn payload(&self) -> &[u8] {
        match &self.message {
            Message::Data(payload) | Message::Error(payload) | Message::Custom(_, payload) => {
                payload.as_ref()
            }
            Message::Status(_) | Message::Ack | Message::Completed | Message::CancelRequest(_) => &[],
        }
    }
}

impl<'a> Envelope<&'a [u8]> {
    /// The envelope that this head announces; `None` of a heartbeat, which is no message. Who sends a request to stop is taken
    /// for the one who asks.
    #[must_use]
    pub fn of(head: &Head, payload: &'a [u8]) -> Option<Self> {
        let from = TaskId::from(head.from);
        let message = match head.content {
            Content::Data { .. } => Message::Data(payload),
            Content::Error { .. } => Message::Error(payload),
            Content::Custom { number, .. } => Message::Custom(number, payload),
            Content::Status(state) => Message::Status(state),
            Content::Ack => Message::Ack,
            Content::Completed => Message::Completed,
            Content::CancelRequest { level, reason } => Message::CancelRequest(Cancellation {
                level,
                reason,
                by: Some(from),
            }),
            _ => return None,
        };
        Some(Self::new(from, Correlation::from(head.id), message))
    }
}

impl<T> Envelope<T> {
    /// A message of `from`, for a way that is not a [`Mail`](super::Mail)'s.
    #[must_use]
    pub const fn new(from: TaskId, id: Correlation, message: Message<T>) -> Self {
        Self { id, from, message }
    }
}

impl From<u64> for Correlation {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<Correlation> for u64 {
    fn from(id: Correlation) -> Self {
        id.0
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        write!(
            f,
            "a payload of {length} bytes, where 4 GiB is too much; send it in parts"
        )
    }
}

impl Error for TooLong {}
