// SPDX-License-Identifier: GPL-2.0-only
//! What is printed and kept when a target's process dies: by a finding, a panic, or the report of a sanitizer from the
//! middle of the C.
//!
//! A fuzzer ends its process at the first finding, so nothing can be done afterwards. Each input is therefore noted
//! before it runs. Whatever ends the process calls [`blame`], which prints title, report and the input as text, and
//! writes both forms to the directory that `PERCUSS_FINDINGS` names.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{io, panic};

use percuss_shim as shim;

use super::target::{Beside, Kind, Target};
use percuss_program::Program;
use percuss_run::so_far;
use percuss_source::files::{name_of, write_whole};

/// Environment variable with the directory that findings are written to.
///
/// Without it they are only printed.
pub const FINDINGS: &str = "PERCUSS_FINDINGS";

/// Extension of a file with a small program that has the same finding.
pub(super) const SMALL: &str = "minimized";

/// The input that runs at the moment.
struct Current {
    target: &'static Target,
    bytes: Vec<u8>,
    /// It was blamed for something.
    ///
    /// What happens from then on is a consequence and no other finding.
    blamed: bool,
}

/// The input of this process.
///
/// Hooks of panics and sanitizers have no argument to find it by.
static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

/// Why an input is kept: the finding in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Stable headline, by which findings are distinguished.
    pub title: String,
    /// The report, in lines.
    pub report: String,
}

impl Story {
    /// The finding and its input as text: a program that `percuss replay` reads, with title and report in comments.
    ///
    /// Inputs of parsers are quoted instead.
    pub fn text(&self, target: &Target, bytes: &[u8]) -> String {
        let mut out = format!("# {}\n# target {}\n", self.title, target.name);
        out.extend(self.report.trim_end().lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n"));
        match target.shown(bytes) {
            Some(program) => out + &program.to_string(),
            None => {
                // The input may hold anything, so every line is quoted: none may look like a line of the report.
                let text = String::from_utf8_lossy(bytes);
                out.extend(text.lines().map(|line| format!("| {}\n", line.escape_debug())));
                out
            }
        }
    }

    /// Writes the input and then its text, each whole or not at all, and returns the path of the text.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub fn save(&self, target: &Target, bytes: &[u8], dir: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(dir)?;
        // The input is written first: a report without its input could not be replayed.
        let stem = stem(target, bytes, dir);
        write_whole(dir, &stem.with_extension("input"), bytes)?;
        let extension = if matches!(target.kind, Kind::Program { .. }) { "percuss" } else { "txt" };
        let path = stem.with_extension(extension);
        write_whole(dir, &path, self.text(target, bytes).as_bytes())?;
        Ok(path)
    }
}

/// Path of an input's files without the extension.
///
/// It is named by its content, so that the same input overwrites itself.
fn stem(target: &Target, bytes: &[u8], dir: &Path) -> PathBuf {
    dir.join(format!("{}-{}", target.name, &name_of(bytes)[..16]))
}

/// Installs the hooks that blame the running input for panics and for reports of sanitizers.
pub fn install() {
    // The hook before ours prints the message and the backtrace, which a reader wants as well.
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

/// The part of a panic's message that is the same for the same defect: its first line, without numbers.
fn headline(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).take(100).collect()
}

/// Takes note of the input that runs next.
pub(super) fn begin(target: &'static Target, bytes: &[u8]) {
    // A lock that is poisoned belongs to a process that dies of its panic; the input is no longer of interest.
    let Ok(mut current) = CURRENT.lock() else { return };
    match current.as_mut() {
        Some(c) => {
            c.target = target;
            c.blamed = false;
            // The buffer is kept, since this runs for each of many thousands of inputs a second.
            c.bytes.clear();
            c.bytes.extend_from_slice(bytes);
        }
        None => *current = Some(Current { target, bytes: bytes.to_vec(), blamed: false }),
    }
}

/// Takes note that the input runs as this program: the same with another schedule.
pub(super) fn note(program: &Program) {
    let Ok(mut current) = CURRENT.lock() else { return };
    if let Some(c) = current.as_mut() {
        c.bytes = program.encode();
    }
}

/// Takes note that no input runs.
pub(super) fn end() {
    if let Ok(mut current) = CURRENT.lock() {
        *current = None;
    }
}

/// Advice on how to run a program again that shows a finding.
fn how(kind: Kind) -> &'static str {
    match kind {
        // Only this process has both images; the tool has one tree.
        Kind::Program { beside: Beside::Image, .. } => {
            "save it and give it to this program again; `percuss replay --events FILE` shows what one tree does"
        }
        _ => "save it and run `percuss replay FILE`",
    }
}

/// Prints and writes the finding of the input that runs, once for each input.
pub fn blame(story: &Story) {
    // The process may be anywhere, also within this module. Waiting for the lock could then be for ever.
    let Ok(mut current) = CURRENT.try_lock() else { return };
    // A panic in the wake of a sanitizer's report comes here as well.
    let Some(c) = current.as_mut().filter(|c| !c.blamed) else { return };
    c.blamed = true;
    if let Some(mut program) = c.target.shown(&c.bytes)
        // Threads that did not finish have an order so far, which replays up to here.
        && let Some(turns) = so_far()
    {
        program.schedule = turns;
        c.bytes = program.encode();
    }
    eprintln!("# From here on a program as text: {}.", how(c.target.kind));
    eprint!("{}", story.text(c.target, &c.bytes));
    // A fuzzer that is started by hand prints only.
    let Some(dir) = std::env::var_os(FINDINGS) else { return };
    match story.save(c.target, &c.bytes, Path::new(&dir)) {
        Ok(path) => eprintln!("# written to {}", path.display()),
        Err(e) => eprintln!("# cannot be written to {}: {e}", Path::new(&dir).display()),
    }
}

/// Prints and writes a small program with the same finding, beside the input that was blamed.
pub(super) fn smaller(story: &Story, small: &Program) {
    let Ok(current) = CURRENT.try_lock() else { return };
    // Beside nothing that was blamed, the file would belong to no finding.
    let Some(c) = current.as_ref().filter(|c| c.blamed) else { return };
    eprint!("# The same with a small program:\n{small}");
    let Some(dir) = std::env::var_os(FINDINGS) else { return };
    let (dir, text) = (Path::new(&dir), story.text(c.target, &small.encode()));
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
    fn programs_are_printed_as_programs() {
        let lockstep = target("lockstep").expect("a target");
        let program = Generator::new(1).program(2);
        let text = story().text(lockstep, &program.encode());
        assert!(text.starts_with("# percuss: area granted twice\n# target lockstep\n# one\n#\n# two\n"), "{text}");
        assert_eq!(text.parse::<Program>().ok(), Some(program));
    }

    #[test]
    fn other_inputs_are_quoted() {
        let mbox = target("mbox").expect("a target");
        let text = story().text(mbox, b"# not ours\n\xffx\n");
        assert!(text.ends_with("# two\n| # not ours\n| \u{fffd}x\n"), "{text}");
    }

    #[test]
    fn both_forms_are_written_whole() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (lockstep, bytes) = (target("lockstep").expect("a target"), Generator::new(1).program(4).encode());
        for _ in 0..2 {
            let path = story().save(lockstep, &bytes, dir.path())?;
            assert_eq!(std::fs::read_to_string(&path)?, story().text(lockstep, &bytes));
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
