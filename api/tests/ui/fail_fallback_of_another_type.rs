use sweet_async_api::Runtime;
use sweet_async_api::task::TaskBuilder;

fn differs<R: Runtime>(runtime: R) {
    let _ = TaskBuilder::<R, u32, ()>::new(runtime)
        .fallback(|_| "two")
        .run(|| Err(()));
}

fn main() {}
