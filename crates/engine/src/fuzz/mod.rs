// SPDX-License-Identifier: GPL-2.0-only
//! Fuzzing: what each target does with bytes, what is printed and kept of a finding, and sessions of hours on one
//! machine.
//!
//! The targets themselves (`fuzz/fuzz_targets/`) are glue, since they build only with a fuzzer's flags; everything that
//! can go wrong is here and is tested without a fuzzer.
//!
//! A session runs a fuzzer ([`session`]), whose process starts a [`Runner`] and gives it one input after the other. The
//! target turns bytes into a program ([`Target`]), the runner judges it ([`Lockstep`], [`Pair`]), and a finding is
//! printed and saved before the process dies ([`guard`]). The session then files it ([`findings`]) and merges the
//! corpus ([`corpus`]).

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
