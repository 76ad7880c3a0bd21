// SPDX-License-Identifier: GPL-2.0-only
//! A revision of a git checkout, taken out of its history into the cache. The checkout itself is only read.
//!
//! `--rev` and a bisection over a series of commits use this: a commit's tree is taken once and found again by the
//! commit's name, however the revision was spelled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::cache::Resolver;
use super::stamp::Stamp;
use super::{Origin, Tree, TreeError, manifest};

/// Stands for a tarball's size and time of change in the stamp. A commit has neither, and needs none: its name, which
/// is that of the directory, determines its content.
const IDENTITY: (u64, u128) = (0, 0);

impl Resolver {
    /// The tree of revision `rev`, in any spelling git understands, of the checkout `spec`.
    ///
    /// # Errors
    /// [`TreeError::Revision`] when it is no checkout or git has no such kernel; others when the cache cannot be
    /// written.
    pub fn revision(&self, spec: &str, rev: &str) -> Result<Tree, TreeError> {
        let git = Checkout { dir: Path::new(spec), rev };
        if manifest().entry(spec).is_some() || !git.dir.is_dir() {
            return Err(git.refused("it is no directory"));
        }
        let commit = git.commit()?;
        let name = format!("rev-{commit}");
        let dir = self.cache.join(&name);
        // Looked at twice, before and under the lock, as for tarballs.
        let current = || Stamp::read(&dir).is_some_and(|stamp| stamp.matches(&dir, Some(IDENTITY)));
        if !current() {
            let _lock = self.lock(&name)?;
            if !current() {
                (self.notice)(&format!("taking revision {rev} from {spec} (once)"));
                let scratch = self.scratch(&name)?;
                let taken = scratch.path().join("tree");
                fs::create_dir(&taken).map_err(|source| self.unwritable(source))?;
                git.take(&commit, &taken)?;
                // Checked before it is renamed into place, so that a commit that is no kernel is not kept.
                Tree::open(spec, taken.clone(), Origin::Directory)?;
                Stamp::new(&taken, IDENTITY, None)?.write(&taken).map_err(|source| self.unwritable(source))?;
                if dir.exists() {
                    fs::rename(&dir, scratch.path().join("old")).map_err(|source| self.unwritable(source))?;
                }
                fs::rename(&taken, &dir).map_err(|source| self.unwritable(source))?;
            }
        }
        // A name for reports; with `--always` it is the commit's where there is no tag.
        let describe = git.says(&["describe", "--tags", "--always", "--abbrev=12", &commit]);
        let origin = Origin::Git { describe: describe.unwrap_or_else(|_| commit.clone()), commit };
        Tree::open(&format!("{spec} at {rev}"), dir, origin)
    }
}

/// A checkout and the revision that the user asked for, which errors quote.
struct Checkout<'a> {
    dir: &'a Path,
    rev: &'a str,
}

impl Checkout<'_> {
    fn refused(&self, detail: impl Into<String>) -> TreeError {
        TreeError::Revision { dir: PathBuf::from(self.dir), rev: self.rev.to_owned(), detail: detail.into() }
    }

    fn git(&self, args: &[&str]) -> Command {
        let mut git = Command::new("git");
        // Errors quote git's messages, so they are always in one language.
        git.arg("-C").arg(self.dir).args(args).env("LC_ALL", "C").stdin(Stdio::null());
        git
    }

    fn run(&self, args: &[&str]) -> Result<Output, TreeError> {
        self.git(args).output().map_err(|source| no_tool("git", source))
    }

    /// What git prints to standard output, without blanks around it.
    ///
    /// # Errors
    /// The first line that git prints to standard error when it fails.
    fn says(&self, args: &[&str]) -> Result<String, TreeError> {
        let out = self.run(args)?;
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned());
        }
        Err(self.refused(first_line(&out.stderr, "git does not know it")))
    }

    fn commit(&self) -> Result<String, TreeError> {
        // Below the top, or in some other checkout, paths would mean something else.
        if !self.says(&["rev-parse", "--show-prefix"])?.is_empty() {
            return Err(self.refused("it is not the top directory of a git checkout"));
        }
        // `^{commit}` follows tags to what they name; `--end-of-options` keeps a revision that begins with a dash from
        // being taken for an option.
        let wanted = format!("{}^{{commit}}", self.rev);
        let out = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])?;
        if !out.status.success() {
            return Err(self.refused(first_line(&out.stderr, "there is no such commit")));
        }
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Unpacks what the manifest lists into `into`, as far as the commit has it. `git archive` fails for a plain path
    /// that the commit lacks, so those are looked up before; a wildcard without a match is no error.
    fn take(&self, commit: &str, into: &Path) -> Result<(), TreeError> {
        for file in &manifest().required {
            if self.says(&["ls-tree", "--name-only", commit, "--", file])?.is_empty() {
                return Err(self.refused(format!("it is no kernel that percuss can use: it has no {file}")));
            }
        }
        let (globs, plain): (Vec<&str>, Vec<&str>) =
            manifest().unpack.iter().map(String::as_str).partition(|path| path.contains('*'));
        let there = self.says(&[&["ls-tree", "--name-only", commit, "--"], &plain[..]].concat())?;
        let paths: Vec<&str> = there.lines().chain(globs).collect();
        // `git archive` and not a worktree, which would write to the checkout.
        let mut archive = self
            .git(&[&["archive", "--format=tar", commit, "--"], &paths[..]].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| no_tool("git", source))?;
        let tar = Command::new("tar")
            .args(["-x", "-f", "-", "--no-same-owner", "-C"])
            .arg(into)
            .env("LC_ALL", "C")
            .stdin(archive.stdout.take().expect("stdout is piped"))
            .stdout(Stdio::null())
            .output()
            .map_err(|source| no_tool("tar", source));
        // Both are waited for before either is judged, or a zombie would stay.
        let archive = archive.wait_with_output().map_err(|source| no_tool("git", source))?;
        let tar = tar?;
        // git first: when it fails, tar complains only about the end of its input.
        if !archive.status.success() {
            return Err(self.refused(first_line(&archive.stderr, "git archive fails")));
        }
        if !tar.status.success() {
            return Err(self.refused(first_line(&tar.stderr, "tar fails")));
        }
        Ok(())
    }
}

fn no_tool(tool: &str, source: std::io::Error) -> TreeError {
    TreeError::NoTool { tool: tool.to_owned(), package: tool.to_owned(), source }
}

fn first_line(text: &[u8], otherwise: &str) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(otherwise).to_owned()
}
