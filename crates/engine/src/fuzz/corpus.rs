// SPDX-License-Identifier: GPL-2.0-only
//! Corpora on disk that neither concurrent sessions nor a kill at any moment can damage.
//!
//! A session's fuzzer writes to a scratch folder of its own. When it ends, the fuzzer's merge, with the corpus locked,
//! picks the inputs worth keeping from scratch and corpus. New ones are added to the corpus by renaming, and only then
//! is what the merge left out removed. What a killed session left in its scratch folder is merged by the next one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use percuss_source::files::{name_of, write_whole};

/// A corpus folder, with the lock and scratch folders beside it.
#[derive(Debug, Clone)]
pub struct Corpus {
    dir: PathBuf,
    /// The parent folder, where scratch folders and locks are: renaming works only within one file system.
    beside: PathBuf,
    name: String,
}

/// The purpose of a scratch folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    New,
    /// Inputs of findings, with their reports.
    Found,
    Merged,
}

/// A folder that one session writes to.
///
/// It stays until [`Scratch::discard`], so that nothing is lost if the session fails or is killed.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    /// A file that is locked while the session lives.
    ///
    /// The system releases the lock when the process dies, however it dies.
    _alive: File,
}

/// Why a merge is not trusted, or the corpus not changed.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// The merge reported another number of inputs than it wrote.
    #[error("the fuzzer kept {said} inputs, but wrote {written}: is the disk full? The corpus is as it was")]
    Count { said: usize, written: usize },
    /// The merge wrote an input that it did not get, such as one cut short.
    #[error("the fuzzer wrote {name}, which is none of its inputs: is the disk full? The corpus is as it was")]
    Broken { name: String },
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, CorpusError> {
    result.map_err(|error| CorpusError::File { path: path.to_owned(), error })
}

/// The regular files of a folder, sorted; none if it is missing.
fn files(dir: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let mut out = Vec::new();
    let entries = match fs::read_dir(dir) {
        // The first session of a target has no corpus yet.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(out),
        entries => at(dir, entries)?,
    };
    for entry in entries {
        let path = at(dir, entry)?.path();
        // Seeds have folders, which their own function reads.
        if path.is_file() {
            out.push(path);
        }
    }
    out.sort();
    Ok(out)
}

/// The inputs in folders and their subfolders, by a hash of the content, so that an input in two places counts once.
fn contents(dirs: &[&Path]) -> Result<BTreeMap<String, Vec<u8>>, CorpusError> {
    let mut all = BTreeMap::new();
    for dir in dirs {
        for path in seeds(dir)? {
            let bytes = at(&path, fs::read(&path))?;
            all.insert(name_of(&bytes), bytes);
        }
    }
    Ok(all)
}

impl Corpus {
    /// Opens the corpus in `dir`, which is created if missing.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn open(dir: &Path) -> Result<Corpus, CorpusError> {
        // The folder need not be there yet. Its parent is needed, to put the lock beside it.
        let dir = at(dir, std::path::absolute(dir))?;
        at(&dir, fs::create_dir_all(&dir))?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = dir.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Corpus { dir, beside, name })
    }

    /// The corpus folder, which fuzzers read.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of inputs.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn count(&self) -> Result<usize, CorpusError> {
        Ok(files(&self.dir)?.len())
    }

    /// Waits until no other session merges into the corpus. None does while the returned file is open.
    ///
    /// # Errors
    /// There can be no lock.
    pub fn lock(&self) -> Result<File, CorpusError> {
        let path = self.beside.join(format!(".{}.lock", self.name));
        // The file stays when the lock is released: removing it would let two sessions lock two files of one name.
        let file = at(&path, File::create(&path))?;
        at(&path, file.lock())?;
        Ok(file)
    }

    /// Creates an empty scratch folder, with a name that no other session uses.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self, usage: Use) -> Result<Scratch, CorpusError> {
        for n in 0.. {
            let dir = self.beside.join(format!(".{}-{usage:?}-{}-{n}", self.name, std::process::id()));
            match fs::create_dir(&dir) {
                // A dead session's process may have had the same number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                made => at(&dir, made)?,
            }
            let path = alive(&dir);
            let file = at(&path, File::create(&path))?;
            at(&path, file.lock())?;
            return Ok(Scratch { dir, _alive: file });
        }
        unreachable!("numbers do not end")
    }

    /// Scratch folders of a kind whose sessions died or failed. Call it with the corpus locked, or two sessions take
    /// the same one.
    ///
    /// # Errors
    /// The folder of the corpus cannot be read.
    pub fn orphans(&self, usage: Use) -> Result<Vec<PathBuf>, CorpusError> {
        let begin = format!(".{}-{usage:?}-", self.name);
        let mut out = Vec::new();
        for entry in at(&self.beside, fs::read_dir(&self.beside))? {
            let path = at(&self.beside, entry)?.path();
            let ours = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&begin));
            // A folder without its lock file is being made at this moment, or its session died then. It is empty in
            // either case.
            let dead = || File::open(alive(&path)).is_ok_and(|file| file.try_lock().is_ok());
            if ours && path.is_dir() && dead() {
                out.push(path);
            }
        }
        out.sort();
        Ok(out)
    }

    /// Makes the corpus what a merge kept of it and of `sources`; returns the numbers of inputs added and removed.
    ///
    /// The merge wrote to `merged` and reported `said` inputs. Call it with the corpus locked.
    ///
    /// # Errors
    /// The merge is not trustworthy, or an input cannot be written. Nothing has been removed then.
    pub fn replace(&self, merged: &Path, said: usize, sources: &[&Path]) -> Result<(usize, usize), CorpusError> {
        // Everything is read before anything is changed, so that a merge that cannot be trusted changes nothing.
        let old = contents(&[&self.dir])?;
        let all = contents(sources)?;
        let kept = contents(&[merged])?;
        let written = files(merged)?.len();
        if written != said {
            return Err(CorpusError::Count { said, written });
        }
        if let Some(name) = kept.keys().find(|name| !all.contains_key(*name) && !old.contains_key(*name)) {
            return Err(CorpusError::Broken { name: name.clone() });
        }
        let mut added = 0;
        for (name, bytes) in kept.iter().filter(|(name, _)| !old.contains_key(*name)) {
            // The name is a hash of the content, so inputs of two sessions cannot overwrite each other.
            let path = self.dir.join(name);
            at(&path, write_whole(merged, &path, bytes))?;
            added += 1;
        }
        // All kept inputs are in the corpus from here on, so a kill in the following loop loses nothing.
        let mut removed = 0;
        for path in files(&self.dir)? {
            let name = name_of(&at(&path, fs::read(&path))?);
            if !kept.contains_key(&name) {
                at(&path, fs::remove_file(&path))?;
                removed += 1;
            }
        }
        Ok((added, removed))
    }
}

/// The lock file of a scratch folder.
fn alive(dir: &Path) -> PathBuf {
    dir.with_extension("alive")
}

impl Scratch {
    /// The folder to write to.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Removes the folder: what was in it is kept elsewhere, or of no use.
    pub fn discard(self) {
        discard(&self.dir);
    }
}

/// The file with what the fuzzer of a scratch folder printed.
pub fn log_of(scratch: &Path) -> PathBuf {
    scratch.with_extension("log")
}

/// Removes a scratch folder with its log and lock.
///
/// One that cannot be removed is an orphan of the next session.
pub fn discard(scratch: &Path) {
    // The lock file goes last: a folder without one counts as being made at this moment, and would never be removed.
    if fs::remove_dir_all(scratch).is_ok() {
        let _ = fs::remove_file(log_of(scratch));
        let _ = fs::remove_file(alive(scratch));
    }
}

/// The files of a folder and its subfolders, sorted.
///
/// # Errors
/// One cannot be read.
pub fn seeds(dir: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let mut out = files(dir)?;
    for entry in at(dir, fs::read_dir(dir))? {
        let path = at(dir, entry)?.path();
        if path.is_dir() {
            out.extend(files(&path)?);
        }
    }
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, inputs: &[&str]) -> Result<(), CorpusError> {
        inputs.iter().try_for_each(|input| at(dir, fs::write(dir.join(format!("x{input}")), input)))
    }

    fn inputs(dir: &Path) -> Result<Vec<String>, CorpusError> {
        Ok(contents(&[dir])?.into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect())
    }

    fn sorted(mut inputs: Vec<String>) -> String {
        inputs.sort();
        inputs.join(" ")
    }

    #[test]
    fn what_the_merge_kept_is_the_corpus() -> Result<(), CorpusError> {
        let home = tempfile::tempdir().expect("a directory");
        let corpus = Corpus::open(&home.path().join("t"))?;
        put(corpus.dir(), &["old", "useless"])?;
        let (scratch, merged) = (corpus.scratch(Use::New)?, corpus.scratch(Use::Merged)?);
        put(scratch.dir(), &["new", "worse"])?;
        put(merged.dir(), &["old", "new"])?;
        assert_eq!(corpus.replace(merged.dir(), 2, &[scratch.dir()])?, (1, 1));
        assert_eq!(sorted(inputs(corpus.dir())?), "new old");
        assert_eq!(corpus.count()?, 2);
        [scratch, merged].into_iter().for_each(Scratch::discard);
        let left: Vec<_> = fs::read_dir(home.path()).expect("readable").collect();
        assert_eq!(left.len(), 1, "{left:?}");
        Ok(())
    }

    /// A merge that ran out of disk space loses files or the ends of them.
    #[test]
    fn a_merge_that_is_not_whole_changes_nothing() -> Result<(), CorpusError> {
        let home = tempfile::tempdir().expect("a directory");
        let corpus = Corpus::open(&home.path().join("t"))?;
        put(corpus.dir(), &["a", "b"])?;
        let (scratch, merged) = (corpus.scratch(Use::New)?, corpus.scratch(Use::Merged)?);
        put(scratch.dir(), &["long input"])?;
        assert!(matches!(corpus.replace(merged.dir(), 3, &[scratch.dir()]), Err(CorpusError::Count { .. })));
        put(merged.dir(), &["a", "b", "long in"])?;
        assert!(matches!(corpus.replace(merged.dir(), 3, &[scratch.dir()]), Err(CorpusError::Broken { .. })));
        assert_eq!(sorted(inputs(corpus.dir())?), "a b");
        Ok(())
    }

    #[test]
    fn what_dead_sessions_left_is_found() -> Result<(), CorpusError> {
        let home = tempfile::tempdir().expect("a directory");
        let (corpus, other) = (Corpus::open(&home.path().join("t"))?, Corpus::open(&home.path().join("t2"))?);
        let alive = corpus.scratch(Use::New)?;
        let (dead, dead_too) = (corpus.scratch(Use::New)?, corpus.scratch(Use::Merged)?);
        let theirs = other.scratch(Use::New)?;
        let path = dead.dir().to_owned();
        // As a killed process does: its locks go, its files stay.
        drop((dead, dead_too));
        assert_eq!(corpus.orphans(Use::New)?, std::slice::from_ref(&path));
        discard(&path);
        assert!(corpus.orphans(Use::New)?.is_empty() && !path.with_extension("alive").exists());
        drop((alive, theirs));
        Ok(())
    }

    /// Two sessions at once: each adds and prunes under the lock, and nothing that either needs goes.
    #[test]
    fn sessions_side_by_side_lose_nothing() -> Result<(), CorpusError> {
        let home = tempfile::tempdir().expect("a directory");
        let corpus = Corpus::open(&home.path().join("t"))?;
        let session = |number: u32| {
            for round in 0..20 {
                let (scratch, merged) = (corpus.scratch(Use::New)?, corpus.scratch(Use::Merged)?);
                let mine = format!("{number}-{round}");
                put(scratch.dir(), &[&mine, "useless"])?;
                let lock = corpus.lock()?;
                let mut keep = inputs(corpus.dir())?;
                keep.push(mine);
                let keep: Vec<&str> = keep.iter().map(String::as_str).collect();
                put(merged.dir(), &keep)?;
                corpus.replace(merged.dir(), keep.len(), &[scratch.dir()])?;
                drop(lock);
            }
            Ok::<_, CorpusError>(())
        };
        std::thread::scope(|s| {
            let all: Vec<_> = (0..4).map(|number| s.spawn(move || session(number))).collect();
            all.into_iter().try_for_each(|one| one.join().expect("no panic"))
        })?;
        assert_eq!(corpus.count()?, 80);
        Ok(())
    }

    #[test]
    fn seeds_may_be_in_folders() -> Result<(), CorpusError> {
        let home = tempfile::tempdir().expect("a directory");
        at(home.path(), fs::create_dir(home.path().join("more")))?;
        for name in ["b", "more/a"] {
            at(home.path(), fs::write(home.path().join(name), name))?;
        }
        assert_eq!(seeds(home.path())?, [home.path().join("b"), home.path().join("more/a")]);
        Ok(())
    }
}
