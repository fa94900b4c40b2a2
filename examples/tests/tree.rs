//! `tree`, run as a user runs it, on each adapter: the same source, of which one `use` changes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::process::Command;

#[test]
fn a_failing_child_takes_the_rest_with_it_and_the_statuses_say_who_cancelled_whom() {
    told(&[]);
}

#[test]
fn what_it_runs_on_changes_nothing() {
    for adapter in ["tokio", "smol", "threads", "sim"] {
        told(&["--on", adapter]);
    }
}

#[test]
fn what_lives_is_told_in_each_form() {
    let said = |form: &str| {
        let run = Command::new(env!("CARGO_BIN_EXE_tree"))
            .args(["--on", "sim", form])
            .output();
        String::from_utf8(run.unwrap().stdout).unwrap()
    };
    let text = said("--text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    for (line, (begin, end)) in lines.iter().zip([
        ("5 tasks", ""),
        ("\"shop\" ", "deadline in 60.000 s, 3 children"),
        (
            "  \"orders\" ",
            "high priority, deadline in 60.000 s, waits on \"the database\"",
        ),
        (
            "  \"prices\" ",
            "attempt 1, deadline in 60.000 s, tries again in 10.000 s",
        ),
        ("  \"stock\" ", ""),
        ("    \"count\" ", "deadline in 60.000 s, sleeps for 30.000 s"),
    ]) {
        assert!(line.starts_with(begin) && line.ends_with(end), "{text}");
    }
    let json = said("--json");
    assert!(
        json.starts_with("{\"at_ns\":") && json.trim_end().ends_with("]}"),
        "{json}"
    );
    let dot = said("--dot");
    assert!(
        dot.starts_with("digraph tasks {") && dot.trim_end().ends_with('}'),
        "{dot}"
    );
    assert_eq!(dot.matches("->").count(), 5, "{dot}");
}

#[test]
fn an_unknown_adapter_is_wrong_usage() {
    let run = Command::new(env!("CARGO_BIN_EXE_tree"))
        .args(["--on", "fire"])
        .output()
        .unwrap();
    assert!(!run.status.success());
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(
        said.contains("the adapters are tokio, smol, threads and sim"),
        "{said}"
    );
}

fn told(arguments: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_tree"))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{said}");
    assert!(run.stderr.is_empty());

    let status = |name: &str| {
        let line = said.lines().find(|line| {
            let label = line.trim_start_matches([' ', '│', '├', '└', '─']);
            line.starts_with("  ") && label.starts_with(name)
        });
        let line = line.unwrap_or_else(|| panic!("no status of {name} in\n{said}"));
        let (_, status) = line.split_once(name).unwrap();
        status.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(status("import"), "failed");
    assert_eq!(status("prices"), "failed");
    assert_eq!(status("orders"), "cancelled kill, sibling failed (by prices)");
    assert_eq!(status("eu"), "cancelled kill, parent ended (by orders)");
    assert_eq!(status("us"), "cancelled kill, parent ended (by orders)");
    assert_eq!(status("customers"), "cancelled kill, sibling failed (by prices)");
    assert_eq!(status("server"), "completed graceful, requested");
    assert_eq!(status("polite"), "completed graceful, parent ended (by server)");
    assert_eq!(status("stubborn"), "cancelled kill, parent ended (by server)");

    let position = |what: &str| {
        let found = said.lines().position(|line| line == what);
        found.unwrap_or_else(|| panic!("no line `{what}` in\n{said}"))
    };
    // Nobody is told before there is a reason; children end before their parent's callback runs.
    let fails = position("prices: fails");
    assert!(fails < position("customers: told to stop, finishes the row it is writing"));
    assert!(fails < position("customers: cancelled, sibling failed"));
    let orders = position("orders: cancelled, sibling failed");
    assert!(position("eu: cancelled, parent ended") < orders);
    assert!(position("us: cancelled, parent ended") < orders);
}
