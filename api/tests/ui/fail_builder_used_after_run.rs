use sweet_async_api::Runtime;
use sweet_async_api::task::TaskBuilder;

fn twice<R: Runtime>(runtime: R) {
    let builder = TaskBuilder::<R, u32, _>::new(runtime);
    let _ = builder.run(|| 1);
    let _ = builder.run(|| 2);
}

fn main() {}
