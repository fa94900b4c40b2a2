use std::rc::Rc;

use sweet_async_api::Runtime;
use sweet_async_api::task::TaskBuilder;

fn stays<R: Runtime>(runtime: R) {
    let _ = TaskBuilder::<R, u32, _>::new(runtime).run(|| async {
        let counted = Rc::new(1);
        std::future::ready(()).await;
        *counted
    });
}

fn main() {}
