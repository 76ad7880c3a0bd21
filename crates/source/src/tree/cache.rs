// SPDX-License-Identifier: GPL-2.0-only
//! From a spec to a tree: the cache of unpacked tarballs.
//!
//! A tree is unpacked beside its place and renamed into it, under a lock; a stamp in it records from which tarball it
//! came, so that an upgraded package is unpacked anew and a tree that was edited is not taken for the kernel's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::{env, io};

use super::stamp::{self, Stamp};
use super::unpack::{Tools, unpack};
use super::{Entry, Origin, Tree, TreeError, manifest, origin};

/// Finds trees: tarballs in one directory, unpacked trees in another. Several processes may share a cache; each name
/// has a lock of its own.
#[derive(Clone, Debug)]
pub struct Resolver {
    pub tarballs: PathBuf,
    /// Where unpacked trees are kept, one directory per name.
    pub cache: PathBuf,
    /// Called with a sentence when something slow begins; prints it to standard error unless replaced.
    pub notice: fn(&str),
    tools: Tools,
}

impl Resolver {
    pub fn new(tarballs: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Resolver {
        Resolver {
            tarballs: tarballs.into(),
            cache: cache.into(),
            notice: |text| eprintln!("percuss: {text}"),
            tools: Tools::default(),
        }
    }

    /// The same with other programs in place of `xz` and `tar`. Tests use it to see what happens when one is missing or
    /// fails.
    pub fn with_tools(mut self, xz: &str, tar: &str) -> Resolver {
        self.tools = Tools { xz: xz.into(), tar: tar.into() };
        self
    }

    /// Tarballs from `PERCUSS_TARBALL_DIR` or the distribution's place. Cache: `PERCUSS_CACHE`, else `vendor/trees`
    /// when `root` is a checkout of percuss, else the user's cache directory. A variable that is set to nothing counts
    /// as unset.
    ///
    /// # Errors
    /// [`TreeError::NoCache`] when none of the three places exists.
    pub fn from_env(root: &Path) -> Result<Resolver, TreeError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let tarballs = set("PERCUSS_TARBALL_DIR").unwrap_or_else(|| manifest().tarballs.clone());
        let cache = if let Some(dir) = set("PERCUSS_CACHE") {
            dir.join("trees")
        } else if is_checkout(root) {
            // Tests and `cargo run` need no setting, and the trees go away with the checkout.
            root.join("vendor/trees")
        } else if let Some(dir) = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))) {
            dir.join("percuss/trees")
        } else {
            return Err(TreeError::NoCache);
        };
        Ok(Resolver::new(tarballs, cache))
    }

    /// The tree `spec` names: a name of the manifest first, else a directory. A directory called `6.12` is `./6.12`.
    ///
    /// # Errors
    /// See [`Tree::resolve`].
    pub fn resolve(&self, spec: &str) -> Result<Tree, TreeError> {
        if let Some(entry) = manifest().entry(spec) {
            return self.named(entry);
        }
        let dir = Path::new(spec);
        if dir.is_dir() {
            return Tree::open(spec, dir.to_owned(), Origin::of_directory(dir));
        }
        Err(TreeError::unknown(spec))
    }

    /// Unpacks the tarball of the named tree once more and compares every file with the cached tree. The stamp holds
    /// the hashes of the allocator's files only; this is for doubts about the headers.
    ///
    /// # Errors
    /// [`TreeError::Differs`] names the first file that differs, besides those of [`Resolver::resolve`].
    pub fn verify(&self, name: &str) -> Result<Tree, TreeError> {
        let entry = manifest().entry(name).ok_or_else(|| TreeError::unknown(name))?;
        // Before the lock, which this takes itself when the tree has to be unpacked.
        let tree = self.named(entry)?;
        let _lock = self.lock(name)?;
        let scratch = self.scratch(name)?;
        unpack(&self.tools, entry, &self.tarball(entry)?.0, scratch.path())?;
        match first_difference(scratch.path(), &tree.dir).map_err(|source| self.unwritable(source))? {
            Some(file) => Err(TreeError::Differs { dir: tree.dir, file }),
            None => Ok(tree),
        }
    }

    fn named(&self, entry: &Entry) -> Result<Tree, TreeError> {
        let dir = self.cache.join(&entry.name);
        let tarball = self.tarball(entry);
        // Without a tarball, a tree that was unpacked before is still good.
        let identity = tarball.as_ref().ok().map(|found| found.1);
        let current = || Stamp::read(&dir).filter(|stamp| stamp.matches(&dir, identity));
        if let Some(stamp) = current() {
            return stamp.open(entry, dir);
        }
        let (path, identity) = tarball?;
        let _lock = self.lock(&entry.name)?;
        if let Some(stamp) = current() {
            // Another process unpacked it while this one waited for the lock.
            return stamp.open(entry, dir);
        }

        (self.notice)(&format!("unpacking {} (once, some 15 seconds)", path.display()));
        let scratch = self.scratch(&entry.name)?;
        let unpacked = scratch.path().join("tree");
        fs::create_dir(&unpacked).map_err(|source| self.unwritable(source))?;
        unpack(&self.tools, entry, &path, &unpacked)?;
        // dpkg's version is that of the tarball in the distribution's place, not of a copy elsewhere.
        let ours = self.tarballs == manifest().tarballs;
        let package_version = ours.then(|| origin::package_version(&entry.package)).flatten();
        let stamp = Stamp::new(&unpacked, identity, package_version)?;
        stamp.write(&unpacked).map_err(|source| self.unwritable(source))?;
        // A rename does not replace a directory that has files. The old one goes away with the scratch directory.
        if dir.exists() {
            fs::rename(&dir, scratch.path().join("old")).map_err(|source| self.unwritable(source))?;
        }
        fs::rename(&unpacked, &dir).map_err(|source| self.unwritable(source))?;
        stamp.open(entry, dir)
    }

    /// The tarball's path, its size in bytes and its time of change in nanoseconds since 1970: what the stamp compares
    /// to see whether a package was upgraded, since hashing 140 MB at each start would take too long.
    fn tarball(&self, entry: &Entry) -> Result<(PathBuf, (u64, u128)), TreeError> {
        let tarball = self.tarballs.join(&entry.tarball);
        match fs::metadata(&tarball) {
            Ok(meta) if meta.is_file() => {
                let mtime = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                Ok((tarball, (meta.len(), mtime.unwrap_or_default().as_nanos())))
            }
            // A directory or a file that cannot be read is as good as none.
            _ => Err(TreeError::NoTarball { name: entry.name.clone(), tarball, package: entry.package.clone() }),
        }
    }

    /// Waits for the lock of one name, kept until the file is dropped, and clears away what a killed process left. The
    /// kernel drops the lock of a process that dies, so no lock stays for ever.
    pub(super) fn lock(&self, name: &str) -> Result<File, TreeError> {
        let made = fs::create_dir_all(&self.cache);
        let file = made.and_then(|()| File::create(self.cache.join(format!(".{name}.lock"))));
        // Waits while another process unpacks the same tree.
        let file = file.and_then(|file| file.lock().map(|()| file)).map_err(|source| self.unwritable(source))?;
        // Under the lock, no living process has a scratch directory of this name.
        for left in fs::read_dir(&self.cache).into_iter().flatten().flatten() {
            if left.path().is_dir() && left.file_name().to_string_lossy().starts_with(&scratch_prefix(name)) {
                // Ignore errors: what cannot be removed only takes space.
                let _ = fs::remove_dir_all(left.path());
            }
        }
        Ok(file)
    }

    /// A directory that is removed when it is dropped. It is in the cache, since a rename works only within a file
    /// system.
    pub(super) fn scratch(&self, name: &str) -> Result<tempfile::TempDir, TreeError> {
        let prefix = scratch_prefix(name);
        tempfile::Builder::new().prefix(&prefix).tempdir_in(&self.cache).map_err(|source| self.unwritable(source))
    }

    pub(super) fn unwritable(&self, source: io::Error) -> TreeError {
        TreeError::Cache { path: self.cache.clone(), source }
    }
}

/// The first file that is in only one of two directories or has another content there. The stamp is not compared: a
/// freshly unpacked tree has none.
fn first_difference(fresh: &Path, cached: &Path) -> io::Result<Option<String>> {
    let (fresh_files, mut cached_files) = (files_below(fresh)?, files_below(cached)?);
    cached_files.retain(|file| file != Path::new(stamp::FILE));
    // Both lists: a file too many is a difference as well.
    for file in fresh_files.iter().chain(&cached_files) {
        let same = fresh_files.binary_search(file).is_ok()
            && cached_files.binary_search(file).is_ok()
            && fs::read(fresh.join(file))? == fs::read(cached.join(file))?;
        if !same {
            return Ok(Some(file.display().to_string()));
        }
    }
    Ok(None)
}

fn files_below(top: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut dirs) = (Vec::new(), vec![top.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A link to a directory is none here, so that no cycle is followed.
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            } else {
                files.push(entry.path().strip_prefix(top).expect("found below it").to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn scratch_prefix(name: &str) -> String {
    format!(".{name}.unpacking-")
}

fn is_checkout(dir: &Path) -> bool {
    dir.join("vendor/manifest.toml").is_file() && dir.join("Cargo.toml").is_file()
}

/// The checkout of percuss that the working directory or else this program is in. None for an installed binary that
/// runs elsewhere.
pub fn find_checkout() -> Option<PathBuf> {
    let up = |start: PathBuf| start.ancestors().find(|dir| is_checkout(dir)).map(Path::to_owned);
    env::current_dir().ok().and_then(up).or_else(|| env::current_exe().ok().and_then(up))
}
