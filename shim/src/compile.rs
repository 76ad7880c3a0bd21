// SPDX-License-Identifier: GPL-2.0-only
//! Compiles the percpu allocator of a kernel tree to an image, a shared object with one entry.
//!
//! The tree's mm/percpu.c is compiled unmodified. Headers that would pull in the rest of the kernel are shadowed by
//! those of this crate, whose functions call the host.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use crate::driver::{CompileError, NOT_STARTED};
use crate::driver::{Job, LIB, build_object, find_compiler, io_error, link_shared, prepare, read_files};

// The C sources and headers of this crate, so that an installed binary needs no source directory.
include!(concat!(env!("OUT_DIR"), "/shim_files.rs"));

/// Kernel configuration of an image.
///
/// The two differ in what mm/percpu.c compiles with CONFIG_MEMCG.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Config {
    /// SMP, NUMA, chunks in vmalloc space, memory control groups.
    #[default]
    Smp,
    SmpNomemcg,
}

impl Config {
    pub const ALL: [Config; 2] = [Config::Smp, Config::SmpNomemcg];

    pub fn name(self) -> &'static str {
        match self {
            Config::Smp => "smp",
            Config::SmpNomemcg => "smp-nomemcg",
        }
    }

    fn defines(self) -> &'static [&'static str] {
        match self {
            Config::Smp => &["-DPERCUSS_MEMCG=1"],
            Config::SmpNomemcg => &[],
        }
    }
}

impl std::str::FromStr for Config {
    type Err = CompileError;

    fn from_str(name: &str) -> Result<Config, CompileError> {
        let found = Config::ALL.into_iter().find(|c| c.name() == name);
        found.ok_or_else(|| CompileError::UnknownConfig(name.to_owned()))
    }
}

#[derive(Clone, Debug)]
pub struct CompileRequest {
    pub tree: PathBuf,
    /// A directory laid out like a tree (patched copies of some files) that stands in front of it.
    pub overlay: Option<PathBuf>,
    pub config: Config,
    pub output: PathBuf,
    /// A directory for intermediate files, made if missing; it may be removed afterwards.
    pub scratch: PathBuf,
    /// More compiler flags, such as `-fsanitize=undefined`.
    pub flags: Vec<OsString>,
    /// A command that is put before those of the compiler and the linker, such as one that confines them to the tree,
    /// because a tree to check need not be trusted. Empty for none.
    pub launcher: Vec<OsString>,
}

#[derive(Clone, Debug)]
pub struct Compiled {
    pub path: PathBuf,
    pub compiler: PathBuf,
    /// The tree's files it was made of, as paths below the tree, sorted: an image is out of date when one of them
    /// changed.
    pub read: Vec<String>,
}

/// Compiles an image of a tree. Nothing outside of `req.scratch` and `req.output` is written.
///
/// # Errors
/// The tree lacks a file, no compiler is found, or the compiler or the linker fails; the error has what they printed.
pub fn compile(req: &CompileRequest) -> Result<Compiled, CompileError> {
    Ok(compile_as(req, |_| Ok(()), |_| Ok(()))?.0)
}

/// Compiles an image; `before` makes files that it needs, and `more` is asked about what was compiled while the job is
/// there.
pub(crate) fn compile_as<T>(
    req: &CompileRequest,
    before: impl FnOnce(&Job<'_>) -> Result<(), CompileError>,
    more: impl FnOnce(&Job<'_>) -> Result<T, CompileError>,
) -> Result<(Compiled, T), CompileError> {
    let compiler = find_compiler()?;
    let shim = req.scratch.join("shim");
    write_headers(&shim)?;
    let tree = absolute(&req.tree)?;
    let overlay = req.overlay.as_deref().map(absolute).transpose()?;
    let job = Job {
        tree: &tree,
        overlay: overlay.as_deref(),
        defines: req.config.defines(),
        shim: &shim,
        generated: &shim.join("generated"),
        scratch: &req.scratch,
        compiler: &compiler,
        flags: &req.flags,
        launcher: &req.launcher,
    };
    prepare(&job)?;
    before(&job)?;
    let object = build_object(&job)?;
    link_shared(&job, &object, &req.output)?;
    let (read, more) = (read_files(&job), more(&job)?);
    Ok((Compiled { path: req.output.clone(), compiler, read }, more))
}

fn absolute(path: &Path) -> Result<PathBuf, CompileError> {
    std::path::absolute(path).map_err(io_error("resolving", path))
}

/// Writes the C sources and headers that an image is compiled with: `include/`, `c/` and `generated/` below `dir`.
///
/// They are embedded in the library, so that an installed binary needs no source directory.
pub fn write_headers(dir: &Path) -> Result<(), CompileError> {
    for (name, text) in SHIM_FILES {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent).map_err(io_error("creating", parent))?;
        std::fs::write(&path, text).map_err(io_error("writing", &path))?;
    }
    Ok(())
}

/// What [`may_read`] says, in words for messages.
pub const COMPILED: &str = "mm/percpu*, the headers these include, and the parts of lib/ they call";

/// Whether `file`, a path below a tree, can be part of an image. Which headers really are, only the compiler knows:
/// [`Compiled::read`].
pub fn may_read(file: &str) -> bool {
    const HEADERS: [&str; 5] = ["linux/", "uapi/", "asm-generic/", "vdso/", "trace/"];
    if let Some(header) = file.strip_prefix("include/") {
        let hidden = || shadow_headers().any(|(path, ..)| path == header);
        return HEADERS.iter().any(|dir| header.starts_with(dir)) && !hidden();
    }
    let lib = |name: &str| LIB.contains(&name) || name.ends_with(".h");
    file.starts_with("mm/percpu") || file.strip_prefix("lib/").is_some_and(lib)
}

/// The shadow headers with their kind and reason, for the documentation: path, `stub` or `custom`, reason.
///
/// The second line of each header is a comment of the form `kind: reason`; one without it is not listed.
pub fn shadow_headers() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SHIM_FILES.iter().filter_map(|(name, text)| {
        let (kind, path) = ["stub", "custom"]
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_prefix("include/")?.strip_prefix(kind)?.strip_prefix('/')?)))?;
        let reason = text.lines().nth(1)?.strip_prefix("/* ")?.strip_prefix(kind)?.strip_prefix(": ")?;
        Some((path, kind, reason.trim_end_matches("*/").trim()))
    })
}

/// Names of the kernel services that are not modelled, sorted: a call ends the program and reports the name, so that a
/// tree is never judged by an answer that was made up.
pub fn not_modelled() -> Vec<&'static str> {
    let mut names: Vec<&str> = SHIM_FILES
        .iter()
        .flat_map(|(_, text)| text.split("percuss_loud_ul(\"").skip(1).chain(text.split("percuss_loud(\"").skip(1)))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
