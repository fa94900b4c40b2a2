//! A live tree as text for people, as JSON and as a graph.

use core::fmt::{self, Write};
use core::time::Duration;

use sweet_async_core::Priority;

use crate::State;
use crate::live::wait::Told;
use crate::live::{LiveTask, LiveTree, WaitsOn};
use crate::task::Cancellation;

impl LiveTree {
    /// As one JSON object. `tasks` is a list, parents before their children, each with the `id` of its `parent`: JSON that
    /// is nested as deep as the tree could not be read. Ids are strings, and times are nanoseconds.
    #[must_use]
    pub fn to_json(&self) -> String {
        written(|out| self.write_json(out))
    }

    /// As a graph in the language of Graphviz: an arrow leads to each child, a dashed one to the task that is waited on.
    #[must_use]
    pub fn to_dot(&self) -> String {
        written(|out| self.write_dot(out))
    }

    fn write_json(&self, out: &mut String) -> fmt::Result {
        write!(
            out,
            "{{\"at_ns\":{},\"left_out\":{},\"unlisted\":{},\"abandoned\":{},\"tasks\":[",
            self.at().as_nanos(),
            self.left_out(),
            self.unlisted(),
            self.abandoned()
        )?;
        let mut separator = "";
        for (_, task) in self.walk() {
            out.write_str(separator)?;
            separator = ",";
            self.write_json_task(out, task)?;
        }
        out.write_str("]}")
    }

    fn write_json_task(&self, out: &mut String, task: &LiveTask) -> fmt::Result {
        write!(out, "{{\"id\":\"{}\",", task.id())?;
        if let Some(parent) = self.parent(task) {
            write!(out, "\"parent\":\"{}\",", parent.id())?;
        }
        write!(out, "\"name\":{},", Json(task.name()))?;
        write!(
            out,
            "\"state\":\"{}\",\"priority\":\"{}\",\"attempt\":{},\"children\":{},\"age_ns\":{}",
            task.state(),
            task.priority(),
            task.snapshot().attempt(),
            task.child_count(),
            task.age(self.at()).as_nanos()
        )?;
        if let Some(deadline) = task.task().deadline() {
            write!(
                out,
                ",\"deadline_in_ns\":{}",
                deadline.since(self.at()).as_nanos()
            )?;
        }
        if let Some(Cancellation { level, reason, by }) = task.cancellation() {
            write!(
                out,
                ",\"cancelled\":{{\"level\":\"{level}\",\"reason\":\"{reason}\""
            )?;
            if let Some(by) = by {
                write!(out, ",\"by\":\"{by}\"")?;
            }
            if let Some(end) = task.grace_end() {
                write!(out, ",\"killed_in_ns\":{}", end.since(self.at()).as_nanos())?;
            }
            out.write_char('}')?;
        }
        if let Some(waits) = task.waits_on() {
            write!(out, ",\"waits_on\":{{\"kind\":\"{}\"", waits.kind())?;
            match waits {
                WaitsOn::Retry { at } | WaitsOn::Timer { at } => {
                    write!(out, ",\"in_ns\":{}", at.since(self.at()).as_nanos())?;
                }
                WaitsOn::Task(id) => write!(out, ",\"task\":\"{id}\"")?,
                WaitsOn::Label(label) => write!(out, ",\"label\":{}", Json(label))?,
                _ => {}
            }
            out.write_char('}')?;
        }
        out.write_char('}')
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        out.write_str(
            "digraph tasks {\n  rankdir=LR;\n  \
             node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=10];\n",
        )?;
        for (_, task) in self.walk() {
            let name = if task.name().is_empty() {
                "task"
            } else {
                task.name()
            };
            write!(out, "  \"{id}\" [label=\"{} {id}", Dot(name), id = task.id())?;
            for fact in self.facts(task) {
                write!(out, "\\n{}", Dot(&fact))?;
            }
            writeln!(out, "\", fillcolor=\"{}\"];", colour(task))?;
            if let Some(parent) = self.parent(task) {
                writeln!(out, "  \"{}\" -> \"{}\";", parent.id(), task.id())?;
            }
            if let Some(WaitsOn::Task(other)) = task.waits_on() {
                writeln!(
                    out,
                    "  \"{}\" -> \"{other}\" [style=dashed, constraint=false];",
                    task.id()
                )?;
            }
        }
        if let Some(missing) = self.missing() {
            writeln!(out, "  missing [shape=plain, style=\"\", label=\"{missing}\"];")?;
        }
        out.write_str("}\n")
    }

    /// What there is to say of a task beside its name.
    fn facts(&self, task: &LiveTask) -> Vec<String> {
        let mut facts = vec![format!("{}, {}", task.state(), Seconds(task.age(self.at())))];
        if task.snapshot().attempt() > 1 || task.state() == State::Waiting {
            facts.push(format!("attempt {}", task.snapshot().attempt()));
        }
        if task.priority() != Priority::Normal {
            facts.push(format!("{} priority", task.priority()));
        }
        if let Some(deadline) = task.task().deadline() {
            facts.push(format!("deadline in {}", Seconds(deadline.since(self.at()))));
        }
        if let Some(Cancellation { level, reason, by }) = task.cancellation() {
            let mut told = format!("told to stop ({level}, {reason}");
            // Writing to text does not fail.
            let _ = by.map(|by| write!(told, " by task {by}"));
            told.push(')');
            facts.push(told);
        }
        if let Some(end) = task.grace_end() {
            facts.push(format!("killed in {}", Seconds(end.since(self.at()))));
        }
        match task.child_count() {
            0 => {}
            1 => facts.push("1 child".to_owned()),
            count => facts.push(format!("{count} children")),
        }
        if let Some(waits) = task.waits_on() {
            facts.push(Told(waits, self.at()).to_string());
        }
        facts
    }

    /// What is not in the tree, as a sentence; `None` if nothing is missing.
    fn missing(&self) -> Option<String> {
        let mut missing = Vec::new();
        if self.left_out() != 0 {
            missing.push(format!(
                "{} and those below them are left out: the limit was {}",
                tasks(self.left_out()),
                self.tasks().len()
            ));
        }
        if self.unlisted() != 0 {
            missing.push(format!(
                "{} without a parent unlisted (see Root::list_tasks)",
                tasks(self.unlisted())
            ));
        }
        if self.abandoned() != 0 {
            missing.push(format!(
                "{} closures run on although their tasks are over",
                self.abandoned()
            ));
        }
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

/// A line a task: its name, its id, and what there is to say. Children are indented; those that are very deep say how deep
/// they are instead.
impl fmt::Display for LiveTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", tasks(self.tasks().len()))?;
        for (depth, task) in self.walk() {
            if depth <= DEEPEST {
                write!(f, "{:indent$}", "", indent = 2 * depth)?;
            } else {
                write!(f, "{:indent$}{depth} deep: ", "", indent = 2 * DEEPEST)?;
            }
            if task.name().is_empty() {
                write!(f, "task {}", task.id())?;
            } else {
                write!(f, "{:?} {}", task.name(), task.id())?;
            }
            let mut separator = ": ";
            for fact in self.facts(task) {
                write!(f, "{separator}{fact}")?;
                separator = ", ";
            }
            f.write_char('\n')?;
        }
        match self.missing() {
            Some(missing) => writeln!(f, "{missing}"),
            None => Ok(()),
        }
    }
}

fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // Writing to text does not fail.
    let _ = write(&mut out);
    out
}

fn tasks(count: impl TryInto<u64>) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => "1 task".to_owned(),
        count => format!("{count} tasks"),
    }
}

const fn colour(task: &LiveTask) -> &'static str {
    match task.state() {
        _ if task.cancellation().is_some() => "#f3d0c0",
        State::Pending => "#eeeeee",
        State::Running => "#cfe8cf",
        State::Waiting => "#f6e7b4",
        _ => "#dddddd",
    }
}

/// A length of time in seconds, to the millisecond.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// A string of JSON, quotes included.
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(character))?,
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}

/// What stands between the quotes of a label. Graphviz reads escapes of its own there, and those of HTML.
struct Dot<'a>(&'a str);

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '&' => f.write_str("&amp;")?,
                '\n' => f.write_str("\\n")?,
                control if control.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// How deep lines are indented.
const DEEPEST: usize = 30;
