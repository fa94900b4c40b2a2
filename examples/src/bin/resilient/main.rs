//! A flaky server behind retry, deadline and circuit breaker, on real sockets of this machine. The server breaks, the
//! breaker opens and keeps calls away, the server recovers, a probe finds out. Run with `cargo run --bin resilient`, on
//! another adapter with `-- --on smol` or `threads`.
//!
//! The program is `story.rs`. It is compiled once for each adapter; what changes is what `adapter` stands for in its `use`.
//! The sockets are those of `async-io`, which are driven by a thread of its own and serve on any executor.
#![expect(clippy::duplicate_mod, reason = "one story on all adapters")]

use std::error::Error;

use sweet_async_crossbeam::ThreadPool;
use sweet_async_examples::On;
use tokio::runtime::Runtime;

#[path = "."]
mod on_tokio {
    use sweet_async_tokio as adapter;
    #[path = "story.rs"]
    pub(crate) mod story;
}
#[path = "."]
mod on_smol {
    use sweet_async_smol as adapter;
    #[path = "story.rs"]
    pub(crate) mod story;
}
#[path = "."]
mod on_threads {
    use sweet_async_crossbeam as adapter;
    #[path = "story.rs"]
    pub(crate) mod story;
}

fn main() -> Result<(), Box<dyn Error>> {
    match On::of_arguments()? {
        On::Tokio => Runtime::new()?.block_on(on_tokio::story::run()),
        On::Smol => sweet_async_smol::block_on(on_smol::story::run())?,
        On::Threads => ThreadPool::new()?.block_on(on_threads::story::run())?,
        On::Sim => {
            Err("sockets are not simulated: whatever comes from outside would come in its own time".into())
        }
    }
}
