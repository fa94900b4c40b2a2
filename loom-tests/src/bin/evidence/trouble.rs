//! What keeps a run from giving an answer, as opposed to a model that fails or a mutant that survives.

use core::error::Error;
use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A file, a directory or a program could not be used.
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A mutant's patch has no usable header or touches something else than the core's sources.
    Header { patch: PathBuf, reason: &'static str },
    /// A mutant's patch does not fit the sources any more.
    DoesNotApply { patch: PathBuf, said: String },
    /// The compiler refused.
    DoesNotBuild { machine: String, said: String },
    /// The workspace manifest has no list of members.
    Manifest,
    /// The machine that was asked for has no models.
    UnknownMachine { name: String, known: Vec<String> },
}

impl Trouble {
    /// Names the path that an operation was about.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::Header { patch, reason } => write!(
                f,
                "{}: {reason}; begin with `# breaks: <what>; killed by: <machine>::<model>`",
                patch.display()
            ),
            Self::DoesNotApply { patch, said } => {
                write!(
                    f,
                    "{} does not apply; make it anew: {}",
                    patch.display(),
                    said.trim()
                )
            }
            Self::DoesNotBuild { machine, said } => {
                write!(f, "the models of {machine} do not build:\n{}", said.trim())
            }
            Self::Manifest => f.write_str("the workspace manifest has no `members = [..]`"),
            Self::UnknownMachine { name, known } => {
                write!(
                    f,
                    "there is no loom-tests/tests/{name}.rs; there are {}",
                    known.join(", ")
                )
            }
        }
    }
}

impl Error for Trouble {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
