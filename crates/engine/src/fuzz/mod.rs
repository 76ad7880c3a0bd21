// SPDX-License-Identifier: GPL-2.0-only
//! Fuzzing: what each target does with bytes, what is said and kept of a finding, and sessions on a plain machine.
//!
//! Targets themselves (`fuzz/fuzz_targets/`) are glue: everything here is tested without a fuzzer.

pub mod corpus;
pub mod findings;
pub mod guard;
mod lockstep;
mod pair;
mod parsers;
mod quiet;
mod runner;
pub mod session;
mod shape;
mod target;

pub use lockstep::{Crash, Lockstep, StartError, worthwhile};
pub use pair::{Agreement, Known, Pair};
pub use parsers::{mbox, program_text, trace};
pub use runner::{Runner, Second};
pub use target::{Beside, Kind, TARGETS, Target, target};
