//! How much memory `flights` holds while more and more rows pass through it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights-50k.csv");
const KIB: u64 = 1024;

/// The most that the process has held resident so far, in bytes.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib * KIB
}

/// The program is read while it waits for more: what has been written fits into no pipe, so it has been taken in.
#[test]
fn ten_times_the_rows_need_no_more_memory() {
    let shipped = fs::read_to_string(SHIPPED).unwrap();
    let (header, rows) = shipped.split_once('\n').unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_flights"))
        .args(["--workers", "2", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = run.stdin.take().unwrap();
    writeln!(input, "{header}").unwrap();
    let mut written = 0;
    let mut peak_after = |times: usize| {
        while written < times {
            input.write_all(rows.as_bytes()).unwrap();
            written += 1;
        }
        peak(run.id())
    };
    let (few, many) = (peak_after(6), peak_after(60));
    drop(input);
    let ended = run.wait_with_output().unwrap();
    let (report, errors) = (
        String::from_utf8(ended.stdout).unwrap(),
        String::from_utf8(ended.stderr).unwrap(),
    );
    assert!(ended.status.success(), "{report}{errors}");
    assert!(report.starts_with("3,000,000 flights from "), "{report}");
    assert!(many < 32 * KIB * KIB, "{many} bytes after 60 times the rows");
    assert!(
        many.saturating_sub(few) < 4 * KIB * KIB,
        "{few} bytes grew to {many} with the rows"
    );
}
