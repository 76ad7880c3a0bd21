// SPDX-License-Identifier: GPL-2.0-only
//! Worker processes: what they are asked and answer, how one is driven, and what it does.

mod client;
mod protocol;
pub mod schedule;
mod serve;

pub use client::{Lost, RETRIES, SILENCE, Worker};
pub use protocol::{Reply, Request, Setup, cpu_limit};
pub use serve::{examiner, serve};
