//! Random sequences of operations on `Credits` and on a naive struct with plain fields.

use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::credit::{AcquireError, Admission, Close, Credits, Released, ResizeError, Turn};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Acquire(u32),
    Register(u32, Turn),
    Release(u32),
    Resize(u32),
    PassOn,
    Hush,
    Close,
}

struct Naive {
    closed: bool,
    waiters: bool,
    capacity: u32,
    taken: u32,
}

impl Naive {
    fn free(&self) -> u32 {
        self.capacity.saturating_sub(self.taken)
    }

    fn acquire(&mut self, wanted: u32, turn: Turn) -> Result<(), AcquireError> {
        if self.closed {
            Err(AcquireError::Closed)
        } else if wanted > Credits::MAX {
            Err(AcquireError::TooMany)
        } else if wanted > self.free() {
            Err(AcquireError::Short { free: self.free() })
        } else if turn == Turn::Behind || (self.waiters && turn == Turn::Newcomer) {
            Err(AcquireError::Queued)
        } else {
            self.taken += wanted;
            Ok(())
        }
    }

    fn register(&mut self, wanted: u32, turn: Turn) -> Result<Admission, AcquireError> {
        match self.acquire(wanted, turn) {
            Ok(()) => Ok(Admission::Taken),
            Err(error @ (AcquireError::Closed | AcquireError::TooMany)) => Err(error),
            Err(_) => {
                self.waiters = true;
                Ok(Admission::Registered)
            }
        }
    }

    /// The number taken when the release was refused, as the error carries it.
    fn release(&mut self, count: u32) -> Result<Released, u32> {
        if count > self.taken {
            return Err(self.taken);
        }
        self.taken -= count;
        Ok(self.released())
    }

    fn resize(&mut self, capacity: u32) -> Result<Released, ResizeError> {
        if self.closed {
            return Err(ResizeError::Closed);
        }
        if capacity > Credits::MAX {
            return Err(ResizeError::TooMany);
        }
        self.capacity = capacity;
        Ok(self.released())
    }

    fn released(&self) -> Released {
        if self.waiters && !self.closed && self.free() > 0 {
            Released::Wake { free: self.free() }
        } else {
            Released::Continue
        }
    }

    fn close(&mut self) -> Close {
        if self.closed {
            return Close::Already;
        }
        self.closed = true;
        if self.waiters {
            Close::Wake
        } else {
            Close::Continue
        }
    }
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![
        20 => 0_u32..6,
        1 => (Credits::MAX - 2)..=(Credits::MAX + 2),
        1 => (u32::MAX - 2)..=u32::MAX,
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let turn = prop_oneof![Just(Turn::Newcomer), Just(Turn::Behind), Just(Turn::Head)];
    prop_oneof![
        20 => count().prop_map(Operation::Acquire),
        10 => (count(), turn).prop_map(|(wanted, turn)| Operation::Register(wanted, turn)),
        30 => count().prop_map(Operation::Release),
        8 => count().prop_map(Operation::Resize),
        5 => Just(Operation::PassOn),
        5 => Just(Operation::Hush),
        1 => Just(Operation::Close),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_naive_credits(
        capacity in prop_oneof![4 => 0_u32..6, 1 => 0..=Credits::MAX],
        operations in prop::collection::vec(operation(), 0..200),
    ) {
        let credits = Credits::new(capacity).expect("within the limit");
        let mut naive =
            Naive { closed: false, waiters: false, capacity, taken: 0 };
        for operation in operations {
            match operation {
                Operation::Acquire(wanted) => {
                    prop_assert_eq!(credits.try_acquire(wanted), naive.acquire(wanted, Turn::Newcomer));
                }
                Operation::Register(wanted, turn) => prop_assert_eq!(
                    credits.try_acquire_or_register(wanted, turn),
                    naive.register(wanted, turn)
                ),
                Operation::Release(count) => prop_assert_eq!(
                    credits.release(count).map_err(|error| error.taken),
                    naive.release(count)
                ),
                Operation::Resize(capacity) => {
                    prop_assert_eq!(credits.resize(capacity), naive.resize(capacity));
                }
                Operation::PassOn => prop_assert_eq!(credits.pass_on(), naive.released()),
                Operation::Hush => {
                    credits.hush();
                    naive.waiters = false;
                }
                Operation::Close => prop_assert_eq!(credits.close(), naive.close()),
            }
            prop_assert_eq!(credits.capacity(), naive.capacity);
            prop_assert_eq!(credits.taken(), naive.taken);
            prop_assert_eq!(credits.free(), naive.free());
            prop_assert_eq!(i64::from(credits.debt()), (i64::from(naive.taken) - i64::from(naive.capacity)).max(0));
            prop_assert_eq!(credits.is_closed(), naive.closed);
        }
    }
}
