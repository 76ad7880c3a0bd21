// SPDX-License-Identifier: GPL-2.0-only
//! Campaigns: many programs, examined by worker processes, put together into one result.

mod attribute;
mod child;
mod drive;
mod examine;
pub mod fuzz;
mod load;
mod message;
mod watch;
mod worker;

pub use attribute::{ModelRun, Tally, Variants};
pub use child::Lost;
pub use drive::{Extent, Progress, crash, generated, logs, minimize, one};
pub use examine::{Examiner, Oracles, Verdict, image_host};
pub use load::{LoadError, PROBES, examiner, image_session, on_world, probe};
pub use message::{Batch, Found, Like, Setup};
pub use watch::{HintWatch, SeenBelow, SeenRoom};
pub use worker::serve;

/// The executable that knows the `worker` command: ourselves, or what `PERCUSS_WORKER` names (for tests, whose
/// own executable is the test runner).
fn worker_executable() -> std::io::Result<std::path::PathBuf> {
    match std::env::var_os("PERCUSS_WORKER") {
        Some(path) => Ok(path.into()),
        None => std::env::current_exe(),
    }
}
