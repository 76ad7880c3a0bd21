// SPDX-License-Identifier: GPL-2.0-only
//! Confinement: kernel trees and patches are code of others, which is compiled and run here.
//!
//! The compiler is run by `percuss sandbox`, which restricts itself first; a worker process restricts itself before it
//! loads an image, and once more when it is loaded. Everything is done as an unprivileged user. What the system does
//! not support is left out and named in [`Confinement::missing`]: a campaign never fails for it.

mod calls;
mod files;
mod limits;
mod net;
mod workshop;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use limits::MEMORY;
pub use workshop::Workshop;

/// The environment variable that switches confinement off when it is set to anything, for debuggers, which need ptrace,
/// and for systems on which it fails in a new way. Resource limits stay.
pub const OFF: &str = "PERCUSS_NO_SANDBOX";

/// What a process may not do any more, and what could not be enforced. Reports show both: a finding in a process that
/// was not confined may have causes outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    pub done: Vec<String>,
    /// Not in force, each with the reason, such as a kernel without Landlock.
    pub missing: Vec<String>,
}

impl Confinement {
    fn note(&mut self, what: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.done.push(what.to_owned()),
            Err(why) => self.missing.push(format!("{what}: {why}")),
        }
    }
}

pub fn is_off() -> bool {
    std::env::var_os(OFF).is_some_and(|value| !value.is_empty())
}

/// Confines this worker before it loads the image in `dir`, where it may also write. Loading runs the image's
/// constructors, so what may be forbidden before is forbidden before.
pub fn before_loading(dir: &Path) -> Confinement {
    let mut all = before_threads();
    each_thread(dir, &mut all);
    all
}

/// The part of [`before_loading`] that is done once, before there are other threads: the kernel lets only a process of
/// one thread into a new user namespace.
pub fn before_threads() -> Confinement {
    let mut all = Confinement::default();
    all.note("resource limits", limits::worker());
    if is_off() {
        all.missing.push(format!("everything else: switched off by {OFF}"));
    } else {
        all.note("empty network namespace", net::leave());
    }
    all
}

/// The part of [`before_loading`] that every thread does for itself: Landlock and seccomp confine the calling thread,
/// and those it starts. No thread can be made from here on, since `clone` is forbidden.
pub fn each_thread(dir: &Path, all: &mut Confinement) {
    if !is_off() {
        all.note("Landlock: no files outside of the scratch directory", files::worker(dir));
        all.note("seccomp: no sockets, programs or processes", calls::worker());
    }
}

/// Confines this worker once its image is loaded. From here on it needs only its pipes, which are open, so it may open
/// no file at all.
pub fn after_loading(all: &mut Confinement) {
    all.note("resource limit: no file is written", limits::no_writes());
    if !is_off() {
        all.note("Landlock: no files at all", files::none());
        all.note("seccomp: no file is opened for writing", calls::no_writes());
    }
}

/// The command through which `program`, which is percuss, runs a compiler in `shop`: words to put before the compiler's
/// own. Empty when confinement is off.
pub fn launcher(program: &Path, shop: &Workshop) -> Vec<OsString> {
    if is_off() {
        return Vec::new();
    }
    let mut words: Vec<OsString> = vec![program.into(), "sandbox".into()];
    let paths = [("--read", &shop.read), ("--write", &shop.write)];
    for (flag, path) in paths.into_iter().flat_map(|(flag, paths)| paths.iter().map(move |path| (flag, path))) {
        words.extend([flag.into(), path.into()]);
    }
    // What follows are the compiler's words, whose flags are not ours.
    words.push("--".into());
    words
}

/// Confines this process and becomes `command`, by `execve`: the restrictions survive it. Returns only when that fails.
///
/// # Errors
/// The command cannot be run. A restriction that cannot be enforced is no error.
pub fn become_confined(shop: &Workshop, command: &[OsString]) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let Some((program, args)) = command.split_first() else {
        return std::io::Error::other("no command is given");
    };
    // Looked up before the restrictions, so that what is run is what is allowed.
    let program = find(Path::new(program));
    // What is missing here is missing for workers as well, and they report it. seccomp comes last, since it
    // forbids `unshare`.
    let _ = limits::compiler();
    let _ = net::leave();
    let _ = files::compiler(shop, &program);
    let _ = calls::compiler();
    std::process::Command::new(&program).args(args).exec()
}

/// The path of a program, as the shell finds it: as it is given when it has a slash, else in `PATH`.
fn find(program: &Path) -> PathBuf {
    if program.components().count() > 1 {
        return program.to_owned();
    }
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&dirs).map(|dir| dir.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| program.to_owned())
}
