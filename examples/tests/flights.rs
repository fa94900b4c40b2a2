//! `flights`, run as a user runs it: arguments, standard input, signals and pipes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights-50k.csv");
const HEADER: &str = "date,delay,distance,origin,destination\n";

fn flights() -> Command {
    Command::new(env!("CARGO_BIN_EXE_flights"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file of this test, in the folder that cargo gives to tests.
fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Flights, late ones, minutes.
type Delays = (u64, u64, i64);

/// What a plain loop over the file finds.
fn count(text: &str) -> (Delays, BTreeMap<String, Delays>) {
    let (mut total, mut airports) = (Delays::default(), BTreeMap::new());
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let delay: i64 = cells[1].parse().unwrap();
        let airport = airports.entry(cells[3].to_owned()).or_default();
        for (flights, late, minutes) in [&mut total, airport] {
            *flights += 1;
            *late += u64::from(delay > 15);
            *minutes += delay;
        }
    }
    (total, airports)
}

/// Share of late flights and mean delay, as the report writes them.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn figures((flights, late, minutes): Delays) -> (String, String) {
    let share = late as f64 / flights as f64 * 100.0;
    (
        format!("{share:.1}%"),
        format!("{:.1}", minutes as f64 / flights as f64),
    )
}

fn plain(number: &str) -> u64 {
    number.replace(',', "").parse().unwrap()
}

/// Rows in, out, failed, dropped and in flight, from the last but one line.
fn conservation(report: &str) -> [u64; 5] {
    let line = report
        .lines()
        .find_map(|line| line.strip_prefix("Rows: "))
        .unwrap();
    let numbers: Vec<u64> = line
        .split([' ', '='])
        .filter(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .map(plain)
        .collect();
    numbers.try_into().unwrap()
}

#[test]
fn the_shipped_file_is_reported_as_a_plain_loop_counts_it() {
    let (total, airports) = count(&fs::read_to_string(SHIPPED).unwrap());
    let run = flights().args(["--top", "1000"]).output().unwrap();
    let report = stdout(&run);
    assert!(run.status.success(), "{report}{}", stderr(&run));
    assert_eq!(
        stderr(&run),
        "",
        "no bar, and no news, where there is no terminal"
    );
    assert!(!report.contains('\x1b'), "no colours where there is no terminal");

    let (share, mean) = figures(total);
    let head: Vec<&str> = report.lines().take(2).collect();
    assert_eq!(
        head,
        [
            format!(
                "50,000 flights from {} airports, 2001-01-01 to 2001-06-30",
                airports.len()
            ),
            format!("{share} more than 15 minutes late, mean delay {mean} minutes"),
        ]
    );
    assert_eq!(conservation(&report), [50_000, 50_000, 0, 0, 0]);

    let mut listed = 0;
    for (code, delays) in airports.iter().filter(|(_, delays)| delays.0 >= 100) {
        let line = report
            .lines()
            .find(|line| line.starts_with(&format!("  {code} ")));
        let line = line.unwrap_or_else(|| panic!("{code} is missing in\n{report}"));
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.retain(|word| !word.starts_with(['█', '▏', '▎', '▍', '▌', '▋', '▊', '▉']));
        let (share, mean) = figures(*delays);
        assert_eq!(
            words[words.len() - 3..],
            [&delays.0.to_string(), &mean, &share].map(|text| {
                // The report puts a comma before each three digits.
                match text.parse::<u64>() {
                    Ok(number) if number >= 1_000 => format!("{},{:03}", number / 1_000, number % 1_000),
                    _ => text.clone(),
                }
            })
        );
        listed += 1;
    }
    assert!(listed > 50, "{listed} airports have 100 flights");
    assert!(
        report.contains("  JFK  John F Kennedy Intl"),
        "joined with the names\n{report}"
    );
}

#[test]
fn any_number_of_workers_reports_the_same() {
    same_reports(["1", "2", "7"].map(|workers| ["--workers", workers]));
}

#[test]
fn any_adapter_reports_the_same() {
    same_reports(["tokio", "smol", "threads", "sim"].map(|adapter| ["--on", adapter]));
}

fn same_reports<const N: usize>(arguments: [[&str; 2]; N]) {
    let report = |arguments: [&str; 2]| {
        let run = flights().args(arguments).output().unwrap();
        let text = stdout(&run);
        assert!(run.status.success(), "{text}");
        // The last line tells of time.
        let (report, _time) = text.trim_end().rsplit_once('\n').unwrap();
        report.to_owned()
    };
    let reports = arguments.map(report);
    for other in &reports[1..] {
        assert_eq!(&reports[0], other);
    }
}

#[test]
fn bad_rows_are_counted_and_shown_and_stop_nothing() {
    let bad = [
        (
            "2001-01-01T00:01,soon,1,LAS,PHL",
            "column `delay` holds `soon`: invalid digit found in string",
        ),
        (
            "2001-13-01T00:01,1,1,LAS,PHL",
            "column `date` holds `2001-13-01T00:01`: expected a date",
        ),
        (
            "2001-01-01T00:01,1,1,Las Vegas,PHL",
            "column `origin` holds `Las Vegas`: expected the code",
        ),
        ("2001-01-01T00:01,1,1", "3 cells where the header has 5"),
    ];
    let good = "2001-01-02T10:00,20,1,LAS,PHL\n";
    let rows: Vec<String> = bad.iter().map(|(row, _)| format!("{row}\n{good}")).collect();
    let text = format!("{HEADER}{}", rows.concat());
    let path = file("bad-rows.csv", text);
    let run = flights().arg(&path).output().unwrap();
    let report = stdout(&run);
    assert!(run.status.success(), "{report}{}", stderr(&run));
    assert!(report.contains("Bad rows: 4\n"), "{report}");
    for (place, (_, reason)) in bad.iter().enumerate() {
        let line = format!("  {}:{}: {reason}", path.display(), 2 + 2 * place);
        assert!(report.contains(&line), "no `{line}` in\n{report}");
    }
    assert_eq!(conservation(&report), [8, 4, 4, 0, 0]);

    let run = flights().arg(&path).args(["--errors", "1"]).output().unwrap();
    assert!(stdout(&run).contains("  and 3 more\n"), "{}", stdout(&run));
}

#[test]
fn an_input_that_cannot_be_read_is_an_error() {
    let (missing, folder) = (
        "no-such-file.csv".into(),
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    );
    let empty = file("empty.csv", "");
    let wrong = file("wrong-header.csv", "when,delay,origin\n2001-01-02T10:00,2,LAS\n");
    let good = file("good.csv", format!("{HEADER}2001-01-02T10:00,20,1,LAS,PHL\n"));
    let cases: [(&[&PathBuf], &str); 5] = [
        (&[&missing], "flights: cannot open `no-such-file.csv`: "),
        (&[&good, &missing], "flights: cannot open `no-such-file.csv`: "),
        (&[&folder], "flights: cannot read `"),
        (&[&empty], "is empty; a first line naming the columns is needed\n"),
        (
            &[&wrong],
            "has no column `date`; its header has when, delay, origin\n",
        ),
    ];
    for (paths, said) in cases {
        let run = flights().args(paths).output().unwrap();
        assert_eq!(run.status.code(), Some(1), "{paths:?}");
        assert!(stderr(&run).contains(said), "{paths:?}: {}", stderr(&run));
        assert_eq!(stdout(&run), "", "{paths:?}");
    }
}

#[test]
fn wrong_usage_is_told_apart() {
    for (arguments, said) in [
        (["--colour", "x"], "invalid option '--colour'"),
        (["--workers", "0"], "cannot parse argument \"0\""),
        (["--workers", "100000"], "at most 256 workers"),
        (["-", "flights.csv"], "`-` is standard input and goes alone"),
    ] {
        let run = flights().args(arguments).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&run).contains(said), "{}", stderr(&run));
    }
    let help = flights().arg("--help").output().unwrap();
    assert!(help.status.success() && stdout(&help).contains("Usage: flights"));
}

#[test]
fn several_files_and_standard_input_are_read_too() {
    let (head, tail) = (
        format!("{HEADER}2001-01-02T10:00,20,1,LAS,PHL\n"),
        "delay,origin,date\n-5,JFK,2001-03-01T11:00",
    );
    let (first, second) = (file("first.csv", &head), file("second.csv", tail));
    let run = flights().args([&first, &second, &first]).output().unwrap();
    let report = stdout(&run);
    assert!(
        report.starts_with("3 flights from 2 airports, 2001-01-02 to 2001-03-01\n66.7% "),
        "{report}"
    );

    let run = flights()
        .arg("-")
        .stdin(fs::File::open(&second).unwrap())
        .output()
        .unwrap();
    let report = stdout(&run);
    assert!(
        report.starts_with("1 flights from 1 airports, 2001-03-01 to 2001-03-01\n0.0% "),
        "{report}"
    );

    let no_rows = flights().arg(file("no-rows.csv", HEADER)).output().unwrap();
    assert!(no_rows.status.success());
    assert_eq!(conservation(&stdout(&no_rows)), [0; 5]);
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let mut run = flights()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(run.stdout.take());
    let ended = run.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", stderr(&ended));
    assert_eq!(stderr(&ended), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_the_partial_report_and_says_so() {
    interrupt_on("tokio");
}

#[cfg(unix)]
#[test]
fn ctrl_c_also_does_on_smol() {
    interrupt_on("smol");
}

#[cfg(unix)]
#[test]
fn ctrl_c_also_does_on_threads() {
    interrupt_on("threads");
}

#[cfg(unix)]
fn interrupt_on(adapter: &str) {
    let mut run = flights()
        .args(["--on", adapter, "--progress", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let written = 10_000;
    let mut input = run.stdin.take().unwrap();
    let rows = "2001-01-02T10:00,20,1,LAS,PHL\n".repeat(written);
    input.write_all(HEADER.as_bytes()).unwrap();
    input.write_all(rows.as_bytes()).unwrap();
    input.flush().unwrap();

    // The input stays open, so only the signal can end the program. It comes when the program says that it is at work.
    let mut errors = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.ends_with(" rows so far\n"), "{line}");
    let killed = Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());

    let mut report = String::new();
    run.stdout.take().unwrap().read_to_string(&mut report).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130), "{report}");
    assert!(report.starts_with("PARTIAL: "), "{report}");
    let [taken_in, out, failed, dropped, in_flight] = conservation(&report);
    assert_eq!([failed, in_flight], [0, 0], "{report}");
    assert_eq!(taken_in, out + dropped, "{report}");
    assert!((1..=written as u64).contains(&out), "{report}");
    drop(input);
}
