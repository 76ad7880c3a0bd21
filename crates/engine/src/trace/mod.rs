// SPDX-License-Identifier: GPL-2.0-only
//! Traces of real kernels: the percpu tracepoints as ftrace prints them, and the program that asks for the same.

mod import;
mod parse;

pub use import::Imported;
pub use parse::{Event, Record, Trace, TraceError};

/// The text is a trace: one of its lines is a percpu event. Lines of a program are none, its comments included.
pub fn is_trace(text: &str) -> bool {
    text.lines().any(|line| !line.starts_with('#') && parse::event(line).is_some())
}
