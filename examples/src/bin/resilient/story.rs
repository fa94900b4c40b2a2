//! The program, whatever it runs on.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_io::Async;
use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::adapter::prelude::*;

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mood = Shared::new(Mood::Well);
    let connections = Arc::new(AtomicU32::new(0));
    let mut client = Client {
        address: listener.get_ref().local_addr()?,
        breaker: CircuitBreaker::builder()
            .name("server")
            .consecutive_failures(4)
            .open_for(1.seconds())
            .build()?,
        story: Story {
            begun: Instant::now(),
        },
        calls: 0,
    };
    let server = AsyncTask::to::<()>().name("server").run({
        let (mood, connections) = (mood.clone(), Arc::clone(&connections));
        |cx: Context| serve(cx, listener, mood, connections)
    });

    client.story.tell("the server is well");
    let once = Retry::immediate().attempts(1);
    client.call(2.seconds(), once).await;

    mood.set(Mood::HangsUp);
    client.story.tell("the server hangs up on everybody");
    client
        .call(2.seconds(), Retry::exponential(20.millis()).attempts(3))
        .await;

    mood.set(Mood::Silent);
    client.story.tell("the server takes questions and never answers");
    client.call(300.millis(), once).await;

    let before = connections.load(Ordering::Relaxed);
    client.call(300.millis(), once).await;
    client.call(300.millis(), once).await;
    let kept_away = connections.load(Ordering::Relaxed) == before;
    let saw = if kept_away {
        "saw nothing of the last two calls"
    } else {
        "was called in spite of the breaker"
    };
    client.story.tell(&format!("the server {saw}"));

    mood.set(Mood::Well);
    client
        .story
        .tell("the server is well again, but the breaker does not know");
    client
        .call(3.seconds(), Retry::exponential(20.millis()).attempts(3))
        .await;
    client.call(2.seconds(), once).await;

    // Whatever became of the server's task, this program is over.
    let _ = server.stop(Level::Kill).await;
    client.story.tell(&format!(
        "{} calls made {} connections",
        client.calls,
        connections.load(Ordering::Relaxed)
    ));
    Ok(())
}

/// Who asks.
struct Client {
    address: SocketAddr,
    breaker: CircuitBreaker,
    story: Story,
    calls: u32,
}

impl Client {
    /// Asks once, and again as `retry` says, but never longer than `timeout`.
    async fn call(&mut self, timeout: Duration, retry: Retry) {
        self.calls += 1;
        let (address, story, call) = (self.address, self.story, self.calls);
        let breaker = self.breaker.clone();
        let answer = AsyncTask::to::<String>()
            .name(format!("call {call}"))
            .timeout(timeout)
            .retry(retry)
            .with_circuit_breaker(&self.breaker)
            .run(move |cx: Context| {
                let (attempt, state) = (cx.attempt(), breaker.state());
                story.tell(&format!(
                    "  call {call}: attempt {attempt} goes out (breaker: {state:?})"
                ));
                ask(address)
            })
            .await;
        let outcome = match answer {
            Ok(answer) => format!("answered `{answer}`"),
            Err(error) => error.cause().to_string(),
        };
        let state = self.breaker.state();
        story.tell(&format!("  call {call}: {outcome} (breaker: {state:?})"));
    }
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = BufReader::new(Async::<TcpStream>::connect(address).await?);
    stream.write_all(b"how are you?\n").await?;
    let mut answer = String::new();
    if stream.read_line(&mut answer).await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
    }
    answer.truncate(answer.trim_end().len());
    Ok(answer)
}

/// How the server feels.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Well,
    HangsUp,
    Silent,
}

/// Where the server looks how it feels.
#[derive(Clone)]
struct Shared(Arc<Mutex<Mood>>);

impl Shared {
    fn new(mood: Mood) -> Self {
        Self(Arc::new(Mutex::new(mood)))
    }

    fn get(&self) -> Mood {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mood: Mood) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }
}

/// Takes connections until it is told to stop; each is a child task, so none outlives the server.
async fn serve(cx: Context, listener: Async<TcpListener>, mood: Shared, connections: Arc<AtomicU32>) {
    while let Ok(Ok((stream, _))) = cx.until_cancelled(listener.accept()).await {
        connections.fetch_add(1, Ordering::Relaxed);
        let mood = mood.get();
        cx.spawn_child(AsyncTask::to::<()>().name("connection"), move || {
            answer(stream, mood)
        })
        .detach();
    }
}

async fn answer(stream: Async<TcpStream>, mood: Mood) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut question = String::new();
    stream.read_line(&mut question).await?;
    match mood {
        Mood::Well => stream.write_all(b"fine\n").await,
        Mood::HangsUp => Ok(()),
        // Until the other side gives up.
        Mood::Silent => stream.read_line(&mut String::new()).await.map(|_| ()),
    }
}

/// Tells what happens and when.
#[derive(Clone, Copy, Debug)]
struct Story {
    begun: Instant,
}

impl Story {
    fn tell(&self, what: &str) {
        println!("{:>5} ms  {what}", self.begun.elapsed().as_millis());
    }
}
