use sweet_async_api::Runtime;
use sweet_async_api::task::{Retry, TaskBuilder};

fn once<R: Runtime>(runtime: R) {
    let owned = String::from("given away in the first attempt");
    let _ = TaskBuilder::<R, String, _>::new(runtime)
        .retry(Retry::immediate())
        .run(move || Ok::<String, ()>(owned));
}

fn main() {}
