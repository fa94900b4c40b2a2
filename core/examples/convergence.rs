//! Draws how the concurrency limits find the capacity of a server, lose it in an overload and find it again:
//!
//! ```text
//! cargo run -p sweet-async-core --example convergence > core/convergence.svg
//! ```

#[path = "../tests/server/mod.rs"]
mod server;

fn main() {
    print!("{}", server::plot::svg());
}
