//! Random sequences of changes on `Pressure` and of items through a queue under each `Overflow`.

use std::collections::VecDeque;

use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::pressure::{Action, Crossing, Dropped, Drops, Marks, Overflow, Pressure};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Rise(u32),
    Fall(u32),
    Set(u32),
}

fn operation() -> impl Strategy<Value = Operation> {
    let amount = || prop_oneof![20 => 0_u32..6, 1 => (Pressure::MAX - 3)..=u32::MAX];
    prop_oneof![
        10 => amount().prop_map(Operation::Rise),
        10 => amount().prop_map(Operation::Fall),
        1 => amount().prop_map(Operation::Set),
    ]
}

struct Naive {
    level: u64,
    high: bool,
    marks: (u64, u64),
}

impl Naive {
    fn to(&mut self, level: u64) -> Crossing {
        self.level = level.min(u64::from(Pressure::MAX));
        let (low, high) = self.marks;
        if !self.high && self.level >= high {
            self.high = true;
            Crossing::High
        } else if self.high && self.level <= low {
            self.high = false;
            Crossing::Low
        } else {
            Crossing::None
        }
    }
}

fn overflow() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        Just(Overflow::Block),
        Just(Overflow::Reject),
        Just(Overflow::DropNewest),
        Just(Overflow::DropOldest),
        Just(Overflow::KeepLatest),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_naive_pressure(
        low in 0_u32..10,
        more in 1_u32..10,
        operations in prop::collection::vec(operation(), 0..200),
    ) {
        let pressure = Pressure::new(Marks::new(low, low + more).expect("in order"));
        let mut naive =
            Naive { level: 0, high: false, marks: (u64::from(low), u64::from(low + more)) };
        let mut last = Crossing::Low;
        for operation in operations {
            let crossing = match operation {
                Operation::Rise(by) => {
                    let crossing = pressure.rise(by);
                    prop_assert_eq!(crossing, naive.to(naive.level + u64::from(by)));
                    crossing
                }
                Operation::Fall(by) => {
                    let expected = naive.level.checked_sub(u64::from(by)).map(|level| naive.to(level));
                    let answer = pressure.fall(by).map_err(|error| u64::from(error.level));
                    prop_assert_eq!(answer, expected.ok_or(naive.level));
                    expected.unwrap_or(Crossing::None)
                }
                Operation::Set(level) => {
                    let crossing = pressure.set(level);
                    prop_assert_eq!(crossing, naive.to(u64::from(level)));
                    crossing
                }
            };
            if crossing != Crossing::None {
                prop_assert_eq!(crossing == Crossing::High, last == Crossing::Low, "reports alternate");
                last = crossing;
            }
            prop_assert_eq!(u64::from(pressure.level()), naive.level);
            prop_assert_eq!(pressure.is_high(), naive.high);
        }
    }

    /// in = out + dropped + held, and what is held is what the policy promises.
    #[test]
    fn nothing_is_lost_uncounted(
        policy in overflow(),
        capacity in 1_usize..5,
        sends in prop::collection::vec(prop::bool::weighted(0.7), 0..100),
    ) {
        let drops = Drops::new();
        let mut queue = VecDeque::new();
        let (mut sent, mut received, mut handed_back) = (0_u32, 0_u32, 0_u32);
        for send in sends {
            if !send {
                received += u32::from(queue.pop_front().is_some());
                continue;
            }
            let item = sent;
            match policy.decide(queue.len() == capacity) {
                Action::Wait => continue,
                Action::Push => queue.push_back(item),
                Action::Refuse => {
                    drops.add(Dropped::Rejected, 1);
                    handed_back += 1;
                }
                Action::DropNew => {
                    drops.add(Dropped::Newest, 1);
                    handed_back += 1;
                }
                Action::EvictOldest => {
                    handed_back += u32::from(queue.pop_front().is_some());
                    drops.add(Dropped::Oldest, 1);
                    queue.push_back(item);
                }
                Action::EvictAll => {
                    let evicted = u32::try_from(queue.drain(..).count()).expect("few");
                    drops.add(Dropped::Superseded, evicted);
                    handed_back += evicted;
                    queue.push_back(item);
                }
            }
            sent += 1;
            prop_assert_eq!(drops.total(), handed_back);
            let held = u32::try_from(queue.len()).expect("few");
            prop_assert_eq!(sent, received + drops.total() + held);
            if policy.evicts() {
                prop_assert_eq!(queue.back(), Some(&item), "the latest is held");
            }
        }
    }
}
