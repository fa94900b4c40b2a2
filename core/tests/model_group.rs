//! Random sequences of operations on a `Group` and on a naive struct with plain fields.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::group::{Close, EnterError, Exit, Group, NobodyInside};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Enter,
    EnterWithin(u32),
    Leave,
    Close,
}

#[derive(Default)]
struct Naive {
    closed: bool,
    live: u32,
    told_empty: u32,
}

impl Naive {
    fn enter(&mut self, limit: u32) -> Result<(), EnterError> {
        if self.closed {
            return Err(EnterError::Closed);
        }
        if self.live >= limit {
            return Err(EnterError::Full { live: self.live });
        }
        self.live += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<Exit, NobodyInside> {
        // The error cannot be built outside its crate; a group that never saw anybody hands one out.
        if self.live == 0 {
            return Group::new().leave();
        }
        self.live -= 1;
        if self.live > 0 {
            return Ok(Exit::Continue);
        }
        Ok(if self.closed { Exit::Empty } else { Exit::Idle })
    }

    fn close(&mut self) -> Close {
        if self.closed {
            return Close::Already;
        }
        self.closed = true;
        match self.live {
            0 => Close::Empty,
            live => Close::Drain { live },
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => Just(Operation::Enter),
        8 => (0_u32..6).prop_map(Operation::EnterWithin),
        2 => any::<u32>().prop_map(Operation::EnterWithin),
        16 => Just(Operation::Leave),
        1 => Just(Operation::Close),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_naive_group(operations in prop::collection::vec(operation(), 0..200)) {
        let group = Group::new();
        let mut naive = Naive::default();
        for operation in operations {
            match operation {
                Operation::Enter => prop_assert_eq!(group.try_enter(), naive.enter(Group::MAX_LIVE)),
                Operation::EnterWithin(limit) => {
                    prop_assert_eq!(group.try_enter_within(limit), naive.enter(limit));
                }
                Operation::Leave => {
                    let exit = group.leave();
                    naive.told_empty += u32::from(exit == Ok(Exit::Empty));
                    prop_assert_eq!(exit, naive.leave());
                }
                Operation::Close => {
                    let close = group.close();
                    naive.told_empty += u32::from(close == Close::Empty);
                    prop_assert_eq!(close, naive.close());
                }
            }
            prop_assert_eq!(group.live(), naive.live);
            prop_assert_eq!(group.is_closed(), naive.closed);
            prop_assert_eq!(group.is_empty(), naive.live == 0);
            prop_assert_eq!(group.is_over(), naive.closed && naive.live == 0);
            prop_assert_eq!(naive.told_empty, u32::from(group.is_over()));
        }
    }
}
