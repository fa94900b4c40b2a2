//! What a failing seed looks like to somebody who runs a test, and how it is run again.

use std::process::Command;

use sweet_async_sim::prelude::*;

/// Fails for every seed from 3 on.
#[test]
#[ignore = "fails on purpose: run by the test below"]
fn child() {
    explore(0..10, |sim| {
        sim.run(async {
            println!("seed {} runs", sim.seed());
            sim.note("here we are");
            assert!(sim.seed() < 3, "too high");
        })
    });
}

#[test]
fn a_failing_seed_is_printed_and_replayed_from_the_environment() {
    let run = |seed: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env_remove("SWEET_ASYNC_SEED");
        if let Some(seed) = seed {
            command.env("SWEET_ASYNC_SEED", seed);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        let seeds = text.matches("runs").count();
        (output.status.success(), seeds, text)
    };
    let (passes, seeds, text) = run(None);
    assert_eq!((passes, seeds), (false, 4), "{text}");
    for part in [
        "noted   by main: here we are",
        "seed 3: too high",
        "to replay it: SWEET_ASYNC_SEED=3 cargo test child",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (passes, seeds, text) = run(Some("7"));
    assert_eq!((passes, seeds), (false, 1), "{text}");
    let (passes, seeds, text) = run(Some("2"));
    assert_eq!((passes, seeds), (true, 1), "{text}");
    let (passes, seeds, text) = run(Some("two"));
    assert_eq!((passes, seeds), (false, 0), "{text}");
}
