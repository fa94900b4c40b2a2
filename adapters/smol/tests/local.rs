//! Tasks that stay on the thread of a `LocalExecutor`.

use async_executor::LocalExecutor;
use sweet_async_api::{Runtime as _, conformance};
use sweet_async_smol::Pool;

#[test]
fn a_local_executor_takes_work_that_is_not_send() {
    let pool = Pool::new(1).unwrap();
    let smol = pool.runtime();
    conformance::local(&smol, LocalExecutor::new, |local, future| {
        async_io::block_on(local.run(future));
    });
    assert_eq!(smol.root().live(), 0);
}
