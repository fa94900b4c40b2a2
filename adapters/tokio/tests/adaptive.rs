//! A learned limit before a real server on the loopback interface, whose queue is known: so many workers, so long a call.
//!
//! By Little's law the calls in flight are throughput times latency: up to as many as there are workers more of them are
//! served at once, and from there on more of them only wait. The server moves the clock, once everything that was sent
//! has arrived, so that a busy machine changes nothing; what is asserted are counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use std::sync::mpsc as threads;
use std::time::Duration;

use sweet_async_tokio::guard::{ConcurrencyLimit, Vegas};
use sweet_async_tokio::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

const CLIENTS: usize = 60;
/// From here on more calls in flight are only a longer queue.
const WORKERS: usize = 12;
/// The shortest call, and by how many milliseconds others are longer: calls that all took the same would come in waves.
const SERVICE: (u32, u32) = (18, 5);
/// How many calls are served before it is looked at, and while it is.
const CALLS: usize = 6_000;

/// What the server saw while it was looked at.
struct Seen {
    /// Calls in flight, in all over the calls that were served.
    in_flight: usize,
    /// Of these, the ones that a worker had.
    busy: usize,
}

struct Server {
    /// Which connection sent a request.
    arriving: mpsc::UnboundedReceiver<usize>,
    answers: Vec<OwnedWriteHalf>,
    /// Who waits for a worker, and who has one until when.
    queue: VecDeque<usize>,
    served: BinaryHeap<Reverse<(Instant, usize)>>,
    chance: u32,
}

impl Server {
    /// As many connections as there are clients.
    async fn start() -> (Self, Vec<TcpStream>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrive, arriving) = mpsc::unbounded_channel();
        let (mut clients, mut answers) = (Vec::new(), Vec::new());
        for number in 0..CLIENTS {
            clients.push(TcpStream::connect(address).await.unwrap());
            let (mut requests, answer) = listener.accept().await.unwrap().0.into_split();
            answers.push(answer);
            let arrive = arrive.clone();
            tokio::spawn(async move {
                while requests.read_u8().await.is_ok() {
                    arrive.send(number).unwrap();
                }
            });
        }
        let server = Self {
            arriving,
            answers,
            queue: VecDeque::new(),
            served: BinaryHeap::new(),
            chance: 1,
        };
        (server, clients)
    }

    /// How long the next call takes; the same calls in each run.
    fn service(&mut self) -> Duration {
        let (shortest, spread) = SERVICE;
        // The constants of Numerical Recipes; the low bits repeat soon.
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Duration::from_millis(u64::from(shortest + (self.chance >> 16) % spread))
    }

    fn held(&self) -> usize {
        self.queue.len() + self.served.len()
    }

    /// Takes what arrives, until everybody who may send has sent.
    async fn gather(&mut self, limit: &ConcurrencyLimit) {
        loop {
            while let Ok(number) = self.arriving.try_recv() {
                self.queue.push_back(number);
            }
            let (in_flight, waiting) = (limit.in_flight() as usize, limit.waiting());
            let all_sent = self.held() == in_flight && in_flight + waiting == CLIENTS;
            if all_sent && (waiting == 0 || in_flight >= limit.limit() as usize) {
                break;
            }
            tokio::task::yield_now().await;
        }
        while self.served.len() < WORKERS
            && let Some(number) = self.queue.pop_front()
        {
            let end = Instant::now() + self.service();
            self.served.push(Reverse((end, number)));
        }
    }

    /// Answers so many calls.
    async fn serve(&mut self, limit: &ConcurrencyLimit, calls: usize) -> Seen {
        let mut seen = Seen {
            in_flight: 0,
            busy: 0,
        };
        for _ in 0..calls {
            self.gather(limit).await;
            seen.in_flight += self.held();
            seen.busy += self.served.len();
            let Reverse((end, number)) = self.served.pop().unwrap();
            tokio::time::advance(end.saturating_duration_since(Instant::now())).await;
            let answer = self.answers.get_mut(number).unwrap();
            answer.write_u8(0).await.unwrap();
        }
        seen
    }
}

/// Calls without end, one after the other, each a task that asks the limit.
async fn call_on(mut connection: TcpStream, limit: ConcurrencyLimit) {
    loop {
        let call = AsyncTask::to::<TcpStream>().with_concurrency_limit(&limit);
        let called = call.run(|| async move {
            connection.write_u8(0).await?;
            connection.read_u8().await.map(|_| connection)
        });
        let Ok(answered) = called.await else {
            return;
        };
        connection = answered;
    }
}

#[tokio::test(start_paused = true)]
async fn vegas_keeps_the_workers_busy_and_the_queue_short() {
    // While this thread waits, the clock does not go on by itself.
    let (_still, until) = threads::channel::<()>();
    tokio::task::spawn_blocking(move || until.recv());
    let limit = ConcurrencyLimit::learned(Vegas::new()).start(2).between(1, 200);
    let limit = limit.build().unwrap();
    let (mut server, connections) = Server::start().await;
    for connection in connections {
        tokio::spawn(call_on(connection, limit.clone()));
    }
    server.serve(&limit, CALLS).await;
    let seen = server.serve(&limit, CALLS).await;
    let (in_flight, busy) = (seen.in_flight / CALLS, seen.busy * 100 / CALLS / WORKERS);
    // Without the limit it would be everybody.
    assert!(
        (WORKERS..=WORKERS * 3 / 2).contains(&in_flight),
        "{in_flight} in flight: {limit:?}"
    );
    assert!(busy >= 88, "workers busy for {busy} %: {limit:?}");
}
