//! `resilient`, run as a user runs it, on each adapter that has sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::process::Command;

#[test]
fn the_breaker_opens_keeps_calls_away_and_lets_a_probe_find_out() {
    told(&[]);
}

#[test]
fn the_same_on_smol() {
    told(&["--on", "smol"]);
}

#[test]
fn the_same_on_threads() {
    told(&["--on", "threads"]);
}

#[test]
fn a_simulation_has_no_sockets_and_says_so() {
    let run = Command::new(env!("CARGO_BIN_EXE_resilient"))
        .args(["--on", "sim"])
        .output()
        .unwrap();
    assert!(!run.status.success());
    assert!(
        String::from_utf8(run.stderr)
            .unwrap()
            .contains("sockets are not simulated")
    );
}

fn told(arguments: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_resilient"))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{said}");
    assert!(run.stderr.is_empty());

    // Each line of the story once, in this order; the times and the lines between do not matter.
    let mut rest = said.as_str();
    for event in [
        "call 1: answered `fine` (breaker: Closed)",
        "call 2: attempt 3 goes out (breaker: Closed)",
        "call 2: failed: the server hung up (breaker: Closed)",
        "call 3: timed out after ",
        " at its own deadline (breaker: Open)",
        "call 4: was refused by its circuit breaker; try again in ",
        "call 5: was refused by its circuit breaker; try again in ",
        "the server saw nothing of the last two calls",
        "call 6: attempt 2 goes out (breaker: HalfOpen)",
        "call 6: answered `fine` (breaker: Closed)",
        "call 7: answered `fine` (breaker: Closed)",
        "7 calls made 7 connections",
    ] {
        let Some((_, after)) = rest.split_once(event) else {
            panic!("no `{event}` in its place in\n{said}");
        };
        rest = after;
    }
}
