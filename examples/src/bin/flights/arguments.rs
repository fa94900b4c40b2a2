//! What the user asked for.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use lexopt::prelude::*;
use sweet_async_examples::On;

pub(crate) const HELP: &str = "\
Reads flights as CSV and reports how late they were, by origin airport and by hour.

Usage: flights [OPTIONS] [PATH]...

Arguments:
  [PATH]...        files to read, one after the other; `-` alone reads standard input;
                   without a path, 50,000 flights that come with the program

Options:
  -w, --workers N  how many workers parse and count (default: one for each processor)
  -t, --top N      how many airports to list (default: 12)
  -e, --errors N   how many bad rows to show (default: 10); all are counted
      --on ADAPTER what runs it: tokio (default), smol (on a thread for each processor), threads or sim
  -p, --progress   tell of the progress on standard error, also where that is no terminal
  -h, --help       print this
  -V, --version    print the version

The first line of each file names its columns; `date`, `delay` and `origin` are needed.
Ctrl-C stops reading and prints the report of what was read; a second one stops at once.

Exit code: 0 all was read, 1 an input cannot be read, 2 wrong usage, 130 stopped by Ctrl-C.
";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Report(Options),
}

/// How to make the report.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) on: On,
    pub(crate) input: Input,
    pub(crate) workers: usize,
    pub(crate) top: usize,
    pub(crate) errors: usize,
    pub(crate) progress: bool,
}

/// What to read.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Files(Vec<PathBuf>),
    Stdin,
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut paths = Vec::new();
    let mut options = Options {
        on: On::Tokio,
        input: Input::Stdin,
        workers: thread::available_parallelism().map_or(1, NonZeroUsize::get),
        top: 12,
        errors: 10,
        progress: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Short('w') | Long("workers") => {
                options.workers = parser.value()?.parse::<NonZeroUsize>()?.get();
                if options.workers > MOST_WORKERS {
                    return Err(UsageError::TooManyWorkers);
                }
            }
            Short('t') | Long("top") => options.top = parser.value()?.parse()?,
            Short('e') | Long("errors") => options.errors = parser.value()?.parse()?,
            Long("on") => options.on = parser.value()?.parse()?,
            Short('p') | Long("progress") => options.progress = true,
            Value(path) => paths.push(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    let stdin = paths.iter().filter(|path| path.as_os_str() == "-").count();
    options.input = match (stdin, paths.is_empty()) {
        (0, true) => Input::Files(vec![shipped()]),
        (0, false) => Input::Files(paths),
        _ if paths.len() == 1 => Input::Stdin,
        _ => return Err(UsageError::StdinAmongFiles),
    };
    Ok(Command::Report(options))
}

/// The flights that come with the program: where it is run if they are there, or else where it was built.
fn shipped() -> PathBuf {
    const HERE: &str = "examples/data/flights-50k.csv";
    const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights-50k.csv");
    let here = PathBuf::from(HERE);
    if here.is_file() { here } else { BUILT.into() }
}

/// More threads than this help nobody, and each costs memory.
const MOST_WORKERS: usize = 256;

/// The arguments make no sense.
#[derive(Debug)]
pub(crate) enum UsageError {
    Argument(lexopt::Error),
    StdinAmongFiles,
    TooManyWorkers,
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self::Argument(error)
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(error) => error.fmt(f),
            Self::StdinAmongFiles => {
                f.write_str("`-` is standard input and goes alone; leave out the other paths")
            }
            Self::TooManyWorkers => write!(f, "at most {MOST_WORKERS} workers are possible"),
        }
    }
}

impl Error for UsageError {}
