extern crate alloc;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use super::{Content, DecodeError, Head};
use crate::lifecycle::{Level, Reason, State};

const FROM: NonZeroU64 = NonZeroU64::MAX;

/// A message of each kind, with `KIND`, `CODE` and `LENGTH` as they are written.
const KINDS: [(Content, [u8; 7]); 9] = [
    (Content::Data { length: 0 }, [1, 0, 0, 0, 0, 0, 0]),
    (Content::Data { length: u32::MAX }, [1, 0, 0, 255, 255, 255, 255]),
    (Content::Error { length: 258 }, [2, 0, 0, 0, 0, 1, 2]),
    (
        Content::Custom {
            number: 772,
            length: 5,
        },
        [3, 3, 4, 0, 0, 0, 5],
    ),
    (Content::Status(State::Rejected), [4, 0, 8, 0, 0, 0, 0]),
    (Content::Ack, [5, 0, 0, 0, 0, 0, 0]),
    (Content::Completed, [6, 0, 0, 0, 0, 0, 0]),
    (
        Content::CancelRequest {
            level: Level::Kill,
            reason: Reason::Deadline,
        },
        [7, 2, 8, 0, 0, 0, 0],
    ),
    (Content::Heartbeat, [8, 0, 0, 0, 0, 0, 0]),
];

#[test]
fn each_kind_has_one_form() {
    for (content, written) in KINDS {
        let head = Head::new(FROM, 0x0102, content).node(0x0304).left(0x0506);
        let encoded = head.encode();
        assert_eq!(encoded[0], 1);
        assert_eq!(encoded[1..8], written);
        assert_eq!(encoded[8..16], [255; 8]);
        assert_eq!(encoded[16..24], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(encoded[24..], [0, 0, 3, 4, 0, 0, 5, 6]);
        assert_eq!(Head::decode(&encoded), Ok(head));
    }
}

#[test]
fn for_ever_is_no_number() {
    let head = Head::new(FROM, 1, Content::Ack);
    assert_eq!(head.left, None);
    assert_eq!(head.left(u32::MAX), head);
    assert_eq!(head.encode()[28..], [255; 4]);
    assert_eq!(head.left(0).left, Some(0));
}

#[test]
fn what_is_no_head_is_refused_with_the_reason() {
    let good = Head::new(FROM, 1, Content::Ack).encode();
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = good;
        for (place, byte) in changes {
            bytes[*place] = *byte;
        }
        Head::decode(&bytes)
    };
    let code = |kind, code| Err(DecodeError::Code { kind, code });
    assert_eq!(with(&[(0, 0)]), Err(DecodeError::Version(0)));
    assert_eq!(with(&[(0, 2)]), Err(DecodeError::Version(2)));
    assert_eq!(with(&[(1, 0)]), Err(DecodeError::Kind(0)));
    assert_eq!(with(&[(1, 9)]), Err(DecodeError::Kind(9)));
    assert_eq!(with(&[(3, 1)]), code(5, 1));
    assert_eq!(with(&[(1, 1), (2, 1)]), code(1, 256));
    assert_eq!(with(&[(1, 4), (3, 9)]), code(4, 9));
    assert_eq!(with(&[(1, 4), (2, 1), (3, 3)]), code(4, 259));
    assert_eq!(with(&[(1, 7), (2, 0), (3, 1)]), code(7, 1));
    assert_eq!(with(&[(1, 7), (2, 4), (3, 1)]), code(7, 1025));
    assert_eq!(with(&[(1, 7), (2, 1), (3, 9)]), code(7, 265));
    assert_eq!(with(&[(7, 3)]), Err(DecodeError::Payload { kind: 5, length: 3 }));
    let nobody: Vec<_> = (8..16).map(|place| (place, 0)).collect();
    assert_eq!(with(&nobody), Err(DecodeError::Nobody));
}

#[test]
fn a_message_is_split_from_what_comes_after_it() {
    let head = Head::new(FROM, 1, Content::Data { length: 3 });
    let mut bytes = head.encode().to_vec();
    bytes.extend(*b"abcde");
    for held in 0..Head::SIZE {
        let missing = Head::SIZE - held;
        assert_eq!(
            Head::split(&bytes[..held], 3),
            Err(DecodeError::Short { missing })
        );
    }
    for held in 0..3 {
        let missing = 3 - held;
        let whole = &bytes[..Head::SIZE + held];
        assert_eq!(Head::split(whole, 3), Err(DecodeError::Short { missing }));
    }
    assert_eq!(Head::split(&bytes, 3), Ok((head, &b"abc"[..], &b"de"[..])));
    assert_eq!(
        Head::split(&bytes, 2),
        Err(DecodeError::Long { length: 3, most: 2 })
    );
}

#[test]
fn errors_say_what_was_found() {
    let texts = [
        (
            DecodeError::Short { missing: 3 },
            "3 bytes are missing; read more",
        ),
        (DecodeError::Version(7), "a head of version 7; this is 1"),
        (DecodeError::Kind(9), "no message is of kind 9"),
        (
            DecodeError::Code { kind: 4, code: 9 },
            "a message of kind 4 has no code 9",
        ),
        (
            DecodeError::Payload { kind: 5, length: 3 },
            "a message of kind 5 has no payload, and this one has 3 bytes",
        ),
        (
            DecodeError::Long { length: 3, most: 2 },
            "a payload of 3 bytes, where 2 are taken at most",
        ),
        (DecodeError::Nobody, "the message has no sender"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}
