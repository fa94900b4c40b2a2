//! The circuit breaker's place in the engine; it has no values before the core has the machine.
#![expect(
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "nothing to do with what does not exist"
)]

use crate::Moment;
use crate::task::CircuitOpen;

/// None exist.
#[derive(Clone, Debug)]
pub(crate) enum CircuitBreaker {}

/// None exist.
#[derive(Debug)]
pub(crate) enum Admission {}

impl CircuitBreaker {
    pub(crate) fn admit(&self, _: Moment) -> Result<Admission, CircuitOpen> {
        match *self {}
    }
    pub(crate) fn succeeded(&self, admission: Admission, _: Moment) {
        match admission {}
    }
    pub(crate) fn failed(&self, admission: Admission, _: Moment) {
        match admission {}
    }
    pub(crate) fn cancelled(&self, admission: Admission, _: Moment) {
        match admission {}
    }
}
