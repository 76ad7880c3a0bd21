// SPDX-License-Identifier: GPL-2.0-only
//! Traces of real kernels: the percpu tracepoints as ftrace prints them, and the program that asks for the same.
//!
//! Programs that are generated ask for what the generator thinks of. A trace brings the sizes, alignments and lifetimes
//! of a real workload, which then runs under every oracle and on any tree.

mod import;
mod parse;

pub use import::Imported;
pub use parse::{Event, Record, Trace, TraceError};

/// Whether the text is a trace: one of its lines is a percpu event. The command takes traces wherever it takes
/// programs, and distinguishes them with this; no line of a program is an event, not even a comment that quotes one.
pub fn is_trace(text: &str) -> bool {
    text.lines().any(|line| !line.starts_with('#') && parse::event(line).is_some())
}
