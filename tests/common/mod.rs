// SPDX-License-Identifier: GPL-2.0-only
//! Running the percuss command.
#![allow(dead_code)] // each test binary uses its own part

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use percuss::tree::{Tree, find_checkout};

/// No command of these tests takes longer, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The command, away from the user's settings.
pub fn command(args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_percuss"));
    c.args(args).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    c
}

/// Runs it to its end, which comes within a limit and is no panic.
pub fn run(mut command: Command) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(child)
}

/// Waits for a command started elsewhere.
pub fn wait(mut child: Child) -> Done {
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

/// Runs percuss with these arguments.
pub fn percuss(args: &[&str]) -> Done {
    run(command(args))
}

/// The 6.12 tree, or a line that says why not.
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

/// Whether all of them are there; a line says which is not.
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

/// Copies a directory with all that is in it.
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
