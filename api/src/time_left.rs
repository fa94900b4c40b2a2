//! How much time is left, as it travels to another process.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::{Context, Moment, Runtime};

/// What is left of a deadline, as a header of a request: a length of time, because the clocks of two machines agree on
/// nothing else.
///
/// As a caller, take it from the context, subtract what the network needs, and send it. As a server, parse it, and let it
/// be the task's [`deadline`](crate::TaskBuilder::deadline), counted from when the request arrived; from there on children
/// inherit it. What is written is rounded down, so that from hop to hop a deadline only comes nearer; in the notation of
/// gRPC by less than a millionth of what is left or a microsecond, whichever is more, below 27 hours.
///
/// # Examples
/// ```
/// use sweet_async_api::units::DurationUnits;
/// use sweet_async_api::{Context, Moment, Runtime, TimeLeft};
///
/// fn headers<R: Runtime>(cx: &Context<R>) -> Vec<(&'static str, String)> {
///     let left = TimeLeft::of(cx).map(|left| left.less(20.millis()));
///     left.map(|left| ("grpc-timeout", left.to_grpc())).into_iter().collect()
/// }
///
/// let left = TimeLeft::new(1_500.millis()).less(20.millis());
/// assert_eq!((left.to_grpc(), left.to_millis()), ("1480000u".to_owned(), "1480".to_owned()));
/// let arrived = Moment::START + 7.seconds();
/// assert_eq!(TimeLeft::from_grpc("1480m")?.deadline(arrived), arrived + 1_480.millis());
/// # Ok::<(), sweet_async_api::TimeLeftError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TimeLeft(Duration);

/// Why a header says no length of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TimeLeftError {
    /// Nothing, or a unit without a number.
    NoNumber,
    /// More digits than the notation has: 8 in that of gRPC, 19 of milliseconds.
    TooManyDigits,
    /// Something else than a digit at this place, counted from 0: a sign, a point, a blank.
    NotADigit {
        /// Where it stands.
        at: usize,
    },
    /// The last character, which is to be one of `H`, `M`, `S`, `m`, `u` and `n`.
    Unit {
        /// The byte that is there.
        found: u8,
    },
}

impl TimeLeft {
    /// So much is left.
    #[must_use]
    pub const fn new(left: Duration) -> Self {
        Self(left)
    }

    /// What is left to the task of `cx`; `None` if it has no deadline.
    #[must_use]
    pub fn of<R: Runtime>(cx: &Context<R>) -> Option<Self> {
        cx.remaining().map(Self)
    }

    /// The length of time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whether nothing is left: the request need not be made.
    #[must_use]
    pub const fn is_over(self) -> bool {
        self.0.is_zero()
    }

    /// Keeps `reserve` for oneself, for the way there and back; nothing is left if it is more than that.
    #[must_use]
    pub const fn less(self, reserve: Duration) -> Self {
        Self(self.0.saturating_sub(reserve))
    }

    /// When it is over, of a request that arrived then.
    #[must_use]
    pub fn deadline(self, arrived: Moment) -> Moment {
        arrived + self.0
    }

    /// As the value of `grpc-timeout`: up to 8 digits and the finest unit that they suffice for. More than 11,000 years
    /// are 99999999 hours.
    #[must_use]
    pub fn to_grpc(self) -> String {
        let nanos = self.0.as_nanos();
        for (unit, length) in UNITS {
            let count = nanos / length;
            if count <= MOST {
                return format!("{count}{}", char::from(unit));
            }
        }
        format!("{MOST}H")
    }

    /// As whole milliseconds; those of 584 million years, if it is more.
    #[must_use]
    pub fn to_millis(self) -> String {
        let millis = self.0.as_millis().min(10_u128.pow(MILLIS_DIGITS) - 1);
        millis.to_string()
    }

    /// Reads the value of `grpc-timeout`: 1 to 8 digits, and a unit. Zero is read as nothing left, though the notation
    /// asks for a positive number: that is what callers without time write.
    ///
    /// # Errors
    /// [`TimeLeftError`], by what is wrong.
    pub fn from_grpc(value: impl AsRef<[u8]>) -> Result<Self, TimeLeftError> {
        let Some((&found, digits)) = value.as_ref().split_last() else {
            return Err(TimeLeftError::NoNumber);
        };
        let Some((_, length)) = UNITS.into_iter().find(|(unit, _)| *unit == found) else {
            return Err(TimeLeftError::Unit { found });
        };
        let count = number(digits, GRPC_DIGITS)?;
        let nanos = length * u128::from(count);
        Ok(Self(Duration::from_nanos_u128(nanos)))
    }

    /// Reads whole milliseconds, 1 to 19 digits.
    ///
    /// # Errors
    /// [`TimeLeftError`], by what is wrong.
    pub fn from_millis(value: impl AsRef<[u8]>) -> Result<Self, TimeLeftError> {
        let count = number(value.as_ref(), MILLIS_DIGITS)?;
        Ok(Self(Duration::from_millis(count)))
    }
}

/// Nothing but digits, and no more than `most`, which are not too many for a `u64`.
fn number(digits: &[u8], most: u32) -> Result<u64, TimeLeftError> {
    if digits.is_empty() {
        return Err(TimeLeftError::NoNumber);
    }
    let mut count = 0_u64;
    for (at, digit) in digits.iter().enumerate() {
        if !digit.is_ascii_digit() {
            return Err(TimeLeftError::NotADigit { at });
        }
        count = count.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    if digits.len() > most as usize {
        return Err(TimeLeftError::TooManyDigits);
    }
    Ok(count)
}

/// The units of gRPC with their nanoseconds, the finest first.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];
const GRPC_DIGITS: u32 = 8;
/// The largest number of so many digits.
const MOST: u128 = 10_u128.pow(GRPC_DIGITS) - 1;
/// As many as surely fit into 64 bits.
const MILLIS_DIGITS: u32 = 19;

impl fmt::Display for TimeLeftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber => f.write_str("there is no number in the time that is left; say how much it is"),
            Self::TooManyDigits => f.write_str(
                "the time that is left has too many digits; take 8 and a coarser unit, or 19 of milliseconds",
            ),
            Self::NotADigit { at } => {
                write!(
                    f,
                    "the time that is left has something else than a digit at {at}; take digits alone"
                )
            }
            Self::Unit { found } => write!(
                f,
                "the time that is left ends in '{}'; take one of the units H, M, S, m, u and n",
                found.escape_ascii()
            ),
        }
    }
}

impl Error for TimeLeftError {}

#[cfg(test)]
mod tests;
