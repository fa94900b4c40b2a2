//! The models that the `ORDERING:` comments of the sources appeal to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::trouble::Trouble;

/// One model named by one comment.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Appeal {
    /// The file and line where the comment begins.
    pub(crate) place: String,
    /// `machine::model`; none when the comment names no model.
    pub(crate) model: Option<String>,
}

/// Collects what every `ORDERING:` comment under `source`, a folder of `tree`, appeals to.
pub(crate) fn appeals(tree: &Path, source: &str) -> Result<Vec<Appeal>, Trouble> {
    let mut found = Vec::new();
    let directory = tree.join(source);
    for path in sources(&directory)? {
        let text = fs::read_to_string(&path).map_err(Trouble::io("read", &path))?;
        let shown = path.strip_prefix(&directory).unwrap_or(&path).display();
        found.extend(appeals_in(&text).into_iter().map(|(line, model)| Appeal {
            place: format!("{source}/{shown}:{line}"),
            model,
        }));
    }
    found.sort();
    Ok(found)
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(Trouble::io("list", directory))? {
        let path = entry.map_err(Trouble::io("list", directory))?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The line of each comment, with a model that it names, or none.
fn appeals_in(text: &str) -> Vec<(usize, Option<String>)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let Some(first) = line.trim().strip_prefix("// ORDERING:") else {
            continue;
        };
        let mut comment = first.to_owned();
        while let Some((_, more)) = lines.next_if(|(_, next)| {
            let next = next.trim();
            next.starts_with("//") && !next.starts_with("// ORDERING:")
        }) {
            comment.push(' ');
            comment.push_str(more.trim().trim_start_matches('/').trim());
        }
        let models = models_in(&comment);
        if models.is_empty() {
            found.push((index + 1, None));
        }
        found.extend(models.into_iter().map(|model| (index + 1, Some(model))));
    }
    found
}

/// What stands in backticks after `Model:` or `Models:`.
fn models_in(comment: &str) -> Vec<String> {
    let Some((_, tail)) = comment
        .split_once("Model: ")
        .or_else(|| comment.split_once("Models: "))
    else {
        return Vec::new();
    };
    tail.split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains("::"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::appeals_in;

    #[test]
    fn finds_one_two_or_no_model_per_comment() {
        let text = "
            // ORDERING: Acquire, see `Word::new`. Model:
            // `group::one`.
            a.load(Acquire);
            // ORDERING: AcqRel. Models: `group::one`, `group::two`.
            // ORDERING: Relaxed. A count.
            b.load(Relaxed);
        ";
        let named = |model: &str| Some(model.to_owned());
        assert_eq!(
            appeals_in(text),
            [
                (2, named("group::one")),
                (5, named("group::one")),
                (5, named("group::two")),
                (6, None)
            ]
        );
    }
}
