extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{AtomicU32, Close, EnterError, Exit, Group, NobodyInside, Word};

const CLOSED: u32 = Word::CLOSED;
const MAX: u32 = Word::LIVE;

fn group(word: u32) -> Group {
    Group {
        word: AtomicU32::new(word),
    }
}

fn word_of(group: Group) -> u32 {
    group.word.into_inner()
}

#[test]
fn try_enter_in_every_state() {
    let table = [
        (0, Ok(()), 1),
        (1, Ok(()), 2),
        (MAX - 1, Ok(()), MAX),
        (MAX, Err(EnterError::Full { live: MAX }), MAX),
        (CLOSED, Err(EnterError::Closed), CLOSED),
        (CLOSED | 1, Err(EnterError::Closed), CLOSED | 1),
        (CLOSED | MAX, Err(EnterError::Closed), CLOSED | MAX),
    ];
    for (before, answer, after) in table {
        let group = group(before);
        assert_eq!(group.try_enter(), answer, "from {before:#x}");
        assert_eq!(word_of(group), after, "from {before:#x}");
    }
}

#[test]
fn try_enter_within_in_every_state() {
    let table = [
        (0, 0, Err(EnterError::Full { live: 0 }), 0),
        (0, 1, Ok(()), 1),
        (1, 1, Err(EnterError::Full { live: 1 }), 1),
        (2, 1, Err(EnterError::Full { live: 2 }), 2),
        (2, 3, Ok(()), 3),
        (MAX - 1, u32::MAX, Ok(()), MAX),
        (MAX, u32::MAX, Err(EnterError::Full { live: MAX }), MAX),
        (CLOSED, 1, Err(EnterError::Closed), CLOSED),
        (CLOSED | 1, 1, Err(EnterError::Closed), CLOSED | 1),
        (CLOSED | 1, 9, Err(EnterError::Closed), CLOSED | 1),
    ];
    for (before, limit, answer, after) in table {
        let group = group(before);
        assert_eq!(
            group.try_enter_within(limit),
            answer,
            "from {before:#x} within {limit}"
        );
        assert_eq!(word_of(group), after, "from {before:#x} within {limit}");
    }
}

#[test]
fn leave_in_every_state() {
    let table = [
        (0, Err(NobodyInside), 0),
        (1, Ok(Exit::Idle), 0),
        (2, Ok(Exit::Continue), 1),
        (MAX, Ok(Exit::Continue), MAX - 1),
        (CLOSED, Err(NobodyInside), CLOSED),
        (CLOSED | 1, Ok(Exit::Empty), CLOSED),
        (CLOSED | 2, Ok(Exit::Continue), CLOSED | 1),
        (CLOSED | MAX, Ok(Exit::Continue), CLOSED | (MAX - 1)),
    ];
    for (before, answer, after) in table {
        let group = group(before);
        assert_eq!(group.leave(), answer, "from {before:#x}");
        assert_eq!(word_of(group), after, "from {before:#x}");
    }
}

#[test]
fn close_in_every_state() {
    let table = [
        (0, Close::Empty, CLOSED),
        (1, Close::Drain { live: 1 }, CLOSED | 1),
        (MAX, Close::Drain { live: MAX }, CLOSED | MAX),
        (CLOSED, Close::Already, CLOSED),
        (CLOSED | 1, Close::Already, CLOSED | 1),
        (CLOSED | MAX, Close::Already, CLOSED | MAX),
    ];
    for (before, answer, after) in table {
        let group = group(before);
        assert_eq!(group.close(), answer, "from {before:#x}");
        assert_eq!(word_of(group), after, "from {before:#x}");
    }
}

#[test]
fn queries_in_every_state() {
    let table = [
        (0, 0, false, true, false),
        (1, 1, false, false, false),
        (MAX, MAX, false, false, false),
        (CLOSED, 0, true, true, true),
        (CLOSED | 1, 1, true, false, false),
        (CLOSED | MAX, MAX, true, false, false),
    ];
    for (word, live, closed, empty, over) in table {
        let group = group(word);
        assert_eq!(group.live(), live, "{word:#x}");
        assert_eq!(group.is_closed(), closed, "{word:#x}");
        assert_eq!(group.is_empty(), empty, "{word:#x}");
        assert_eq!(group.is_over(), over, "{word:#x}");
    }
}

#[test]
fn debug_decodes_the_state() {
    assert_eq!(
        format!("{:?}", group(CLOSED | 3)),
        "Group { closed: true, live: 3 }"
    );
}

#[test]
fn errors_say_what_to_do() {
    assert_eq!(
        EnterError::Full { live: 3 }.to_string(),
        "the scope is full with 3 children; try again when one of them has left"
    );
    assert!(EnterError::Closed.to_string().contains("still open"));
    assert!(NobodyInside.to_string().contains("once for each entry"));
}

#[test]
fn takes_four_bytes() {
    assert_eq!(size_of::<Group>(), 4);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Group>();
}
