// SPDX-License-Identifier: GPL-2.0-only
//! A session of one target on one machine: the fuzzer runs for a while, its findings are filed, and its corpus is
//! merged.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::corpus::{Corpus, CorpusError, Scratch, Use, discard, log_of};
use super::findings::{Findings, collect};
use super::guard::FINDINGS;
use super::target::Target;
use percuss_program::Program;

/// What a session should do.
#[derive(Debug, Clone)]
pub struct Plan {
    pub target: &'static Target,
    /// The fuzzer's binary.
    pub binary: PathBuf,
    /// The corpus folder, shared by all sessions of the target, which may run at once.
    pub corpus: PathBuf,
    /// Folder of seeds: text programs, or inputs of a parser.
    pub seeds: PathBuf,
    /// Folder in which findings are filed.
    pub findings: PathBuf,
    /// Time for which the fuzzer runs; merging comes on top.
    pub time: Duration,
    /// Number of processes that fuzz at once.
    pub jobs: u16,
}

/// What a session achieved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub runs: u64,
    /// Number of counters reached, as libFuzzer counts them.
    pub coverage: u64,
    /// Inputs in the corpus afterwards, inputs added, and inputs removed.
    pub corpus: (usize, usize, usize),
    /// Number of findings, known ones included.
    pub findings: usize,
    /// Titles of the findings that were not known before.
    pub new: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The corpus cannot be read or written, or its merge is not trusted.
    ///
    /// It is as it was.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The binary cannot be started.
    #[error("{}: {error}", path.display())]
    Start { path: PathBuf, error: io::Error },
    /// The binary ended without running any input.
    #[error("the fuzzer failed ({status}); its last words:\n{log}")]
    Fuzzer {
        status: std::process::ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// A finding cannot be filed.
    ///
    /// Its files are still in the scratch folder, for the next session.
    #[error("{}: {error}", path.display())]
    Findings { path: PathBuf, error: io::Error },
}

/// Longest input in bytes.
///
/// Text needs more than the 4 KiB to which mutations keep programs.
pub const MAX_LEN: u32 = 16_384;

/// Options of libFuzzer for every run.
///
/// A program takes microseconds, so one that takes 25 seconds hangs. 2 GiB is the limit of the services that run
/// sessions. Names of new functions are not printed, as looking one up takes longer than finding it.
pub fn options() -> [String; 4] {
    ["-timeout=25".into(), "-rss_limit_mb=2048".into(), "-print_funcs=0".into(), format!("-max_len={MAX_LEN}")]
}

/// Runs a session. `minimize` makes the program of a new finding, with its title, small.
///
/// # Errors
/// See [`SessionError`]. What was found and learned before is filed, or is left for the next session.
pub fn run(plan: &Plan, mut minimize: impl FnMut(&str, &Program) -> Option<Program>) -> Result<Outcome, SessionError> {
    let corpus = Corpus::open(&plan.corpus)?;
    // Apart from the corpus: what a killed session leaves in them is looked through by the next one.
    let [scratch, drops] = [corpus.scratch(Use::New)?, corpus.scratch(Use::Found)?];

    let mut outcome = Outcome::default();
    let log = fuzz(plan, &corpus, [&scratch, &drops])?;
    outcome.read(&log);
    // Findings come first: they are what the machine ran for, and the merge may fail.
    let failed = |error| SessionError::Findings { path: plan.findings.clone(), error };
    let findings = Findings::open(&plan.findings).map_err(failed)?;
    // From here on folders of dead sessions are taken over, which only one session may do at a time.
    let lock = corpus.lock()?;
    let found = corpus.orphans(Use::Found)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    for dir in found.iter().map(PathBuf::as_path).chain([drops.dir()]) {
        // The log of a killed session is cut off, but its summaries belong to its own findings.
        let log = String::from_utf8_lossy(&fs::read(log_of(dir)).unwrap_or_default()).into_owned();
        for dropped in collect(plan.target, dir, &log).map_err(failed)? {
            outcome.findings += 1;
            let title = dropped.story.title.clone();
            if findings.note(&dropped, now, |p| minimize(&title, p)).map_err(failed)? {
                outcome.new.push(title);
            }
        }
    }
    // All of its findings are filed.
    drops.discard();
    let orphans = corpus.orphans(Use::New)?;
    outcome.corpus = merge(plan, &corpus, &scratch, &orphans)?;
    scratch.discard();
    let rest = corpus.orphans(Use::Merged)?;
    found.iter().chain(&orphans).chain(&rest).for_each(|dir| discard(dir));
    drop(lock);
    Ok(outcome)
}

/// Runs the fuzzer for its time and returns what it printed.
fn fuzz(plan: &Plan, corpus: &Corpus, [scratch, drops]: [&Scratch; 2]) -> Result<String, SessionError> {
    let mut command = Command::new(&plan.binary);
    command.args([scratch.dir(), corpus.dir(), &plan.seeds]).args(options());
    // With -fork the run goes on after a finding, and a crash takes down one process of several.
    command.arg(format!("-fork={}", plan.jobs)).args(["-ignore_crashes=1", "-ignore_timeouts=1", "-ignore_ooms=1"]);
    command.arg(format!("-max_total_time={}", plan.time.as_secs().max(1)));
    command.arg(format!("-artifact_prefix={}/", drops.dir().display()));
    command.env(FINDINGS, drops.dir());
    let (status, log) = logged(plan, command, &log_of(drops.dir()))?;
    // libFuzzer exits with 0 without findings and mostly with 77 after some. A failure is a run without progress and
    // without files.
    let ran = log.lines().any(|line| Progress::of(line).is_some());
    if !status.success() && !ran && fs::read_dir(drops.dir()).is_ok_and(|mut dir| dir.next().is_none()) {
        return Err(SessionError::Fuzzer { status, log: end_of(&log) });
    }
    Ok(log)
}

/// Runs a command and returns its status and what it printed.
///
/// The output goes through a file, since it may be large and must survive a kill.
fn logged(plan: &Plan, mut command: Command, log: &Path) -> Result<(std::process::ExitStatus, String), SessionError> {
    let failed = |error| SessionError::Start { path: plan.binary.clone(), error };
    let file = File::create(log).map_err(failed)?;
    // libFuzzer prints everything to standard error.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let status = command.status().map_err(failed)?;
    let text = String::from_utf8_lossy(&fs::read(log).map_err(failed)?).into_owned();
    Ok((status, text))
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Merges: the fuzzer picks the inputs worth keeping, and the corpus becomes those.
///
/// Returns inputs in it, added and removed.
fn merge(
    plan: &Plan,
    corpus: &Corpus,
    scratch: &Scratch,
    orphans: &[PathBuf],
) -> Result<(usize, usize, usize), SessionError> {
    let merged = corpus.scratch(Use::Merged)?;
    let sources: Vec<&Path> =
        [plan.seeds.as_path(), scratch.dir()].into_iter().chain(orphans.iter().map(PathBuf::as_path)).collect();
    let mut command = Command::new(&plan.binary);
    command.arg("-merge=1").args(options()).arg(merged.dir()).arg(corpus.dir()).args(&sources);
    command.arg(format!("-artifact_prefix={}/", scratch.dir().display()));
    let (status, log) = logged(plan, command, &log_of(merged.dir()))?;
    let said = log.lines().rev().find_map(kept);
    // A merge that does not say how many inputs it kept cannot be compared with what it wrote.
    let Some(said) = said.filter(|_| status.success()) else {
        return Err(SessionError::Fuzzer { status, log: end_of(&log) });
    };
    let (added, removed) = corpus.replace(merged.dir(), said, &sources)?;
    merged.discard();
    Ok((corpus.count()?, added, removed))
}

/// The number of inputs kept, from the last line of a merge, such as
/// `MERGE-OUTER: 12 new files with 34 new features added; …`.
fn kept(line: &str) -> Option<usize> {
    let (number, rest) = line.split_once("MERGE-OUTER: ")?.1.split_once(' ')?;
    rest.starts_with("new files with").then(|| number.parse().ok()).flatten()
}

/// A line of progress: `#2097152 cov: 1 ft: 2 corp: 3 exec/s: 4 …`, or `#12: cov: …` with several processes.
struct Progress {
    runs: u64,
    coverage: u64,
}

impl Progress {
    fn of(line: &str) -> Option<Progress> {
        let (runs, rest) = line.strip_prefix('#')?.split_once([':', '\t', ' '])?;
        let coverage = rest.split("cov: ").nth(1)?.split(' ').next()?;
        Some(Progress { runs: runs.parse().ok()?, coverage: coverage.parse().ok()? })
    }
}

impl Outcome {
    fn read(&mut self, log: &str) {
        for progress in log.lines().filter_map(Progress::of) {
            // Counts grow within a run, and lines of processes may come out of order.
            self.runs = self.runs.max(progress.runs);
            self.coverage = self.coverage.max(progress.coverage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuzzers_lines_are_read() {
        let mut outcome = Outcome::default();
        outcome.read(
            "INFO: seed\n#2\tINITED cov: 5 ft: 6 corp: 1/14b exec/s: 0 rss: 80Mb\n\
             #1234: cov: 1690 ft: 7000 corp: 99 exec/s: 3000 oom/timeout/crash: 0/0/1 time: 10s job: 3\nrest\n",
        );
        assert_eq!((outcome.runs, outcome.coverage), (1234, 1690));
        assert_eq!(kept("MERGE-OUTER: 12 new files with 34 new features added; 5 new coverage edges"), Some(12));
        assert_eq!(kept("MERGE-OUTER: 3 files, 0 in the initial corpus, 0 processed earlier"), None);
    }
}
