//! What became of one run of one model, told from how its process ended and what it wrote.

use crate::row::Row;

/// The end of one run of one model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Every execution held, and the model recorded its figures.
    Passed(Row),
    /// The model noticed something.
    Failed(Failure),
    /// The process ended in a way that says nothing about the machine.
    Void(String),
}

/// How a model failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    pub(crate) how: How,
    /// The first line of what the first panic said.
    pub(crate) message: String,
}

/// The ways for a model to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum How {
    /// An assertion, of the model or of the core, did not hold.
    Assertion,
    /// An outcome that the model is about was never seen.
    Witness,
    /// All threads wait.
    Deadlock,
    /// One execution did not end within loom's bound of branches, or shuttle's of steps.
    Livelock,
    /// The run did not end within its time.
    Timeout,
}

/// How the process of a model ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    Success,
    Failure,
    TimedOut,
}

impl How {
    /// The word for the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Witness => "missing witness",
            Self::Deadlock => "deadlock",
            Self::Livelock => "livelock",
            Self::Timeout => "timeout",
        }
    }
}

/// Judges one run of `model`: how its process ended, what it printed, and the rows it recorded.
pub(crate) fn judge(model: &str, exit: Exit, printed: &str, recorded: &str) -> Verdict {
    match exit {
        Exit::TimedOut => Verdict::Failed(Failure {
            how: How::Timeout,
            message: "it did not end within its time".to_owned(),
        }),
        Exit::Failure => first_panic(printed).map_or_else(
            || Verdict::Void(format!("it ended without a panic: {}", last_line(printed))),
            |message| judge_panic(&message),
        ),
        Exit::Success => {
            let mut rows = recorded.lines();
            match (rows.next().and_then(Row::parse), rows.next()) {
                (Some(row), None) if row.model == model => Verdict::Passed(row),
                (Some(row), None) => Verdict::Void(format!("it calls itself {}", row.model)),
                _ if printed.contains("running 0 tests") => {
                    Verdict::Void("there is no such model".to_owned())
                }
                _ => Verdict::Void("it did not record exactly one row".to_owned()),
            }
        }
    }
}

fn judge_panic(message: &str) -> Verdict {
    let how = if message.starts_with("the evidence file") {
        return Verdict::Void(message.to_owned());
    } else if message.starts_with("Model exceeded maximum number of branches")
        || message.starts_with("exceeded max_steps bound")
    {
        How::Livelock
    } else if message.starts_with("deadlock; threads") || message.starts_with("deadlock! blocked tasks") {
        How::Deadlock
    } else if message.contains(": no execution showed `") {
        How::Witness
    } else {
        How::Assertion
    };
    let message = match how {
        How::Livelock => "one execution exceeded the bound of branches".to_owned(),
        How::Deadlock => "every thread waits".to_owned(),
        _ => message.to_owned(),
    };
    Verdict::Failed(Failure { how, message })
}

/// What the first panic said: the line after `thread '..' panicked at ..:`, and the two sides of a comparison.
fn first_panic(printed: &str) -> Option<String> {
    let mut lines = printed.lines().map(str::trim);
    lines.find(|line| line.starts_with("thread '") && line.contains(" panicked at "))?;
    let first = lines.next()?;
    let Some(said) = first
        .strip_prefix("assertion `left == right` failed")
        .or_else(|| first.strip_prefix("assertion `left != right` failed"))
    else {
        return Some(first.to_owned());
    };
    let said = said
        .strip_prefix(": ")
        .unwrap_or("the two sides differ from what they should be");
    let sides: Vec<_> = lines.take(2).collect();
    Some(format!("{said} ({})", sides.join(", ")))
}

fn last_line(printed: &str) -> &str {
    printed
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("nothing was printed")
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure, How, Verdict, judge};

    const ROW: &str = "group::m\tG1\t2\tfull\t6\tover (2)\t0.00\n";

    fn failed(message: &str) -> Verdict {
        let printed = format!(
            "\nrunning 1 test\n\nthread 'm' (171) panicked at loom-tests/tests/group.rs:12:5:\n{message}\n  left: 2\n \
             right: 1\nnote: run with `RUST_BACKTRACE=1`\nthread 'm' (171) panicked at elsewhere.rs:1:1:\nlater\n\
             test m ... FAILED\n"
        );
        judge("group::m", Exit::Failure, &printed, "")
    }

    fn how(verdict: &Verdict) -> Option<How> {
        match verdict {
            Verdict::Failed(failure) => Some(failure.how),
            _ => None,
        }
    }

    #[test]
    fn a_recorded_row_passes() {
        assert!(matches!(
            judge("group::m", Exit::Success, "running 1 test", ROW),
            Verdict::Passed(row) if row.executions == 6
        ));
    }

    #[test]
    fn the_first_panic_tells_how_it_failed() {
        assert_eq!(
            failed("assertion `left == right` failed: told empty 2 times"),
            Verdict::Failed(Failure {
                how: How::Assertion,
                message: "told empty 2 times (left: 2, right: 1)".to_owned()
            })
        );
        let table = [
            ("group::m: no execution showed `over`; seen: {}", How::Witness),
            ("deadlock; threads = [(Id(0), Blocked(x))]", How::Deadlock),
            (
                "Model exceeded maximum number of branches. This is often",
                How::Livelock,
            ),
        ];
        for (message, expected) in table {
            assert_eq!(how(&failed(message)), Some(expected), "{message}");
        }
        assert_eq!(
            how(&judge("group::m", Exit::TimedOut, "running 1 test", "")),
            Some(How::Timeout)
        );
    }

    #[test]
    fn what_says_nothing_about_the_machine_is_void() {
        let table = [
            judge("group::m", Exit::Success, "running 0 tests", ""),
            judge("group::m", Exit::Success, "running 1 test", ""),
            judge(
                "group::m",
                Exit::Success,
                "running 1 test",
                &format!("{ROW}{ROW}"),
            ),
            judge("group::n", Exit::Success, "running 1 test", ROW),
            judge(
                "group::m",
                Exit::Failure,
                "running 1 test\nSegmentation fault",
                "",
            ),
            failed("the evidence file x cannot be written: Err(..)"),
        ];
        for verdict in table {
            assert!(matches!(verdict, Verdict::Void(_)), "{verdict:?}");
        }
    }
}
