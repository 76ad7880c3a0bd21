// SPDX-License-Identifier: GPL-2.0-only
//! Worker processes. Images run in them, since an image may crash, hang or fill the memory: [`Client`] makes the calls of
//! the protocol and starts a process when it needs one, [`serve`] is what the process does.

mod answers;
mod client;
mod clock;
mod process;
mod protocol;
mod schedule;
mod serve;
mod small;
mod told;
mod wire;

pub use answers::examiner;
pub use client::{Client, RETRIES, probe};
pub use clock::cpu_limit;
pub use process::{Ended, Lost, SILENCE};
pub use protocol::{
    AsItRuns, AskBefore, Before, ByOp, ChosenTurn, Cut, Locate, Logs, Minimize, Observe, ReadLogs, ReadStats, RunBatch,
    RunEpoch, RunOne, RunSteps, Setup, StepNote,
};
pub use serve::serve;
pub use small::{Shrink, reduce, with_whole_ops};
pub use told::{took, with_turns};
pub use wire::Call;
