//! Random heads and random bytes: what is written is read, what is read was written.

use core::num::NonZeroU64;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::envelope::{Content, DecodeError, Head};
use sweet_async_core::lifecycle::{Level, Reason, State};

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        any::<u32>().prop_map(|length| Content::Data { length }),
        any::<u32>().prop_map(|length| Content::Error { length }),
        any::<(u16, u32)>().prop_map(|(number, length)| Content::Custom { number, length }),
        any::<u8>().prop_filter_map("no state", |state| State::from_number(state % 9)
            .map(Content::Status)),
        Just(Content::Ack),
        Just(Content::Completed),
        (1..=3u8, 1..=8u8).prop_filter_map("no request", |(level, reason)| {
            Some(Content::CancelRequest {
                level: Level::from_number(level)?,
                reason: Reason::from_number(reason)?,
            })
        }),
        Just(Content::Heartbeat),
    ]
}

/// Bytes that are nearly a head, so that each check is reached.
fn nearly() -> impl Strategy<Value = [u8; Head::SIZE]> {
    let lead = (
        prop_oneof![4 => Just(1), 1 => any::<u8>()],
        0..=9u8,
        prop_oneof![
            Just([0, 0]),
            any::<[u8; 2]>(),
            (0..=4u8, 0..=9u8).prop_map(|(high, low)| [high, low])
        ],
        prop_oneof![Just([0; 4]), any::<[u8; 4]>()],
    );
    let rest = prop_oneof![8 => prop::array::uniform24(any::<u8>()), 1 => Just([0; 24])];
    (lead, rest).prop_map(|((version, kind, code, length), rest)| {
        let mut bytes = [0; Head::SIZE];
        bytes[..2].copy_from_slice(&[version, kind]);
        bytes[2..4].copy_from_slice(&code);
        bytes[4..8].copy_from_slice(&length);
        bytes[8..].copy_from_slice(&rest);
        bytes
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_written_is_read(from: u64, node: u32, id: u64, left: u32, content in content()) {
        let from = NonZeroU64::new(from).unwrap_or(NonZeroU64::MIN);
        let head = Head::new(from, id, content).node(node).left(left);
        prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
    }

    #[test]
    fn what_is_read_was_written(bytes in nearly()) {
        if let Ok(head) = Head::decode(&bytes) {
            prop_assert_eq!(head.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..80), most: u32) {
        match Head::split(&bytes, most) {
            Ok((head, payload, rest)) => {
                let mut again = head.encode().to_vec();
                again.extend(payload);
                again.extend(rest);
                prop_assert_eq!(again, bytes);
            }
            Err(DecodeError::Short { missing }) => prop_assert_eq!(missing > 0, true),
            Err(_) => {}
        }
    }
}
