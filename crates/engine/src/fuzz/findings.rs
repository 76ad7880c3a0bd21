// SPDX-License-Identifier: GPL-2.0-only
//! A folder with every finding once: report and program as text, the input, a small program, and when it was seen.
//!
//! Findings are distinguished by title, which names the oracle and the place but no numbers of the run. Each has a folder
//! of its own, in which `about.json` is written last: a folder without it was not finished and is ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::guard::{SMALL, Story};
use super::target::{Target, target};
use percuss_program::Program;
use percuss_source::files::{slug, write_whole};

/// The content of `about.json`: what is known of a finding apart from its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Stable headline, by which findings are distinguished.
    pub title: String,
    /// Names of the targets that found it.
    pub targets: BTreeSet<String>,
    /// Time of the first sighting, in seconds since 1970.
    pub first_seen: u64,
    /// Time of the last sighting, in seconds since 1970.
    pub last_seen: u64,
    /// Number of sightings.
    pub count: u64,
}

/// An input with which a fuzzer's process ended.
#[derive(Debug, Clone)]
pub struct Dropped {
    pub target: &'static Target,
    /// Title and report.
    pub story: Story,
    pub bytes: Vec<u8>,
    /// A small program with the same finding, if the target's process made one.
    pub small: Option<Program>,
    /// The files it was read from, which are removed once it is kept.
    pub files: Vec<PathBuf>,
}

/// The folder of all findings.
#[derive(Debug, Clone)]
pub struct Findings {
    dir: PathBuf,
}

/// Prefixes of the files that libFuzzer writes itself, with the title of a finding of each; a slow input is none.
const ARTIFACTS: [(&str, &str); 5] = [
    ("crash-", "crash"),
    ("timeout-", "timeout: the input does not end"),
    ("oom-", "out of memory"),
    ("leak-", "leak"),
    ("slow-unit-", ""),
];

/// Reads the inputs that a target's fuzzer left in `dir`. `log` is what the fuzzer printed, which names crashes that
/// ended the process before it could report them.
///
/// # Errors
/// The folder cannot be read.
pub fn collect(target: &'static Target, dir: &Path, log: &str) -> io::Result<Vec<Dropped>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir)? {
        files.push(entry?.path());
    }
    // In a fixed order, so that of two inputs with the same finding the same one is filed first.
    files.sort();
    let mut dropped = Vec::new();
    for input in files.iter().filter(|p| p.extension().is_some_and(|e| e == "input")) {
        // The report is written last. Without it the process was killed in between, and the fuzzer's own file is read
        // below.
        let texts = ["percuss", "txt"].map(|e| input.with_extension(e));
        let Some(path) = texts.into_iter().find(|p| p.exists()) else { continue };
        let text = fs::read_to_string(&path)?;
        // The text begins with title and report, as the process that died can leave nothing but files.
        let mut found = Dropped {
            target,
            story: story(&text),
            bytes: fs::read(input)?,
            small: None,
            files: vec![input.clone(), path],
        };
        let small = input.with_extension(SMALL);
        if small.exists() {
            // One that was cut short by the end of the process is left out; the finding is there without it.
            found.small = fs::read_to_string(&small)?.parse().ok();
            found.files.push(small);
        }
        dropped.push(found);
    }
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((_, what)) = ARTIFACTS.iter().find(|(prefix, _)| name.starts_with(prefix)) else { continue };
        let bytes = fs::read(path)?;
        // A finding of threads has an input of our own, with the order in which they ran, besides the fuzzer's without
        // it.
        let same = |d: &Dropped| {
            d.bytes == bytes || target.program(&bytes).is_some_and(|p| target.program(&d.bytes) == Some(p))
        };
        match dropped.iter_mut().find(|d| same(d)) {
            Some(known) => known.files.push(path.clone()),
            None if what.is_empty() => {} // slow, but nothing wrong
            None => {
                // The prefix of a crash does not say which, and the log does.
                let title = if *what == "crash" { summary(log) } else { (*what).to_owned() };
                // There is no report: the process died before a hook of ours could write one.
                let report = format!("the fuzzer ended with this input ({name})");
                let story = Story { title, report };
                dropped.push(Dropped { target, story, bytes, small: None, files: vec![path.clone()] });
            }
        }
    }
    Ok(dropped)
}

/// The title and report that a text begins with, as comments.
fn story(text: &str) -> Story {
    let mut lines = text.lines().map_while(|l| l.strip_prefix('#')).map(|l| l.strip_prefix(' ').unwrap_or(l));
    let title = lines.next().unwrap_or_default().to_owned();
    let report = lines.filter(|l| !l.starts_with("target ")).collect::<Vec<_>>().join("\n");
    Story { title, report }
}

/// What the last summary of a sanitizer in a log says, without the line, which differs between trees.
fn summary(log: &str) -> String {
    let last = log.lines().rev().find_map(|line| line.split("SUMMARY: ").nth(1));
    match last {
        // `AddressSanitizer: SEGV mm/percpu.c:12 in free_percpu`
        Some(line) => {
            let kind: Vec<&str> = line.split(' ').take(2).collect();
            match line.rsplit_once(" in ") {
                Some((_, function)) => format!("{} in {function}", kind.join(" ")),
                None => kind.join(" "),
            }
        }
        None => "crash without a report".to_owned(),
    }
}

impl Findings {
    /// Opens the findings in `dir`, which is created if missing.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn open(dir: &Path) -> io::Result<Findings> {
        fs::create_dir_all(dir)?;
        Ok(Findings { dir: dir.to_owned() })
    }

    /// The folder of the finding with this title.
    pub fn folder(&self, title: &str) -> PathBuf {
        self.dir.join(slug(title))
    }

    /// All findings, sorted by folder. Folders that were not finished are left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all(&self) -> io::Result<Vec<(PathBuf, About)>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let dir = entry?.path();
            if let Ok(text) = fs::read(dir.join("about.json"))
                && let Ok(about) = serde_json::from_slice(&text)
            {
                out.push((dir, about));
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(out)
    }

    /// Files what was found at `now`, in seconds since 1970; true if the finding is new.
    ///
    /// A new finding gets a folder; a known one is counted, and its input replaced if this one is shorter. `minimize`
    /// makes a program small where its target did not, and returns None when it cannot.
    ///
    /// # Errors
    /// A file cannot be written; the finding is then as it was, and the fuzzer's own files are kept.
    pub fn note(
        &self,
        found: &Dropped,
        now: u64,
        minimize: impl FnOnce(&Program) -> Option<Program>,
    ) -> io::Result<bool> {
        let dir = self.folder(&found.story.title);
        // A folder whose file does not parse is treated as one that was not finished: it is written again.
        let known = fs::read(dir.join("about.json")).ok().and_then(|text| serde_json::from_slice::<About>(&text).ok());
        let new = known.is_none();
        let mut about = known.unwrap_or_else(|| About {
            title: found.story.title.clone(),
            targets: BTreeSet::new(),
            first_seen: now,
            last_seen: now,
            count: 0,
        });
        fs::create_dir_all(&dir)?;
        // A shorter input is easier to read, and takes less time to make small.
        let shorter = || fs::metadata(dir.join("input")).is_ok_and(|old| (found.bytes.len() as u64) < old.len());
        if new || shorter() {
            let shown = || found.target.shown(&found.bytes);
            let small = found.small.clone().or_else(|| shown().as_ref().and_then(minimize));
            let text = found.story.text(found.target, &found.bytes);
            write_whole(&dir, &dir.join("report.txt"), text.as_bytes())?;
            if let Some(small) = small {
                let text = found.story.text(found.target, &small.encode());
                write_whole(&dir, &dir.join("minimized.percuss"), text.as_bytes())?;
            }
            // The input comes after its texts: only its length decides whether a later one is better.
            write_whole(&dir, &dir.join("input"), &found.bytes)?;
        }
        about.targets.insert(found.target.name.to_owned());
        // A clock that was put back must not make it older.
        about.last_seen = about.last_seen.max(now);
        about.count += 1;
        let json = serde_json::to_vec_pretty(&about).map_err(io::Error::other)?;
        write_whole(&dir, &dir.join("about.json"), &json)?;
        // Only now: until the finding is filed, they are the only copy.
        for file in &found.files {
            fs::remove_file(file)?;
        }
        Ok(new)
    }
}

/// The target by which the program of a finding is read: the first by name of those that found it.
pub fn target_of(about: &About) -> Option<&'static Target> {
    about.targets.first().and_then(|name| target(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_program::{Generator, Turn};

    fn lockstep() -> &'static Target {
        target("lockstep").expect("a target")
    }

    fn leave(dir: &Path, title: &str, index: u64) -> io::Result<Vec<u8>> {
        let bytes = Generator::new(1).program(index).encode();
        Story { title: title.into(), report: "the report\nof two lines".into() }.save(lockstep(), &bytes, dir)?;
        Ok(bytes)
    }

    #[test]
    fn findings_are_kept_once() -> io::Result<()> {
        let (home, drops) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let findings = Findings::open(&home.path().join("findings"))?;
        let mut news = Vec::new();
        for (now, title, index) in [(10, "percuss: a", 1), (20, "percuss: b", 2), (30, "percuss: a", 3)] {
            let bytes = leave(drops.path(), title, index)?;
            // libFuzzer writes the same input once more.
            fs::write(drops.path().join("crash-0123"), &bytes)?;
            let dropped = collect(lockstep(), drops.path(), "")?;
            assert_eq!(dropped.len(), 1);
            news.push(findings.note(&dropped[0], now, |p| Some(p.clone()))?);
            assert_eq!(fs::read_dir(drops.path())?.count(), 0, "what is kept elsewhere is not kept here");
        }
        assert_eq!(news, [true, true, false]);
        let all = findings.all()?;
        assert_eq!(all.len(), 2);
        let about = &all[0].1;
        assert_eq!((about.first_seen, about.last_seen, about.count), (10, 30, 2));
        assert_eq!(about.title, "percuss: a");
        assert_eq!(target_of(about).map(|t| t.name), Some("lockstep"));
        for file in ["input", "report.txt", "minimized.percuss"] {
            assert!(all[0].0.join(file).exists(), "{file}");
        }
        let text = fs::read_to_string(all[0].0.join("minimized.percuss"))?;
        assert!(text.parse::<Program>().is_ok() && text.contains("# the report\n# of two lines\n"), "{text}");
        Ok(())
    }

    /// What threads found has an input with their order, beside the fuzzer's own, which has none.
    #[test]
    fn an_order_of_threads_is_kept() -> io::Result<()> {
        let (home, drops) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let findings = Findings::open(&home.path().join("findings"))?;
        let threads = target("threads").expect("a target");
        let input = Generator::new(1).program(1).encode();
        let mut program = threads.program(&input).expect("a program");
        program.schedule = vec![Turn::points(1, 3), Turn::points(0, 7)];
        Story { title: "percuss: a".into(), report: String::new() }.save(threads, &program.encode(), drops.path())?;
        fs::write(drops.path().join("crash-0123"), &input)?;
        let dropped = collect(threads, drops.path(), "")?;
        assert_eq!((dropped.len(), dropped[0].files.len()), (1, 3));
        let mut small = None;
        findings.note(&dropped[0], 1, |p| {
            small = Some(p.clone());
            small.clone()
        })?;
        assert_eq!(small.as_ref(), Some(&program));
        for file in ["report.txt", "minimized.percuss"] {
            let text = fs::read_to_string(findings.folder("percuss: a").join(file))?;
            assert_eq!(text.parse().ok(), Some(program.clone()), "{file}");
        }
        Ok(())
    }

    /// Two images are known to their own target alone, which leaves a small program itself.
    #[test]
    fn a_small_program_of_the_target_is_taken() -> io::Result<()> {
        let (home, drops) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let findings = Findings::open(&home.path().join("findings"))?;
        leave(drops.path(), "percuss: a", 1)?;
        let small = Generator::new(1).program(2);
        let text = drops.path().join(fs::read_dir(drops.path())?.next().expect("a file")?.file_name());
        fs::write(text.with_extension(SMALL), small.to_string())?;
        let dropped = collect(lockstep(), drops.path(), "")?;
        findings.note(&dropped[0], 1, |_| panic!("there is one"))?;
        let kept = fs::read_to_string(findings.folder("percuss: a").join("minimized.percuss"))?;
        assert_eq!(kept.parse().ok(), Some(small));
        assert_eq!(fs::read_dir(drops.path())?.count(), 0);
        Ok(())
    }

    /// A fuzzer that is killed while it writes leaves an input without its text.
    #[test]
    fn what_is_not_whole_is_not_taken() -> io::Result<()> {
        let drops = tempfile::tempdir()?;
        leave(drops.path(), "percuss: a", 1)?;
        let text = fs::read_dir(drops.path())?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        let text = text.iter().find(|p| p.extension().is_some_and(|e| e == "percuss")).expect("a text");
        fs::remove_file(text)?;
        assert!(collect(lockstep(), drops.path(), "")?.is_empty());
        Ok(())
    }

    #[test]
    fn crashes_without_a_report_are_named_by_the_log() -> io::Result<()> {
        let drops = tempfile::tempdir()?;
        for name in ["crash-1", "timeout-2", "slow-unit-3"] {
            fs::write(drops.path().join(name), name)?;
        }
        let log = "x\nSUMMARY: AddressSanitizer: SEGV mm/percpu.c:12 in free_percpu\n";
        let dropped = collect(lockstep(), drops.path(), log)?;
        let titles: Vec<&str> = dropped.iter().map(|d| d.story.title.as_str()).collect();
        assert_eq!(titles, ["AddressSanitizer: SEGV in free_percpu", "timeout: the input does not end"]);
        assert_eq!(summary("SUMMARY: libFuzzer: deadly signal"), "libFuzzer: deadly");
        assert_eq!(summary("nothing"), "crash without a report");
        Ok(())
    }

    #[test]
    fn a_full_disk_is_an_error_and_loses_nothing() -> io::Result<()> {
        let (home, drops) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let findings = Findings::open(&home.path().join("findings"))?;
        leave(drops.path(), "percuss: a", 1)?;
        let dropped = collect(lockstep(), drops.path(), "")?;
        // A file where the folder should be stands for a disk that takes nothing.
        fs::write(findings.folder("percuss: a"), "")?;
        assert!(findings.note(&dropped[0], 1, |_| None).is_err());
        assert_eq!(collect(lockstep(), drops.path(), "")?.len(), 1, "the fuzzer's files are still there");
        Ok(())
    }
}
