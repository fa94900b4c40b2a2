//! The suite of the api on threads, in real time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::OnThreads;

sweet_async_api::conformance!(threads: OnThreads);
