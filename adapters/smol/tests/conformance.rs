//! The suite of the api on the executor of smol.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::Pooled;

sweet_async_api::conformance!(pool: Pooled);
