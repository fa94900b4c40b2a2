//! What the programs have in common: each runs on any adapter.

use std::fmt;
use std::str::FromStr;

use lexopt::ValueExt as _;

/// The adapter that a program runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a program has an answer for each")]
pub enum On {
    /// Tokio, with as many threads as there are processors.
    Tokio,
    /// The executor of smol.
    Smol,
    /// Threads and no async runtime.
    Threads,
    /// The simulator: one thread, and time that only passes when everybody waits.
    Sim,
}

impl On {
    /// Reads `--on ADAPTER`, the one option of a program; Tokio without it.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn of_arguments() -> Result<Self, lexopt::Error> {
        Ok(Self::and_one_of([])?.0)
    }

    /// The same of a program that knows `flags`, of which the last one given counts.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn and_one_of<const N: usize>(
        flags: [&'static str; N],
    ) -> Result<(Self, Option<&'static str>), lexopt::Error> {
        let mut arguments = lexopt::Parser::from_env();
        let (mut on, mut given) = (Self::Tokio, None);
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("on") => on = arguments.value()?.parse()?,
                lexopt::Arg::Long(name) if flags.contains(&name) => {
                    given = flags.into_iter().find(|flag| *flag == name);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok((on, given))
    }
}

impl FromStr for On {
    type Err = UnknownAdapter;

    fn from_str(name: &str) -> Result<Self, UnknownAdapter> {
        match name {
            "tokio" => Ok(Self::Tokio),
            "smol" => Ok(Self::Smol),
            "threads" => Ok(Self::Threads),
            "sim" => Ok(Self::Sim),
            _ => Err(UnknownAdapter),
        }
    }
}

/// There is no adapter of this name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UnknownAdapter;

impl fmt::Display for UnknownAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the adapters are tokio, smol, threads and sim")
    }
}

impl std::error::Error for UnknownAdapter {}
