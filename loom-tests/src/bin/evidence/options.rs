//! What the command line asks for.

/// How to call the runner.
pub(crate) const USAGE: &str = "usage: .ci/loom [--evidence | --check] [--machine NAME]";

/// What a run does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Models alone.
    Models,
    /// Models and mutants, then writes the table.
    Evidence,
    /// Models and mutants, then compares with the table.
    Check,
}

/// A parsed command line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// The one machine to run, or all.
    pub(crate) machine: Option<String>,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            mode: Mode::Models,
            machine: None,
        };
        while let Some(argument) = arguments.next() {
            let mode = match argument.as_str() {
                "--evidence" => Mode::Evidence,
                "--check" => Mode::Check,
                "--machine" => {
                    let name = arguments.next().ok_or("--machine needs a name")?;
                    options.machine = Some(name);
                    continue;
                }
                _ => return Err(format!("unknown argument `{argument}`")),
            };
            if options.mode != Mode::Models {
                return Err("choose one of --evidence and --check".to_owned());
            }
            options.mode = mode;
        }
        Ok(options)
    }

    /// Whether the run concerns this machine.
    pub(crate) fn wants(&self, machine: &str) -> bool {
        self.machine.as_deref().is_none_or(|only| only == machine)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Options};

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_mode_and_machine_in_any_order() {
        let expected = Options {
            mode: Mode::Check,
            machine: Some("group".to_owned()),
        };
        assert_eq!(parse("--check --machine group").as_ref(), Ok(&expected));
        assert_eq!(parse("--machine group --check"), Ok(expected));
        assert_eq!(
            parse(""),
            Ok(Options {
                mode: Mode::Models,
                machine: None
            })
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["--machine", "--all", "--check --evidence", "group"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn wants_one_machine_or_all() {
        let one = parse("--machine group").expect("valid");
        assert!(one.wants("group") && !one.wants("credit"));
        assert!(parse("").expect("valid").wants("credit"));
    }
}
