// SPDX-License-Identifier: GPL-2.0-only
//! Ctrl-C and SIGTERM: the first signal ends the campaign, whose results until then are shown; the second ends percuss
//! at once. A campaign of hours is not lost because it is stopped early.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::signal::{SigSet, Signal};
use percuss::campaign::Progress;

use super::Exit;
use super::output::tell;

/// Signals wait for a thread of ours from here on. Worker processes are started with them blocked: they end with us.
///
/// # Errors
/// The system refuses a thread or the mask.
pub fn catch(progress: Arc<Progress>) -> std::io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    // Blocked before the thread is started: it and all later threads inherit the mask, so that only `wait` takes a
    // signal.
    signals.thread_block()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while signals.wait().is_ok() {
            if progress.stop.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(Exit::Error.code()));
            }
            tell("percuss: stopping; once more to stop at once");
        }
    })?;
    Ok(())
}
