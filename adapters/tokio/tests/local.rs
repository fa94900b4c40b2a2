//! Tasks that stay on the thread of a `LocalSet`.

use sweet_async_api::conformance;
use sweet_async_tokio::Tokio;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

#[test]
fn a_local_set_takes_work_that_is_not_send() {
    for workers in [0, 2] {
        let mut builder = match workers {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        let runtime = builder.enable_time().build().unwrap();
        let tokio = Tokio::on(runtime.handle().clone());
        conformance::local(&tokio, LocalSet::new, |local, future| {
            local.block_on(&runtime, future);
        });
        assert_eq!(sweet_async_api::Runtime::root(&tokio).live(), 0);
    }
}
