//! Threads of one's own, by way of `RuntimeBuilder`.

use sweet_async_api::conformance;
use sweet_async_tokio::Pool;

#[test]
fn a_pool_is_built_as_asked_for() {
    conformance::threads(Pool::builder);
}
