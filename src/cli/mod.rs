// SPDX-License-Identifier: GPL-2.0-only
//! The command line: one file a verb. A verb reads its input, calls the library and prints a report; what it returns
//! is the [`Exit`]. Nothing here is part of the library's interface.

mod args;
mod audit;
mod base;
mod bugs;
mod check;
mod diff;
mod each;
mod error;
mod exit;
mod fuzz;
mod input;
mod interrupt;
mod minimize;
mod output;
mod program;
mod progress;
mod replay;
mod scenario;
mod show;
mod soak;
mod tree;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
pub use error::CliError;
use exit::Exit;
use percuss::sandbox::{Workshop, become_confined};

/// Runs the command that the arguments of the process ask for; the exit code is the verdict. Results go to standard
/// output, everything else to standard error.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            // `--help` and `--version` arrive as errors too, but go to standard output and are none.
            return ExitCode::from(if e.use_stderr() { Exit::Error } else { Exit::Clean });
        }
    };
    let result = match cli.verb {
        Verb::Check(args) => check::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Minimize(args) => minimize::run(&args),
        Verb::Tree(args) => tree::run(&args),
        Verb::Scenario(args) => scenario::run(&args),
        Verb::Soak(args) => soak::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Audit(args) => audit::run(&args),
        Verb::Bugs(args) => bugs::run(&args),
        Verb::FuzzSession(args) => fuzz::session(&args),
        Verb::Sandbox(args) => {
            let shop = Workshop { read: args.read, write: args.write };
            // Returns only if the command could not be started, as it replaces this process.
            let error = become_confined(&shop, &args.command);
            output::tell(&format!("cannot run {}: {error}", args.command[0].display()));
            // For the driver that started it, which has to tell this from what a compiler returns.
            return ExitCode::from(percuss_shim::compile::NOT_STARTED as u8);
        }
        Verb::Worker => percuss::worker::serve().map(|()| Exit::Clean).map_err(CliError::from),
    };
    let exit = result.unwrap_or_else(|e| {
        // Printing consumes the error, so its code is taken first.
        let exit = e.exit();
        e.print();
        exit
    });
    ExitCode::from(exit)
}
