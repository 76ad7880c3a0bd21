// SPDX-License-Identifier: GPL-2.0-only
//! The arguments of all verbs. Doc comments on fields and variants here are what `--help` prints, so they are written
//! for users. Limits are checked here, where the message can name the option.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use percuss::fuzz::{self, Target};
use percuss::image::ImageSpec;
use percuss::judge::JudgeBy;
use percuss::kernel::limits;
use percuss::oracle::OracleKind;

use super::base::BaseArgs;
use super::program::this_program;
use super::{CliError, exit};

/// Runs the kernel's unmodified percpu allocator in lockstep with a Rust Model on one simulated kernel.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = exit::help()
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check a tree, with or without patches: corpus, then generated programs; prints a verdict table
    Check(CheckArgs),
    /// Run one program on an image and the Model and show what happens
    Replay(ReplayArgs),
    /// Show a program (text, bytes or crash input) as text
    Show(ShowArgs),
    /// Find a small program that gives the same finding
    Minimize(MinimizeArgs),
    /// Show what is compiled: versions, hashes, facts and quirks
    Tree(TreeArgs),
    /// Run the cases of the NOFS/NOIO review on a tree and on variants of it
    Scenario(ScenarioArgs),
    /// Compare two trees, or a tree with itself changed: masks, results, lock order, quirks
    Diff(DiffArgs),
    /// List every backing allocation with its gfp masks, scopes and locks
    Audit(AuditArgs),
    /// Put known bugs into a tree and measure which are found, by whom, and how soon
    #[command(after_help = exit::help_with("every bug was found", "one was not"))]
    Bugs(BugsArgs),
    /// Run the allocator on real threads, and replay what they did on the image and the Model
    Soak(SoakArgs),
    /// Serve requests on standard input (used by the other verbs)
    #[command(hide = true)]
    Worker,
    /// Fuzz for a while, merge the corpus and keep what was found (used by scripts/fuzz-all)
    #[command(hide = true)]
    FuzzSession(FuzzSessionArgs),
    /// Run a compiler confined (used by the other verbs)
    #[command(hide = true)]
    Sandbox(SandboxArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For machines: one versioned object.
    Json,
}

// Shared by all verbs that build an image, so that a command line can be kept and only its verb be changed.
#[derive(Debug, Clone, Args)]
pub struct ImageArgs {
    /// Kernel tree: 6.12, 6.1 or a directory
    #[arg(long, default_value = "6.12", value_name = "NAME|DIR")]
    pub tree: String,
    /// Revision of the git checkout given with --tree; the checkout itself is left alone
    #[arg(long, value_name = "REV", requires = "tree")]
    pub rev: Option<String>,
    /// Patch to apply: a diff, `git format-patch` output or an mbox; may be given several times
    #[arg(long, value_name = "FILE")]
    pub patch: Vec<PathBuf>,
    /// Variant of our own to apply, such as v4 (see docs/check.md)
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Take patches as a mail or a web page shows them: quoted, escaped, without tabs and blanks
    #[arg(long, requires = "patch")]
    pub patch_lenient: bool,
    /// Edit of our own to apply (see `bugs/`); may be given several times
    #[arg(long, value_name = "NAME")]
    pub edit: Vec<String>,
    /// Kernel configuration
    #[arg(long, default_value = "smp", value_name = "smp|smp-nomemcg")]
    pub config: String,
}

impl ImageArgs {
    /// The image these options describe, not yet built: the tree may not exist, and the patches may not apply. Only
    /// the name of the configuration is checked here.
    ///
    /// # Errors
    /// There is no such configuration, or the path of this executable is not known.
    pub fn spec(&self) -> Result<ImageSpec, CliError> {
        Ok(ImageSpec {
            tree: self.tree.clone(),
            rev: self.rev.clone(),
            patches: self.patch.clone(),
            variant: self.variant.clone(),
            lenient: self.patch_lenient,
            // Only `check --each` takes a part of a series, and sets this for each step.
            upto: None,
            // Verbs that report the coverage of a patch set it: to count costs a little.
            coverage: false,
            // Verbs that run one program add those of the program.
            calls: Vec::new(),
            program: Some(this_program()?),
            edits: self.edit.clone(),
            config: self.config.parse().map_err(percuss::image::ImageError::from)?,
        })
    }
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub image: ImageArgs,
    #[command(flatten)]
    pub base: BaseArgs,
    /// What a divergence from the Model means. auto: it is a finding, unless it comes from a change: then the rules say
    /// whether that is wrong. lockstep: it is a finding. rules: the rules alone say what is wrong
    #[arg(long, value_name = "auto|lockstep|rules", default_value = "auto", value_parser = judge_by())]
    pub judge: JudgeBy,
    /// Show all findings of known bugs, and what programs were made of
    #[arg(short, long)]
    pub verbose: bool,
    /// Check after every patch of a series
    #[arg(long, requires = "patch")]
    pub each: bool,
    /// Generated programs
    #[arg(long, default_value_t = 20_000, conflicts_with = "time")]
    pub programs: u64,
    /// Generate programs for this long instead, such as 30s, 10m or 2h
    #[arg(long, value_parser = duration)]
    pub time: Option<Duration>,
    /// Seed of the generator
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Generate programs with at least so many tasks, at most 16
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=limits::TASKS as i64))]
    pub tasks: Option<u8>,
    /// Worker processes; as many as there are processors when left out. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Do not run these oracles (for trying what an oracle can do alone)
    #[arg(long, value_name = "ORACLE", value_parser = switches())]
    pub without: Vec<OracleKind>,
    /// Where programs of new findings are written
    #[arg(long, value_name = "DIR", default_value = "percuss-findings")]
    pub out: PathBuf,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct SoakArgs {
    #[command(flatten)]
    pub image: ImageArgs,
    /// Threads that call the allocator at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub threads: u16,
    /// How long, such as 30s, 10m or 2h
    #[arg(long, value_parser = duration, default_value = "10m", conflicts_with = "epochs")]
    pub time: Duration,
    /// Run so many epochs instead
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Ops of an epoch, about
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(16..=20_000))]
    pub ops: u32,
    /// Seed of the epochs' programs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Run an instance of its own on each thread instead of a shared one: generated programs, as `check` does
    #[arg(long, conflicts_with_all = ["epochs", "ops", "resume"])]
    pub apart: bool,
    /// Run the image that is linked into this program, for a thread sanitizer that writes its reports to FILE.PID
    /// (see scripts/soak --tsan)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apart", "resume", "state"])]
    pub races: Option<PathBuf>,
    /// Go on where the soak of the state file ended
    #[arg(long)]
    pub resume: bool,
    /// The state file; `soak-state.json` in the directory of `--out` when left out
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Where programs of new findings are written
    #[arg(long, value_name = "DIR", default_value = "percuss-findings")]
    pub out: PathBuf,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The program, as text or bytes; `-` is standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub image: ImageArgs,
    /// Ops to list with what became of each: about 60 lines of them, or all
    #[arg(long, value_enum, default_value_t = Listed::Some)]
    pub ops: Listed,
    /// Show debugfs percpu_stats before and after the program, and what an atomic caller would be granted then
    #[arg(long)]
    pub stats: bool,
    /// Show all events
    #[arg(long)]
    pub events: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// How many ops `replay` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    Some,
    All,
    None,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The program, as text or bytes; `-` is standard input
    pub file: PathBuf,
    /// Write the byte form, which fuzzers mutate, to this file instead
    #[arg(long, value_name = "OUT")]
    pub to_bytes: Option<PathBuf>,
    /// Run it on the Model and show what each task does, a column each, and where it is preempted or waits
    #[arg(long, conflicts_with = "to_bytes")]
    pub interleaving: bool,
}

#[derive(Debug, Args)]
pub struct MinimizeArgs {
    /// The program, as text or bytes; `-` is standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub image: ImageArgs,
    /// Only the finding whose title or quirk contains this
    #[arg(long, value_name = "TEXT")]
    pub finding: Option<String>,
    /// Try at most so many programs
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub tries: u32,
}

#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// Names, such as S1; their reports and programs are shown
    pub names: Vec<String>,
    /// The image that is varied
    #[command(flatten)]
    pub image: ImageArgs,
    /// Columns computed at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub jobs: usize,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The image after the change; the one before is its tree alone, if nothing else is said.
    #[command(flatten)]
    pub image: ImageArgs,
    /// The tree before the change: 6.12, 6.1 or a directory
    #[arg(long, value_name = "NAME|DIR")]
    pub against: Option<String>,
    /// Its revision; of the tree given with --tree when --against is left out
    #[arg(long, value_name = "REV")]
    pub against_rev: Option<String>,
    /// Patch of the image before the change; may be given several times
    #[arg(long, value_name = "FILE")]
    pub against_patch: Vec<PathBuf>,
    /// Variant of the image before the change
    #[arg(long, value_name = "NAME")]
    pub against_variant: Option<String>,
    /// Generated programs to run besides scenarios and corpus
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub programs: u64,
    /// Seed of generated programs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Show the programs as they were run, not made small
    #[arg(long)]
    pub no_minimize: bool,
    /// Pairs of worker processes; as many as there are processors when left out. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    pub image: ImageArgs,
    /// Generated programs to run besides the scenarios
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub programs: u64,
    /// Seed of generated programs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only what may enter reclaim of file systems or devices with pcpu_alloc_mutex held
    #[arg(long)]
    pub under_mutex: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BugsFormat {
    /// For people.
    Human,
    /// For machines: one versioned object.
    Json,
    /// For docs/detection.md.
    Markdown,
}

// Without the options for patches: the bugs are the edits that are measured.
#[derive(Debug, Args)]
pub struct BugsArgs {
    /// Names of seeded bugs (see `bugs/seeded/`), such as B23; all when left out
    pub names: Vec<String>,
    /// Kernel tree to put them into: 6.12, 6.1 or a directory
    #[arg(long, default_value = "6.12", value_name = "NAME|DIR")]
    pub tree: String,
    /// Kernel configuration
    #[arg(long, default_value = "smp", value_name = "smp|smp-nomemcg")]
    pub config: String,
    /// Searches for each bug, with seeds 1 to N
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Longest time of one search
    #[arg(long, value_name = "T", default_value = "60s", value_parser = duration)]
    pub limit: Duration,
    /// Searches at once; as many as there are processors when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Do not run these oracles (for trying what the others can do)
    #[arg(long, value_name = "ORACLE", value_parser = switches())]
    pub without: Vec<OracleKind>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = BugsFormat::Human)]
    pub format: BugsFormat,
}

#[derive(Debug, Args)]
pub struct TreeArgs {
    #[command(flatten)]
    pub image: ImageArgs,
    /// Write the changed files to a directory, as PERCUSS_PATCHED takes them (see docs/fuzzing.md)
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

// Never typed by people: percuss starts itself with these.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Directory that may be read
    #[arg(long, value_name = "DIR")]
    pub read: Vec<PathBuf>,
    /// Directory that may be written
    #[arg(long, value_name = "DIR")]
    pub write: Vec<PathBuf>,
    /// What to run
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct FuzzSessionArgs {
    /// The target
    #[arg(value_parser = target)]
    pub target: &'static Target,
    /// Its binary
    #[arg(long, value_name = "FILE")]
    pub binary: PathBuf,
    /// Its corpus, which other sessions may use at the same time
    #[arg(long, value_name = "DIR")]
    pub corpus: PathBuf,
    /// Its seeds
    #[arg(long, value_name = "DIR")]
    pub seeds: PathBuf,
    /// Where findings are kept
    #[arg(long, value_name = "DIR")]
    pub findings: PathBuf,
    /// How long to fuzz, such as 30s, 10m or 2h
    #[arg(long, value_parser = duration)]
    pub time: Duration,
    /// Processes that fuzz at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: u16,
    /// The image on which programs are made small: that of the binary
    #[command(flatten)]
    pub image: ImageArgs,
}

fn target(name: &str) -> Result<&'static Target, String> {
    fuzz::target(name).ok_or_else(|| {
        // Scripts name targets, so the message has to help after one is renamed.
        let names: Vec<&str> = fuzz::TARGETS.iter().map(|t| t.name).collect();
        format!("there is no target `{name}`; there are {}", names.join(", "))
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    // A bare number is seconds; fractions and sums such as 1h30m are not needed for a limit.
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let scale = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("`{text}` is no duration; use 30s, 10m or 2h")),
    };
    let n: u64 = number.parse().map_err(|_| format!("`{text}` is no duration; use 30s, 10m or 2h"))?;
    // The number fits, but its seconds may not: `u64::MAX` hours must not wrap around to a short time.
    n.checked_mul(scale).map(Duration::from_secs).ok_or_else(|| format!("`{text}` is too long"))
}

fn judge_by() -> impl TypedValueParser<Value = JudgeBy> {
    PossibleValuesParser::new(["auto", "lockstep", "rules"]).map(|name| match name.as_str() {
        "lockstep" => JudgeBy::Lockstep,
        "rules" => JudgeBy::Rules,
        _ => JudgeBy::Auto,
    })
}

fn switches() -> impl TypedValueParser<Value = OracleKind> {
    // A parser of names rather than a function, so that `--help` lists the values.
    let names = PossibleValuesParser::new(OracleKind::switches().map(OracleKind::name));
    names.map(|name| OracleKind::by_name(&name).expect("the parser lets only these names through"))
}
