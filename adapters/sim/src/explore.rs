//! Many seeds in turn.

use core::any::Any;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

use crate::Sim;
use crate::builder::SimBuilder;
use crate::log::Log;

/// Runs `body` with one simulation a seed, until all have passed or one has failed: it panicked, or returned an error.
///
/// A failing seed is printed, with the end of its log and how to replay it. With the environment variable
/// `SWEET_ASYNC_SEED` set, only that seed is run, and all of its log is printed if it fails.
///
/// # Panics
/// With what `body` panics with for some seed, or with the error that it returns.
pub fn explore<T, E: fmt::Display>(
    seeds: impl IntoIterator<Item = u64>,
    body: impl FnMut(&Sim) -> Result<T, E>,
) {
    Sim::builder().explore(seeds, body);
}

/// A seed for which something failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// What the test panicked with, as far as it was text, or the error that it returned.
    pub message: String,
    /// What had happened by then.
    pub log: Log,
    payload: Option<Box<dyn Any + Send>>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.message)
    }
}

/// All seeds, or the one that is to be replayed.
pub(crate) fn all<T, E: fmt::Display>(
    builder: &SimBuilder,
    seeds: impl IntoIterator<Item = u64>,
    body: impl FnMut(&Sim) -> Result<T, E>,
) {
    let replayed = std::env::var(VARIABLE).ok().map(|text| text.trim().parse());
    let (found, lines) = match replayed {
        None => (builder.find(seeds, body), LINES),
        Some(Ok(seed)) => (builder.find([seed], body), usize::MAX),
        // Not to be taken for a run that passed.
        Some(Err(_)) => fail(format!("{VARIABLE} is not a number")),
    };
    if let Some(found) = found {
        let Found { seed, log, .. } = &found;
        eprint!("{}", log.clone().last(lines));
        eprintln!("{found}");
        let test = std::thread::current();
        let test = test.name().unwrap_or_default();
        eprintln!("to replay it: {VARIABLE}={seed} cargo test {test}");
        match found.payload {
            Some(payload) => resume_unwind(payload),
            None => fail(found.message),
        }
    }
}

/// Fails the test; what there is to say has been said, or is the message.
fn fail(message: String) -> ! {
    eprintln!("{message}");
    resume_unwind(Box::new(message))
}

/// One seed.
pub(crate) fn attempt<T, E: fmt::Display>(
    sim: &Sim,
    body: &mut impl FnMut(&Sim) -> Result<T, E>,
) -> Result<(), Found> {
    let (message, payload) = match catch_unwind(AssertUnwindSafe(|| body(sim))) {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => (error.to_string(), None),
        Err(payload) => (text_of(&*payload), Some(payload)),
    };
    Err(Found {
        seed: sim.seed(),
        message,
        log: sim.log(),
        payload,
    })
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without text").to_owned()
}

/// Names the one seed to run.
const VARIABLE: &str = "SWEET_ASYNC_SEED";

/// How much of a failing seed's log is printed.
const LINES: usize = 100;
