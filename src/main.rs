// SPDX-License-Identifier: GPL-2.0-only
//! The percuss command.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
