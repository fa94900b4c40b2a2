//! Mail between a parent and a child: both ways, both ends, and what becomes of it when one of them goes.

use core::convert::Infallible;
use core::future::pending;
use core::pin::pin;

use super::Difference;
use super::stage::{Stage, polled, sign, until};
use crate::prelude::*;
use crate::task::{Asked, Invalid, Mail, Message, NoAnswer, NoMail, NotAsked, NotSent};
use crate::{Context, Reason, Runtime};

/// A child with this mail, and the parent's end.
macro_rules! with_child {
    ($cx:ident, $capacity:expr, $work:expr) => {{
        let (mail, ticket) = $cx.mail::<u32, String>($capacity).unwrap();
        let work = $work;
        let child =
            $cx.child::<u32, Infallible>()
                .grace(600.seconds())
                .run(move |cx: Context<R>| async move {
                    let mail: Mail<R, String, u32> = ticket.open(&cx);
                    work(cx, mail).await
                });
        (mail, child)
    }};
}

pub(super) async fn each_way_has_its_type_its_order_and_its_sender<R: Runtime>(h: Stage<R>) {
    let parent = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
        let me = cx.id();
        let (mail, child) = with_child!(
            cx,
            2,
            move |cx: Context<R>, mail: Mail<R, String, u32>| async move {
                let mut sum = 0;
                while let Ok(envelope) = mail.recv().await {
                    assert_eq!(envelope.from, me);
                    match envelope.message {
                        Message::Data(number) => sum += number,
                        Message::Custom(7, number) => sum += 10 * number,
                        Message::Completed => break,
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(mail.peer().unwrap().id(), me);
                mail.send(Message::Status(cx.status())).await.unwrap();
                mail.send("sum".to_owned()).await.unwrap();
                mail.send(Message::Error("none".to_owned())).await.unwrap();
                sum
            }
        );
        // More than there is room for.
        let mut last = None;
        for number in 1..=20 {
            let id = mail.send(number).await.unwrap();
            assert!(last < Some(id));
            last = Some(id);
        }
        mail.send(Message::Custom(7, 4)).await.unwrap();
        mail.send(Message::Completed).await.unwrap();
        for expected in [
            Message::Status(State::Running),
            Message::Data("sum".to_owned()),
            Message::Error("none".to_owned()),
        ] {
            let envelope = mail.recv().await.unwrap();
            assert_eq!((envelope.from, envelope.message), (child.id(), expected));
        }
        assert_eq!(mail.recv().await.unwrap_err(), NoMail::Closed);
        assert_eq!(child.await.unwrap(), 250);
        assert_eq!(cx.mail::<u32, u32>(0).unwrap_err(), Invalid::ZeroCapacity);
    });
    parent.await.unwrap();
}

pub(super) async fn what_has_no_room_is_handed_back_or_waits<R: Runtime>(h: Stage<R>) {
    let parent = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
        let (go, gone) = sign();
        let (mail, child) = with_child!(
            cx,
            2,
            move |_: Context<R>, mail: Mail<R, String, u32>| async move {
                gone.given().await;
                let mut sum = 0;
                while let Ok(envelope) = mail.recv().await {
                    let Message::Data(number) = envelope.message else {
                        break;
                    };
                    sum += number;
                }
                sum
            }
        );
        assert_eq!(mail.try_recv().unwrap_err(), NoMail::Empty);
        mail.try_send(1).unwrap();
        mail.try_send(2).unwrap();
        assert_eq!(mail.try_send(4).unwrap_err(), NotSent::Full(Message::Data(4)));
        // Dropped while it waits, nothing was sent.
        assert!(polled(mail.send(8), 1).await.is_none());
        {
            let mut waiting = pin!(mail.send(16));
            assert!(polled(waiting.as_mut(), 1).await.is_none());
            go.give();
            waiting.await.unwrap();
        }
        mail.close();
        assert_eq!(
            mail.send(32).await.unwrap_err(),
            NotSent::Closed(Message::Data(32))
        );
        assert_eq!(child.await.unwrap(), 19);
    });
    parent.await.unwrap();
}

pub(super) async fn each_end_may_go_at_any_time<R: Runtime>(h: Stage<R>) {
    let parent = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
        // Before it was opened.
        let (mail, ticket) = cx.mail::<u32, u32>(1).unwrap();
        assert!(mail.peer().is_none());
        assert_eq!(
            mail.ask_to_stop(Level::Kill).await.unwrap_err(),
            NotAsked::NotOpen
        );
        mail.try_send(1).unwrap();
        let mut waiting = pin!(mail.send(2));
        assert!(polled(waiting.as_mut(), 1).await.is_none());
        drop(ticket);
        assert_eq!(waiting.await.unwrap_err(), NotSent::Closed(Message::Data(2)));
        assert_eq!(mail.recv().await.unwrap_err(), NoMail::Closed);
        let request = mail.request(3).await.unwrap_err();
        assert_eq!(request, NoAnswer::NotSent(NotSent::Closed(Message::Data(3))));

        // With its task, killed while it holds what was asked.
        let (arrive, arrived) = sign();
        let (mail, child) = with_child!(
            cx,
            1,
            move |_: Context<R>, mail: Mail<R, String, u32>| async move {
                mail.send("last words".to_owned()).await.unwrap();
                mail.recv().await.unwrap();
                arrive.give();
                pending::<()>().await;
                drop(mail);
                0
            }
        );
        let request = {
            let mut request = pin!(mail.request(4));
            assert!(polled(request.as_mut(), 1).await.is_none());
            arrived.given().await;
            child.cancel(Level::Kill).unwrap();
            request.await
        };
        assert_eq!(request.unwrap_err(), NoAnswer::Closed);
        // What was sent before is still there.
        assert_eq!(
            mail.recv().await.unwrap().message,
            Message::Data("last words".to_owned())
        );
        assert_eq!(mail.recv().await.unwrap_err(), NoMail::Closed);
        assert!(child.await.unwrap_err().is_cancelled());

        // The parent's end: the child receives what there is, then that there is no more.
        let (mail, child) = with_child!(
            cx,
            2,
            move |_: Context<R>, mail: Mail<R, String, u32>| async move {
                let mut count = 0;
                while mail.recv().await.is_ok() {
                    count += 1;
                }
                let refused = mail.send("too late".to_owned()).await.unwrap_err();
                assert_eq!(refused, NotSent::Closed(Message::Data("too late".to_owned())));
                count
            }
        );
        mail.send(1).await.unwrap();
        mail.send(2).await.unwrap();
        drop(mail);
        assert_eq!(child.await.unwrap(), 2);
    });
    parent.await.unwrap();
}

pub(super) async fn an_answer_goes_to_who_asked<R: Runtime>(h: Stage<R>) {
    let parent = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
        let (dropped, gone) = sign();
        let (mail, child) = with_child!(
            cx,
            4,
            move |_: Context<R>, mail: Mail<R, String, u32>| async move {
                let first = mail.recv().await.unwrap();
                let second = mail.recv().await.unwrap();
                let plain = mail.recv().await.unwrap();
                // In the other order, and once each.
                for envelope in [&second, &first] {
                    let Message::Data(number) = &envelope.message else {
                        panic!("{envelope:?}");
                    };
                    mail.reply(envelope.id, number.to_string()).unwrap();
                }
                let again = mail.reply(first.id, "again".to_owned()).unwrap_err();
                assert_eq!(again.0, Message::Data("again".to_owned()));
                assert!(mail.acknowledge(plain.id).is_err());
                // One that nobody waits for any more is handed back.
                let third = mail.recv().await.unwrap();
                gone.given().await;
                let late = mail.reply(third.id, "late".to_owned()).unwrap_err();
                assert_eq!(late.0, Message::Data("late".to_owned()));
                0
            }
        );
        {
            let (mut first, mut second) = (pin!(mail.request(1)), pin!(mail.request(2)));
            assert!(polled(first.as_mut(), 1).await.is_none());
            assert!(polled(second.as_mut(), 1).await.is_none());
            mail.send(3).await.unwrap();
            let (first, second) = (first.await.unwrap(), second.await.unwrap());
            assert_eq!(first.message, Message::Data("1".to_owned()));
            assert_eq!(second.message, Message::Data("2".to_owned()));
            assert!(first.id < second.id);
        }
        assert!(polled(mail.request(4), 1).await.is_none());
        dropped.give();
        assert_eq!(child.await.unwrap(), 0);
    });
    parent.await.unwrap();
}

pub(super) async fn a_child_that_gives_no_sign_of_life_is_reported<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    let parent = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
        let child_at_work = at_work.clone();
        let (mail, child) = with_child!(
            cx,
            1,
            move |cx: Context<R>, mail: Mail<R, String, u32>| async move {
                // Longer than it may be silent, with a sign in between; the room is taken.
                mail.send("busy".to_owned()).await.unwrap();
                for _ in 0..4 {
                    child_at_work.pass(3).await;
                    mail.beat();
                }
                cx.cancelled().await;
                5
            }
        );
        let limit = at_work.units(if at_work.differs(Difference::RealTime) {
            20
        } else {
            4
        });
        assert_eq!(
            mail.recv().await.unwrap().message,
            Message::Data("busy".to_owned())
        );
        let begun = cx.runtime().now();
        let Err(NoMail::Silent(silent)) = mail.recv_within(limit).await else {
            panic!("it says nothing");
        };
        assert!(silent >= limit);
        if !at_work.differs(Difference::RealTime) {
            // Four times three, and then the limit.
            assert_eq!(cx.runtime().now().since(begun), at_work.units(16));
        }
        child.cancel(Level::Graceful).unwrap();
        assert_eq!(child.await.unwrap(), 5);
        assert_eq!(mail.recv_within(limit).await.unwrap_err(), NoMail::Closed);
    });
    parent.await.unwrap();
}

pub(super) async fn asked_to_stop_a_child_acknowledges_and_is_cancelled<R: Runtime>(h: Stage<R>) {
    let parent = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
        let me = cx.id();
        let (mail, child) = with_child!(
            cx,
            1,
            move |cx: Context<R>, mail: Mail<R, String, u32>| async move {
                assert!(mail.ask_to_stop(Level::Kill).await == Err(NotAsked::NoChild));
                mail.send("here".to_owned()).await.unwrap();
                let asked = mail.recv().await.unwrap();
                let Message::CancelRequest(cancellation) = asked.message else {
                    panic!("{asked:?}");
                };
                assert_eq!((asked.from, cancellation.by), (me, Some(me)));
                assert_eq!(
                    (cancellation.level, cancellation.reason),
                    (Level::Graceful, Reason::Requested)
                );
                assert!(cx.is_cancelled());
                // It is told once; what waits besides is not lost.
                assert_eq!(mail.recv().await.unwrap().message, Message::Data(9));
                mail.acknowledge(asked.id).unwrap();
                6
            }
        );
        assert_eq!(
            mail.recv().await.unwrap().message,
            Message::Data("here".to_owned())
        );
        mail.send(9).await.unwrap();
        assert_eq!(
            mail.ask_to_stop(Level::Graceful).await.unwrap(),
            Asked::Acknowledged
        );
        assert_eq!(child.await.unwrap(), 6);
        let refused = mail.ask_to_stop(Level::Kill).await.unwrap_err();
        assert!(matches!(refused, NotAsked::Ended(ended) if ended.state == State::Completed));

        // Killed, it says nothing more.
        let (mail, child) = with_child!(
            cx,
            1,
            move |_: Context<R>, mail: Mail<R, String, u32>| async move {
                mail.send("here".to_owned()).await.unwrap();
                pending::<u32>().await
            }
        );
        mail.recv().await.unwrap();
        assert_eq!(mail.ask_to_stop(Level::Kill).await.unwrap(), Asked::Gone);
        assert!(child.await.unwrap_err().is_cancelled());

        // Whoever told it: here nobody asked through the mail.
        let (mail, child) = with_child!(
            cx,
            1,
            move |_: Context<R>, mail: Mail<R, String, u32>| async move {
                let asked = mail.recv().await.unwrap();
                assert!(matches!(asked.message, Message::CancelRequest(_)));
                assert!(mail.acknowledge(asked.id).is_err());
                7
            }
        );
        until(|| child.status() == State::Running).await;
        child.cancel(Level::Graceful).unwrap();
        assert_eq!(child.await.unwrap(), 7);
        drop(mail);
    });
    parent.await.unwrap();
}
