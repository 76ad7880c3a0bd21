// SPDX-License-Identifier: GPL-2.0-only
//! Running the percuss command as a user does, and the kernel trees that most tests need.
//!
//! A test without its tree prints why it is skipped and passes, so that a checkout without Debian's source packages can
//! run the others.
#![allow(dead_code)] // each test binary uses its own part

pub mod patch;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use percuss::tree::{Tree, find_checkout};

/// How long a command may take. The longest needs seconds; a busy machine with few cores takes many times as long, and
/// a command that hangs has to end before the runner of the tests ends all of them.
const LIMIT: Duration = Duration::from_secs(300);

pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The command with these arguments, without what a developer's environment changes in its output: colours, the
/// language of messages, and backtraces.
pub fn command(args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_percuss"));
    c.args(args).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    c
}

/// Runs a command to its end and returns its exit code and output. Panics when it takes longer than [`LIMIT`], ends by
/// a signal, or panics itself.
pub fn run(mut command: Command) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(child)
}

/// As [`run`], for a command that the test has started itself in order to send it a signal or to close its pipes.
pub fn wait(mut child: Child) -> Done {
    // A thread for each pipe: a command that fills one while the other is read would wait for ever.
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.map(|mut p| p.read_to_end(&mut text)).transpose().unwrap();
            String::from_utf8(text).unwrap()
        })
    };
    let out = read(child.stdout.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let err = read(child.stderr.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let until = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > until => {
                child.kill().unwrap();
                panic!("the command hangs");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    assert!(!err.contains("panicked"), "{err}");
    Done { code: status.code().unwrap_or_else(|| panic!("{status}: {err}")), out, err }
}

pub fn percuss(args: &[&str]) -> Done {
    run(command(args))
}

/// The 6.12 tree; None when it is not installed, after printing why the test is skipped.
pub fn tree() -> Option<Tree> {
    match Tree::resolve("6.12", &checkout()) {
        Ok(tree) => Some(tree),
        Err(e) => {
            eprintln!("skipped: {e}");
            None
        }
    }
}

pub const TREES: [&str; 2] = ["6.12", "6.1"];

/// True when all of [`TREES`] are installed; otherwise the reason for the skipped test is printed.
pub fn has_trees() -> bool {
    TREES.iter().all(|name| match Tree::resolve(name, &checkout()) {
        Ok(_) => true,
        Err(e) => {
            eprintln!("skipped: {e}");
            false
        }
    })
}

pub fn checkout() -> PathBuf {
    find_checkout().expect("tests run in the checkout")
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// A tree in which the series is merged: 6.12 with our variant of it, written to `dir` without a word of percuss. None
/// without the tree.
pub fn merged(dir: &Path) -> Option<PathBuf> {
    let tree = tree()?;
    let (top, scratch) = (dir.join("merged"), dir.join("overlay"));
    copy(&tree.dir, &top);
    let overlay = percuss::edit::apply(&[percuss::edit::Edit::load("v4").unwrap()], &tree, &scratch).unwrap();
    for (file, _) in &tree.files {
        fs::write(top.join(file), overlay.read(file).unwrap().replace("/* percuss v4 */ ", "")).unwrap();
    }
    Some(top)
}
