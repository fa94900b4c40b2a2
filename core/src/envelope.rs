//! The head of a message between two tasks, as 32 bytes.
//!
//! A node and a server that exchange messages agree here on who speaks, which question an answer belongs to, how long
//! anybody waits for it, and what kind of message it is. What the message says, its payload, follows the head and is the
//! two's own affair; so are encryption and a checksum, which the transport brings.
//!
//! | bytes  | name      | meaning                                                                             |
//! |--------|-----------|-------------------------------------------------------------------------------------|
//! | 0      | `VERSION` | 1                                                                                   |
//! | 1      | `KIND`    | 1 data, 2 error, 3 custom, 4 status, 5 ack, 6 completed, 7 request to stop, 8 heartbeat |
//! | 2..4   | `CODE`    | custom: its number; status: the state; request to stop: level, reason; else 0       |
//! | 4..8   | `LENGTH`  | bytes of the payload; 0 unless it is data, an error or custom                       |
//! | 8..16  | `FROM`    | the task that sends, not 0                                                          |
//! | 16..24 | `ID`      | tells the message from all others of its sender; an answer has the one of its question |
//! | 24..28 | `NODE`    | the machine that sends, by a number that all agree on                               |
//! | 28..32 | `LEFT`    | milliseconds until nobody waits for it any more; all ones: for ever                 |
//!
//! Numbers are big-endian. States, levels and reasons have the numbers of their `repr`.
//!
//! - **E1** Every head is written, and read back the same.
//! - **E2** What is not a head is refused with the reason; what is read, written again, gives the same bytes. So there is
//!   one form of each head, and nothing in it is ignored.
//!
//! A deadline travels as the time that is left and not as a moment, since two machines' clocks differ; what the way takes
//! is the receiver's to subtract. Pure functions: no atomics, no allocation (`core/tests/no_alloc.rs`).

use core::error::Error;
use core::fmt;
use core::num::NonZeroU64;

use crate::lifecycle::{Level, Reason, State};

/// What is known of a message before its payload is read.
///
/// # Examples
/// ```
/// use core::num::NonZeroU64;
/// use sweet_async_core::envelope::{Content, Head};
///
/// let me = NonZeroU64::MIN;
/// let question = Head::new(me, 7, Content::Data { length: 2 }).left(250);
///
/// let mut line = question.encode().to_vec();
/// line.extend(*b"hi");
/// line.extend(Head::new(me, 8, Content::Heartbeat).encode());
///
/// let (head, payload, rest) = Head::split(&line, 1_024)?;
/// assert_eq!((head, payload), (question, &b"hi"[..]));
/// let (head, _, rest) = Head::split(rest, 1_024)?;
/// assert_eq!((head.content, rest.len()), (Content::Heartbeat, 0));
/// # Ok::<(), sweet_async_core::envelope::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Head {
    /// The task that sends.
    pub from: NonZeroU64,
    /// The machine that sends; 0 if it was not said.
    pub node: u32,
    /// Tells the message from all others of its sender; an answer has the one of its question.
    pub id: u64,
    /// Milliseconds until nobody waits for it any more, if that ever happens.
    pub left: Option<u32>,
    /// What kind of message it is.
    pub content: Content,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// What the two have to say to each other.
    Data {
        /// Bytes of the payload.
        length: u32,
    },
    /// The same, as something that went wrong.
    Error {
        /// Bytes of the payload.
        length: u32,
    },
    /// The same, by a number that the two have agreed upon.
    Custom {
        /// That number.
        number: u16,
        /// Bytes of the payload.
        length: u32,
    },
    /// How the sender is doing.
    Status(State),
    /// What was asked for was understood.
    Ack,
    /// The sender has done its part, and says no more.
    Completed,
    /// The receiver is told to stop.
    CancelRequest {
        /// How far.
        level: Level,
        /// Why.
        reason: Reason,
    },
    /// The sender lives.
    Heartbeat,
}

/// Why bytes are no head, or no whole message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// At least so many bytes are missing.
    Short {
        /// How many.
        missing: usize,
    },
    /// Written by another version.
    Version(u8),
    /// No kind of message has this number.
    Kind(u8),
    /// The kind has no such code.
    Code {
        /// Which kind.
        kind: u8,
        /// Its code.
        code: u16,
    },
    /// A payload where the kind has none.
    Payload {
        /// Which kind.
        kind: u8,
        /// Of so many bytes.
        length: u32,
    },
    /// A payload that is longer than the receiver takes.
    Long {
        /// Of so many bytes.
        length: u32,
        /// What it takes.
        most: u32,
    },
    /// No sender.
    Nobody,
}

impl Head {
    /// The bytes of a head.
    pub const SIZE: usize = 32;

    /// The head of a message of `from` that anybody waits for for ever.
    #[must_use]
    pub const fn new(from: NonZeroU64, id: u64, content: Content) -> Self {
        Self {
            from,
            node: 0,
            id,
            left: None,
            content,
        }
    }

    /// Says which machine sends.
    #[must_use]
    pub const fn node(mut self, node: u32) -> Self {
        self.node = node;
        self
    }

    /// Says in how many milliseconds nobody waits for it any more; 49 days and more are for ever.
    #[must_use]
    pub const fn left(mut self, millis: u32) -> Self {
        self.left = if millis == FOR_EVER { None } else { Some(millis) };
        self
    }

    /// The head as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let (kind, code, length) = self.content.parts();
        let left = self.left.unwrap_or(FOR_EVER);
        let bytes = [VERSION, kind]
            .into_iter()
            .chain(code.to_be_bytes())
            .chain(length.to_be_bytes())
            .chain(self.from.get().to_be_bytes())
            .chain(self.id.to_be_bytes())
            .chain(self.node.to_be_bytes())
            .chain(left.to_be_bytes());
        let mut encoded = [0; Self::SIZE];
        for (place, byte) in encoded.iter_mut().zip(bytes) {
            *place = byte;
        }
        encoded
    }

    /// The head that these bytes are.
    ///
    /// # Errors
    /// [`DecodeError`], but neither [`Short`](DecodeError::Short) nor [`Long`](DecodeError::Long).
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Result<Self, DecodeError> {
        Self::read(bytes).map(|(head, _)| head)
    }

    /// The first message in `bytes`: its head, its payload of at most `most` bytes, and what comes after it.
    ///
    /// # Errors
    /// [`DecodeError`]. After [`Short`](DecodeError::Short) try again with more bytes; after anything else the two sides
    /// have lost each other, and no later byte can be trusted.
    pub fn split(bytes: &[u8], most: u32) -> Result<(Self, &[u8], &[u8]), DecodeError> {
        let (head, rest) = Self::read(bytes)?;
        let length = head.content.length();
        if length > most {
            return Err(DecodeError::Long { length, most });
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (payload, rest) = rest.split_at_checked(length).ok_or(DecodeError::Short {
            missing: length.saturating_sub(rest.len()),
        })?;
        Ok((head, payload, rest))
    }

    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let missing = Self::SIZE.saturating_sub(bytes.len());
        let parts = || {
            let ([version, kind], bytes) = bytes.split_first_chunk()?;
            let (code, bytes) = bytes.split_first_chunk()?;
            let (length, bytes) = bytes.split_first_chunk()?;
            let (from, bytes) = bytes.split_first_chunk()?;
            let (id, bytes) = bytes.split_first_chunk()?;
            let (node, bytes) = bytes.split_first_chunk()?;
            let (left, bytes) = bytes.split_first_chunk()?;
            let kind = (
                *version,
                *kind,
                u16::from_be_bytes(*code),
                u32::from_be_bytes(*length),
            );
            let sender = (
                u64::from_be_bytes(*from),
                u64::from_be_bytes(*id),
                u32::from_be_bytes(*node),
            );
            Some((kind, sender, u32::from_be_bytes(*left), bytes))
        };
        let Some(((version, kind, code, length), (from, id, node), left, rest)) = parts() else {
            return Err(DecodeError::Short { missing });
        };
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let content = Content::from_parts(kind, code, length)?;
        let from = NonZeroU64::new(from).ok_or(DecodeError::Nobody)?;
        Ok((Self::new(from, id, content).node(node).left(left), rest))
    }
}

impl Content {
    /// Bytes of the payload.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.parts().2
    }

    /// `KIND`, `CODE` and `LENGTH`.
    const fn parts(self) -> (u8, u16, u32) {
        match self {
            Self::Data { length } => (1, 0, length),
            Self::Error { length } => (2, 0, length),
            Self::Custom { number, length } => (3, number, length),
            Self::Status(state) => (4, state as u16, 0),
            Self::Ack => (5, 0, 0),
            Self::Completed => (6, 0, 0),
            Self::CancelRequest { level, reason } => (7, (level as u16) << 8 | reason as u16, 0),
            Self::Heartbeat => (8, 0, 0),
        }
    }

    fn from_parts(kind: u8, code: u16, length: u32) -> Result<Self, DecodeError> {
        let wrong = DecodeError::Code { kind, code };
        let [high, low] = code.to_be_bytes();
        let content = match kind {
            1 => Self::Data { length },
            2 => Self::Error { length },
            3 => Self::Custom { number: code, length },
            4 => Self::Status(State::from_number(low).ok_or(wrong)?),
            5 => Self::Ack,
            6 => Self::Completed,
            7 => Self::CancelRequest {
                level: Level::from_number(high).ok_or(wrong)?,
                reason: Reason::from_number(low).ok_or(wrong)?,
            },
            8 => Self::Heartbeat,
            _ => return Err(DecodeError::Kind(kind)),
        };
        // One form of each head: what it does not say has to be zero.
        match content.parts() {
            (_, read, _) if read != code => Err(wrong),
            (_, _, read) if read != length => Err(DecodeError::Payload { kind, length }),
            _ => Ok(content),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { missing } => write!(f, "{missing} bytes are missing; read more"),
            Self::Version(version) => write!(f, "a head of version {version}; this is {VERSION}"),
            Self::Kind(kind) => write!(f, "no message is of kind {kind}"),
            Self::Code { kind, code } => write!(f, "a message of kind {kind} has no code {code}"),
            Self::Payload { kind, length } => {
                write!(
                    f,
                    "a message of kind {kind} has no payload, and this one has {length} bytes"
                )
            }
            Self::Long { length, most } => {
                write!(f, "a payload of {length} bytes, where {most} are taken at most")
            }
            Self::Nobody => f.write_str("the message has no sender"),
        }
    }
}

impl Error for DecodeError {}

const VERSION: u8 = 1;
const FOR_EVER: u32 = u32::MAX;

#[cfg(test)]
mod tests;
