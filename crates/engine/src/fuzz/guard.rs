// SPDX-License-Identifier: GPL-2.0-only
//! What is said and kept when a target dies: by a finding, a panic, or a sanitizer's report from the middle of the C.
//!
//! Each input is noted before it runs. Whoever ends the process calls [`blame`], which prints title, report and the input
//! as text, and writes both forms to the directory that `PERCUSS_FINDINGS` names.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{io, panic};

use percuss_shim as shim;

use super::target::{Beside, Kind, Target};
use percuss_program::Program;
use percuss_run::so_far;
use percuss_source::files::{name_of, write_whole};

/// Names the directory to which findings are written; without it they are only printed.
pub const FINDINGS: &str = "PERCUSS_FINDINGS";

/// Ends the name of a file with a small program that shows the same.
pub(super) const SMALL: &str = "minimized";

/// The input that runs.
struct Current {
    target: &'static Target,
    bytes: Vec<u8>,
    /// It has been blamed for something: what follows from that is not another finding.
    blamed: bool,
}

static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

/// Why an input is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Stable headline.
    pub title: String,
    /// What was reported, in lines.
    pub report: String,
}

impl Story {
    /// The story and the input, as text: a program that `percuss replay` takes, the story in comments.
    pub fn tell(&self, target: &Target, bytes: &[u8]) -> String {
        let mut out = format!("# {}\n# target {}\n", self.title, target.name);
        out.extend(self.report.trim_end().lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n"));
        match target.shown(bytes) {
            Some(program) => out + &program.to_string(),
            None => {
                // Not ours to interpret, so no line of it may look like one of the story.
                let text = String::from_utf8_lossy(bytes);
                out.extend(text.lines().map(|line| format!("| {}\n", line.escape_debug())));
                out
            }
        }
    }

    /// Writes the input and then its text, each whole; the text's path.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub fn save(&self, target: &Target, bytes: &[u8], dir: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(dir)?;
        let stem = stem(target, bytes, dir);
        write_whole(dir, &stem.with_extension("input"), bytes)?;
        let extension = if matches!(target.kind, Kind::Program { .. }) { "percuss" } else { "txt" };
        let path = stem.with_extension(extension);
        write_whole(dir, &path, self.tell(target, bytes).as_bytes())?;
        Ok(path)
    }
}

/// Path of an input's files, without what follows the dot.
fn stem(target: &Target, bytes: &[u8], dir: &Path) -> PathBuf {
    dir.join(format!("{}-{}", target.name, &name_of(bytes)[..16]))
}

/// From now on panics and sanitizers' reports come with their input.
pub fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map_or(String::new(), |l| format!(" at {}:{}", l.file(), l.line()));
        blame(&Story { title: format!("panic: {}", headline(what)), report: format!("{what}{place}") });
        before(info);
    }));
    shim::on_sanitizer_report(|kind| {
        blame(&Story { title: kind.to_owned(), report: "the sanitizer's report stands beside this".to_owned() });
    });
}

/// The part of a message that is the same for the same defect.
fn headline(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).take(100).collect()
}

/// Notes the input that runs next.
pub(super) fn begin(target: &'static Target, bytes: &[u8]) {
    let Ok(mut current) = CURRENT.lock() else { return };
    match current.as_mut() {
        Some(c) => {
            c.target = target;
            c.blamed = false;
            c.bytes.clear();
            c.bytes.extend_from_slice(bytes);
        }
        None => *current = Some(Current { target, bytes: bytes.to_vec(), blamed: false }),
    }
}

/// Notes that the input runs as this program: the same with a schedule.
pub(super) fn note(program: &Program) {
    let Ok(mut current) = CURRENT.lock() else { return };
    if let Some(c) = current.as_mut() {
        c.bytes = program.encode();
    }
}

/// Notes that no input runs.
pub(super) fn end() {
    if let Ok(mut current) = CURRENT.lock() {
        *current = None;
    }
}

/// What to do with a program that shows something.
fn how(kind: Kind) -> &'static str {
    match kind {
        // What both images are is known to this program alone.
        Kind::Program { beside: Beside::Image, .. } => {
            "save it and give it to this program again; `percuss replay --events FILE` shows what one tree does"
        }
        _ => "save it and run `percuss replay FILE`",
    }
}

/// Prints and writes the story of the input that runs, once.
pub fn blame(story: &Story) {
    // Who is called in the middle of something broken does not wait for a lock.
    let Ok(mut current) = CURRENT.try_lock() else { return };
    let Some(c) = current.as_mut().filter(|c| !c.blamed) else { return };
    c.blamed = true;
    if let Some(mut program) = c.target.shown(&c.bytes)
        && let Some(turns) = so_far()
    {
        program.schedule = turns;
        c.bytes = program.encode();
    }
    eprintln!("# From here on a program as text: {}.", how(c.target.kind));
    eprint!("{}", story.tell(c.target, &c.bytes));
    let Some(dir) = std::env::var_os(FINDINGS) else { return };
    match story.save(c.target, &c.bytes, Path::new(&dir)) {
        Ok(path) => eprintln!("# written to {}", path.display()),
        Err(e) => eprintln!("# cannot be written to {}: {e}", Path::new(&dir).display()),
    }
}

/// Prints and writes a small program with the same story, beside the input that was blamed.
pub(super) fn smaller(story: &Story, small: &Program) {
    let Ok(current) = CURRENT.try_lock() else { return };
    let Some(c) = current.as_ref().filter(|c| c.blamed) else { return };
    eprint!("# The same with a small program:\n{small}");
    let Some(dir) = std::env::var_os(FINDINGS) else { return };
    let (dir, text) = (Path::new(&dir), story.tell(c.target, &small.encode()));
    let path = stem(c.target, &c.bytes, dir).with_extension(SMALL);
    match write_whole(dir, &path, text.as_bytes()) {
        Ok(()) => eprintln!("# written to {}", path.display()),
        Err(e) => eprintln!("# cannot be written to {}: {e}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::target::target;
    use percuss_program::Generator;

    fn story() -> Story {
        Story { title: "percuss: area granted twice".into(), report: "one\n\ntwo\n".into() }
    }

    #[test]
    fn programs_are_told_as_programs() {
        let lockstep = target("lockstep").expect("a target");
        let program = Generator::new(1).program(2);
        let text = story().tell(lockstep, &program.encode());
        assert!(text.starts_with("# percuss: area granted twice\n# target lockstep\n# one\n#\n# two\n"), "{text}");
        assert_eq!(text.parse::<Program>().ok(), Some(program));
    }

    #[test]
    fn other_inputs_are_quoted() {
        let mbox = target("mbox").expect("a target");
        let text = story().tell(mbox, b"# not ours\n\xffx\n");
        assert!(text.ends_with("# two\n| # not ours\n| \u{fffd}x\n"), "{text}");
    }

    #[test]
    fn both_forms_are_written_whole() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (lockstep, bytes) = (target("lockstep").expect("a target"), Generator::new(1).program(4).encode());
        for _ in 0..2 {
            let path = story().save(lockstep, &bytes, dir.path())?;
            assert_eq!(std::fs::read_to_string(&path)?, story().tell(lockstep, &bytes));
            assert_eq!(std::fs::read(path.with_extension("input"))?, bytes);
            assert_eq!(std::fs::read_dir(dir.path())?.count(), 2, "the same input is the same finding");
        }
        Ok(())
    }

    #[test]
    fn numbers_do_not_make_another_headline() {
        assert_eq!(headline("index 12 of 7\nmore"), "index NN of N");
        assert_eq!(headline(""), "");
    }
}
