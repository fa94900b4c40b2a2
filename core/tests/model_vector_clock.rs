//! Random executions of nodes that work and send, stamped by vector clocks, against the graph of happens-before.

extern crate alloc;

use alloc::collections::BTreeSet;
use core::num::NonZeroU32;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::vector_clock::{AtomicVectorClock, Causality, Nodes, VectorClock};

const NODES: usize = 4;

/// One step of an execution.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The node does something that nobody else takes part in.
    Work { node: usize },
    /// The node receives what the `event`th event sent, counted round; nothing, if there was no event yet.
    Receive { node: usize, event: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..NODES).prop_map(|node| Step::Work { node }),
        (0..NODES, any::<usize>()).prop_map(|(node, event)| Step::Receive { node, event }),
    ]
}

/// An event and all that happened before it, known from the edges of the graph alone.
#[derive(Clone, Debug, Default)]
struct Event<S> {
    past: BTreeSet<usize>,
    stamp: S,
}

/// Runs the steps; `stamp` is what the clocks say to "this node has an event, perhaps after receiving this stamp".
fn execute<S: Clone>(steps: &[Step], mut stamp: impl FnMut(usize, Option<&S>) -> S) -> Vec<Event<S>> {
    let mut events: Vec<Event<S>> = Vec::new();
    let mut latest: [Option<usize>; NODES] = [None; NODES];
    for step in steps {
        let (node, message) = match *step {
            Step::Work { node } => (node, None),
            Step::Receive { node, event } => (node, event.checked_rem(events.len())),
        };
        let mut past = BTreeSet::new();
        for parent in [latest.get(node).copied().flatten(), message]
            .into_iter()
            .flatten()
        {
            past.insert(parent);
            past.extend(
                events
                    .get(parent)
                    .map(|event| event.past.clone())
                    .unwrap_or_default(),
            );
        }
        let received = message
            .and_then(|event| events.get(event))
            .map(|event| &event.stamp);
        let stamp = stamp(node, received);
        if let Some(latest) = latest.get_mut(node) {
            *latest = Some(events.len());
        }
        events.push(Event { past, stamp });
    }
    events
}

fn relation<S>(events: &[Event<S>], first: usize, second: usize) -> Causality {
    let knows = |event: usize, of: usize| events.get(event).is_some_and(|event| event.past.contains(&of));
    match (first == second, knows(second, first), knows(first, second)) {
        (true, _, _) => Causality::Equal,
        (false, true, _) => Causality::Before,
        (false, false, true) => Causality::After,
        (false, false, false) => Causality::Concurrent,
    }
}

proptest! {
    #[test]
    fn agrees_with_the_graph_of_happens_before(steps in prop::collection::vec(step(), 1..60)) {
        let mut values = [VectorClock::<NODES>::new(); NODES];
        let shared: [AtomicVectorClock<NODES>; NODES] = Default::default();
        let mut numbers = Vec::new();
        let events = execute(&steps, |node, message: Option<&VectorClock<NODES>>| {
            let (Some(value), Some(shared)) = (values.get_mut(node), shared.get(node)) else {
                unreachable!("a step names one of the nodes");
            };
            if let Some(message) = message {
                value.merge(message);
                shared.merge(message);
            }
            numbers.push((value.tick(node), shared.tick(node), shared.snapshot() == *value));
            *value
        });
        for (value, shared, same) in numbers {
            prop_assert_eq!(value, shared);
            prop_assert!(same);
        }
        for (first, one) in events.iter().enumerate() {
            for (second, other) in events.iter().enumerate() {
                prop_assert_eq!(one.stamp.compare(&other.stamp), relation(&events, first, second));
            }
        }
    }

    #[test]
    fn merge_is_the_least_clock_that_knows_both(
        first in any::<[u32; NODES]>(),
        second in any::<[u32; NODES]>(),
        third in any::<[u32; NODES]>(),
    ) {
        let [first, second, third] = [first, second, third].map(VectorClock::from_counts);
        let merged = |mut one: VectorClock<NODES>, other: &VectorClock<NODES>| {
            one.merge(other);
            one
        };
        let both = merged(first, &second);
        prop_assert!(first <= both && second <= both);
        prop_assert!(!(first <= third && second <= third) || both <= third);
        prop_assert_eq!(both, merged(second, &first));
        prop_assert_eq!(both, merged(both, &first));
        prop_assert_eq!(merged(both, &third), merged(first, &merged(second, &third)));
    }

    #[test]
    fn nodes_agree_with_a_list_of_names(names in prop::collection::vec(1_u32..12, 0..40)) {
        let nodes = Nodes::<8>::new();
        let mut list: Vec<u32> = Vec::new();
        for name in names {
            let known = list.iter().position(|listed| *listed == name);
            if known.is_none() && list.len() < 8 {
                list.push(name);
            }
            let expected = list.iter().position(|listed| *listed == name);
            let name = NonZeroU32::new(name).unwrap();
            prop_assert_eq!(nodes.slot(name), known);
            prop_assert_eq!(nodes.enroll(name).ok(), expected);
            prop_assert_eq!(nodes.slot(name), expected);
        }
    }
}
