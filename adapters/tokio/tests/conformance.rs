//! The suite of the api on both flavours of Tokio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::{CurrentThread, MultiThread};

sweet_async_api::conformance!(current_thread: CurrentThread);
sweet_async_api::conformance!(multi_thread: MultiThread);
