//! Trees of tasks, and what becomes of them: in the first, one child fails and takes the rest with it; the second is asked
//! to stop and does so in order; the third shows what lives in it. Run with `cargo run --bin tree`, on another adapter with
//! `-- --on smol`, `threads` or `sim`. With `-- --text`, `--json` or `--dot` it says what lives in the third, and no more:
//! `cargo run --bin tree -- --dot | dot -Tsvg > tree.svg` draws it.
//!
//! The program is `story.rs`. It is compiled once for each adapter; what changes is what `adapter` stands for in its `use`.
#![expect(clippy::duplicate_mod, reason = "one story on all adapters")]

use std::error::Error;

use sweet_async_crossbeam::ThreadPool;
use sweet_async_examples::On;
use sweet_async_sim::Sim;
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
#[path = "."]
mod on_sim {
    use sweet_async_sim as adapter;
    #[path = "story.rs"]
    pub(crate) mod story;
}

fn main() -> Result<(), Box<dyn Error>> {
    let (on, form) = On::and_one_of(["text", "json", "dot"])?;
    match on {
        On::Tokio => Runtime::new()?.block_on(on_tokio::story::run(form)),
        On::Smol => sweet_async_smol::block_on(on_smol::story::run(form))?,
        On::Threads => ThreadPool::new()?.block_on(on_threads::story::run(form))?,
        On::Sim => Sim::new(0).run(on_sim::story::run(form))?,
    }
}
