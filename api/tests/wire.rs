//! Envelopes that leave the process.

use std::error::Error;

use sweet_async_api::State;
use sweet_async_api::task::{Correlation, Envelope, Head, Message, TaskId};
use sweet_async_core::envelope::Content;
use sweet_async_core::lifecycle::{Level, Reason};

type Outcome = Result<(), Box<dyn Error>>;

fn me() -> Result<TaskId, Box<dyn Error>> {
    Ok(TaskId::from_number(77).ok_or("an id")?)
}

#[test]
fn each_message_is_read_as_it_was_sent() -> Outcome {
    let me = me()?;
    let messages = [
        Message::Data(&b"some"[..]),
        Message::Data(&b""[..]),
        Message::Error(&b"no such row"[..]),
        Message::Custom(9, &b"\0\xff"[..]),
        Message::Status(State::Waiting),
        Message::Ack,
        Message::Completed,
    ];
    let mut line = Vec::new();
    for (id, message) in (1..).zip(&messages) {
        line.extend(Envelope::new(me, Correlation::from(id), message.clone()).encode()?);
    }
    let mut rest = &line[..];
    for (id, message) in (1..).zip(messages) {
        let (head, payload, after) = Head::split(rest, 100)?;
        assert_eq!(
            Envelope::of(&head, payload),
            Some(Envelope::new(me, Correlation::from(id), message))
        );
        rest = after;
    }
    assert!(rest.is_empty());
    Ok(())
}

#[test]
fn a_request_to_stop_says_how_far_why_and_by_whom() -> Outcome {
    let me = me()?;
    let (level, reason) = (Level::Kill, Reason::Deadline);
    let head = Head::new(me.into(), 5, Content::CancelRequest { level, reason });
    let envelope = Envelope::of(&head, b"").ok_or("a message")?;
    let Message::CancelRequest(cancellation) = envelope.message else {
        return Err("not a request".into());
    };
    assert_eq!(
        (cancellation.level, cancellation.reason, cancellation.by),
        (level, reason, Some(me))
    );
    assert_eq!(envelope.encode()?, head.encode());
    Ok(())
}

#[test]
fn a_heartbeat_is_no_message() -> Outcome {
    assert_eq!(
        Envelope::of(&Head::new(me()?.into(), 0, Content::Heartbeat), b""),
        None
    );
    Ok(())
}

#[test]
#[cfg(target_pointer_width = "64")]
fn what_no_head_can_announce_is_refused() -> Outcome {
    // Never written to, so it takes no memory.
    let payload = vec![0u8; 1 << 32];
    let envelope = Envelope::new(me()?, Correlation::from(1), Message::Data(payload));
    let refused = envelope.encode().err().ok_or("it was taken")?;
    assert_eq!(refused.length, 1 << 32);
    Ok(())
}
