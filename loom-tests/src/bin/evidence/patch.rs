//! A mutant: a patch that breaks a source, and the models that must notice.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scratch::{SCENARIOS, SOURCES};
use crate::trouble::Trouble;

/// A way to break a machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mutant {
    /// `machine/name`, as in the directory of mutants.
    pub(crate) name: String,
    pub(crate) machine: String,
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
}

/// What a patch says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    /// What is wrong once the patch is applied.
    pub(crate) breaks: String,
    /// The models that fail because of it, each as `machine::model`.
    pub(crate) killed_by: Vec<String>,
    /// The scenarios that fail because of it too, each as `shuttle_machine::scenario`.
    pub(crate) seen_by: Vec<String>,
}

impl Mutant {
    /// Reads every patch in `directory`, which belongs to `machine`, sorted by name.
    pub(crate) fn all_of(machine: &str, directory: &Path) -> Result<Vec<Self>, Trouble> {
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let mut mutants = Vec::new();
        for entry in fs::read_dir(directory).map_err(Trouble::io("list", directory))? {
            let path = entry.map_err(Trouble::io("list", directory))?.path();
            if path.extension().is_some_and(|extension| extension == "patch") {
                mutants.push(Self::read(machine, path)?);
            }
        }
        mutants.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(mutants)
    }

    /// The same patch as a mutant for the machine's scenarios, if it names any.
    pub(crate) fn for_scenarios(mut self) -> Option<Self> {
        self.name.insert_str(0, SCENARIOS);
        self.machine.insert_str(0, SCENARIOS);
        self.header.killed_by = core::mem::take(&mut self.header.seen_by);
        (!self.header.killed_by.is_empty()).then_some(self)
    }

    fn read(machine: &str, path: PathBuf) -> Result<Self, Trouble> {
        let text = fs::read_to_string(&path).map_err(Trouble::io("read", &path))?;
        let header = Header::parse(&text, machine).map_err(|reason| Trouble::Header {
            patch: path.clone(),
            reason,
        })?;
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Self {
            name: format!("{machine}/{stem}"),
            machine: machine.to_owned(),
            path,
            header,
        })
    }
}

impl Header {
    /// Reads the first line of a patch, and makes sure that the rest changes what the models are about and nothing else.
    fn parse(text: &str, machine: &str) -> Result<Self, &'static str> {
        let line = text.lines().next().unwrap_or_default();
        let said = line
            .strip_prefix("# breaks:")
            .ok_or("the first line is not `# breaks: ..`")?;
        let (breaks, killed_by) = said
            .rsplit_once("; killed by:")
            .ok_or("the first line does not say `; killed by: ..`")?;
        let killed_by = own_models(killed_by, machine)?;
        let seen_by = match text
            .lines()
            .nth(1)
            .and_then(|line| line.strip_prefix("# seen by:"))
        {
            Some(seen_by) => own_models(seen_by, &format!("{SCENARIOS}{machine}"))?,
            None => Vec::new(),
        };
        if breaks.trim().is_empty() {
            return Err("it does not say what breaks");
        }
        let mut targets = text
            .lines()
            .filter_map(|line| line.strip_prefix("+++ "))
            .peekable();
        if targets.peek().is_none() {
            return Err("it holds no diff");
        }
        let is_source = |target: &str| {
            let path = target.strip_prefix("b/");
            SOURCES
                .iter()
                .filter_map(|source| path?.strip_prefix(source))
                .any(|rest| rest.starts_with('/'))
        };
        if !targets.all(is_source) {
            return Err("it changes something that no model is about");
        }
        Ok(Self {
            breaks: breaks.trim().to_owned(),
            killed_by,
            seen_by,
        })
    }
}

/// The models in a list separated by commas; all must be the machine's own.
fn own_models(list: &str, machine: &str) -> Result<Vec<String>, &'static str> {
    let models: Vec<String> = list
        .split(',')
        .map(|model| model.trim().trim_matches('`').to_owned())
        .collect();
    let own = |model: &String| {
        model
            .strip_prefix(machine)
            .and_then(|rest| rest.strip_prefix("::"))
            .is_some_and(|name| !name.is_empty())
    };
    if models.iter().all(own) {
        Ok(models)
    } else {
        Err("it names a model of another machine")
    }
}

#[cfg(test)]
mod tests {
    use super::Header;

    const DIFF: &str = "--- a/core/src/group.rs\n+++ b/core/src/group.rs\n@@ -1 +1 @@\n-a\n+b\n";

    fn parse(first: &str) -> Result<Header, &'static str> {
        Header::parse(&format!("{first}\n# a remark\n{DIFF}"), "group")
    }

    #[test]
    fn reads_what_breaks_and_who_notices() {
        let header = parse("# breaks: G2; the load; killed by: group::one, group::two").expect("valid");
        assert_eq!(header.breaks, "G2; the load");
        assert_eq!(header.killed_by, ["group::one", "group::two"]);
    }

    #[test]
    fn reads_which_scenarios_notice() {
        let first = "# breaks: G2; killed by: group::one";
        let parsed = parse(&format!("{first}\n# seen by: shuttle_group::two")).expect("valid");
        assert_eq!(
            (parsed.killed_by.len(), parsed.seen_by),
            (1, vec!["shuttle_group::two".to_owned()])
        );
        assert!(parse(&format!("{first}\n# seen by: group::two")).is_err());
    }

    #[test]
    fn refuses_a_header_that_leaves_something_out() {
        for first in [
            "",
            "breaks: G2; killed by: group::one",
            "# breaks: G2",
            "# breaks: ; killed by: group::one",
            "# breaks: G2; killed by:",
            "# breaks: G2; killed by: group::",
            "# breaks: G2; killed by: credit::one",
            "# breaks: G2; killed by: groups::one",
        ] {
            assert!(parse(first).is_err(), "{first}");
        }
    }

    #[test]
    fn refuses_a_patch_of_nothing_or_of_something_else() {
        let header = "# breaks: G2; killed by: group::one\n";
        assert_eq!(Header::parse(header, "group"), Err("it holds no diff"));
        let elsewhere = format!("{header}{}", DIFF.replace("core/src", "loom-tests/tests"));
        assert_eq!(
            Header::parse(&elsewhere, "group"),
            Err("it changes something that no model is about")
        );
    }
}
