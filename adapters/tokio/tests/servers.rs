//! Real servers on the loopback interface: what they answer decides whether and when they are asked again.
//!
//! The clock stands still while a task waits for a socket, and goes on by itself while all of them wait for time, so that
//! delays are compared exactly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sweet_async_tokio::prelude::*;
use tokio::time::Instant;

/// A server that serves its connections with these functions, one after the other, and tells of each.
fn server(answers: Vec<fn(TcpStream)>) -> (SocketAddr, mpsc::Receiver<()>, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    let serving = thread::spawn(move || {
        for answer in answers {
            let (connection, _) = listener.accept().unwrap();
            tell.send(()).unwrap();
            answer(connection);
        }
    });
    (address, told, serving)
}

/// Reads a request to its empty line, and answers.
fn respond(mut connection: TcpStream, answer: &str) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    connection.write_all(answer.as_bytes()).unwrap();
}

fn busy(connection: TcpStream) {
    let answer =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    respond(connection, answer);
}

fn fine(connection: TcpStream) {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    respond(connection, answer);
}

fn gone(connection: TcpStream) {
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    respond(connection, answer);
}

/// Hangs up without a word.
fn flaky(connection: TcpStream) {
    drop(connection);
}

#[derive(Debug)]
enum Refused {
    Status(u16, Option<Duration>),
    Broken,
}

/// One request. Sockets block, so this is for a thread that may.
fn get(address: SocketAddr) -> Result<String, Refused> {
    let ask = || -> std::io::Result<Vec<String>> {
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        BufReader::new(connection).lines().collect()
    };
    let lines = ask().map_err(|_| Refused::Broken)?;
    let status = lines
        .first()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    match status {
        None => Err(Refused::Broken),
        Some(200) => Ok(lines.last().cloned().unwrap_or_default()),
        Some(status) => {
            let after = lines.iter().find_map(|line| line.strip_prefix("Retry-After: "));
            let after = after
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs);
            Err(Refused::Status(status, after))
        }
    }
}

fn verdict(refused: &Refused) -> Verdict {
    match refused {
        Refused::Status(429, Some(after)) => Verdict::RetryAfter(*after),
        Refused::Status(400..=499, _) => Verdict::GiveUp,
        Refused::Status(..) | Refused::Broken => Verdict::Retry,
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let (address, told, serving) = server(vec![busy, busy, fine]);
    let begun = Instant::now();
    let task = AsyncTask::to::<String>()
        .retry(Retry::fixed(100.millis()).attempts(5))
        .classify(verdict)
        .run_blocking(move || get(address));
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), "hello");
    assert_eq!((seen.attempt(), told.iter().count()), (3, 3));
    // As often as it said, to the second; the delay of the policy counts for nothing.
    assert_eq!(begun.elapsed().as_secs(), 14);
    assert!(begun.elapsed() < Duration::from_millis(14_010));
    serving.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_server_asks_for_is_bounded_by_the_deadline() {
    let (address, told, serving) = server(vec![busy]);
    let task = AsyncTask::to::<String>()
        .timeout(5.seconds())
        .retry(Retry::fixed(100.millis()).attempts(5))
        .classify(verdict)
        .run_blocking(move || get(address));
    let error = task.await.unwrap_err();
    assert!(
        matches!(error.failure(), Some(Refused::Status(429, Some(_)))),
        "{error:?}"
    );
    assert_eq!(told.iter().count(), 1);
    serving.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flaky_server_is_asked_until_it_answers_and_a_permanent_error_once() {
    let (address, told, serving) = server(vec![flaky, flaky, flaky, fine]);
    let begun = Instant::now();
    let task = AsyncTask::to::<String>()
        .retry(Retry::exponential(1.seconds()).attempts(4))
        .classify(verdict)
        .run_blocking(move || get(address));
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), "hello");
    assert_eq!((seen.attempt(), told.iter().count()), (4, 4));
    assert_eq!(begun.elapsed().as_secs(), 1 + 2 + 4);
    serving.join().unwrap();

    let (address, told, serving) = server(vec![gone]);
    let task = AsyncTask::to::<String>()
        .retry(Retry::exponential(1.seconds()).attempts(4))
        .classify(verdict)
        .run_blocking(move || get(address));
    let error = task.await.unwrap_err();
    assert!(
        matches!(error.failure(), Some(Refused::Status(404, None))),
        "{error:?}"
    );
    assert_eq!((error.attempt(), told.iter().count()), (1, 1));
    serving.join().unwrap();
}
