// SPDX-License-Identifier: GPL-2.0-only
//! Strategies decide whose turn it is. What they choose is recorded as turns, which replay the run exactly.
//!
//! [`Pct`] and [`Random`] look for concurrency bugs by chance, [`Exhaustive`] tries all schedules of a small program,
//! [`Replay`] repeats one, and [`Aligned`] repeats one on another tenant.

mod aligned;
mod exhaustive;
mod pct;
mod random;
mod record;
mod replay;

pub use aligned::Aligned;
pub use exhaustive::Exhaustive;
pub use pct::Pct;
pub use random::Random;
pub(super) use record::Recorder;
pub use replay::Replay;

use super::turns::{OpPosition, Ready};
use percuss_program::Turn;

/// Chooses turns. For each turn the scheduler calls [`Strategy::next`], runs the lane, and then calls
/// [`Strategy::went`]. It calls `next` again at once when an interrupt cannot start, and not at all once a schedule is
/// full.
pub trait Strategy {
    /// Whose turn is next, and how far it goes. None, or a lane that cannot run, leaves it to the rule: the first task
    /// that can run, else kswapd; None goes to the end of the op.
    fn next(&mut self, ready: Ready) -> Option<Turn>;

    /// Whether kswapd runs only when it is chosen. If not, it comes first between two turns as soon as it is awake, so
    /// that a schedule written by hand does not have to name it.
    fn schedules_kswapd(&self) -> bool {
        true
    }

    /// A lane has come to this place with its turn; `open`: a turn of points that follows for the same lane goes on
    /// with it.
    fn went(&mut self, _lane: usize, _place: OpPosition, _open: bool) {}
}
