// SPDX-License-Identifier: GPL-2.0-only
//! Schedules: which lane runs next, and how far.
//!
//! A lane is a task or kswapd. If the lane of a turn cannot run, the first task that can runs instead, or kswapd if
//! there is none; a schedule therefore never makes a program impossible.

use std::fmt;

use super::words::task_name;
use percuss_kernel::limits;

/// A turn of a lane, or an interrupt on top of the lane that had the last turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Turn {
    /// A task by index, or [`Turn::KSWAPD`]; numbers above it fire a handler.
    pub lane: u8,
    /// Number of the scheduling point at which the turn ends, counted from where the lane is; 0 runs to the end of the
    /// op.
    pub points: u32,
}

impl Turn {
    /// The lane of kswapd, after those of all possible tasks, so that it does not depend on the program.
    pub const KSWAPD: u8 = limits::TASKS as u8;

    /// Name of kswapd in schedules; a task of this name takes precedence.
    pub(super) const KSWAPD_NAME: &'static str = "kswapd";

    /// A turn to the end of the lane's op.
    pub fn op(lane: usize) -> Turn {
        Turn { lane: lane as u8, points: 0 }
    }

    /// A turn to the `points`-th scheduling point from where the lane is, at least to the first.
    pub fn points(lane: usize, points: u32) -> Turn {
        Turn { lane: lane as u8, points: points.max(1) }
    }

    /// A turn that runs a handler, by index, from its first op to its last.
    pub fn handler(handler: usize) -> Turn {
        Turn { lane: Turn::KSWAPD + 1 + handler as u8, points: 0 }
    }

    /// Index of the handler that the turn fires; None for turns of a lane.
    pub fn fires(self) -> Option<usize> {
        self.lane.checked_sub(Turn::KSWAPD + 1).map(usize::from)
    }

    /// True if the turn ends at a scheduling point rather than with the op.
    pub fn preempts(self) -> bool {
        self.points != 0
    }

    /// Brings the lane into the range of a program with this many tasks and handlers, by taking it modulo their number.
    ///
    /// A turn that fires a handler needs at least one handler; [`Program::repair`](super::Program::repair) drops it
    /// otherwise.
    pub(super) fn repair(&mut self, tasks: usize, handlers: usize) {
        // Only the handlers of the program exist, so the number is taken modulo theirs; kswapd needs no repair.
        if let Some(handler) = self.fires() {
            *self = Turn::handler(handler % handlers);
        } else if self.lane != Turn::KSWAPD {
            self.lane %= tasks as u8;
        }
    }
}

/// Writes `a` for a turn of the first task, `a:3` with points, `kswapd`, or `!0` for the first handler.
impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(handler) = self.fires() {
            return write!(f, "!{handler}");
        }
        match self.lane {
            Turn::KSWAPD => f.write_str(Turn::KSWAPD_NAME)?,
            task => write!(f, "{}", task_name(task))?,
        }
        if self.preempts() { write!(f, ":{}", self.points) } else { Ok(()) }
    }
}

/// Splits a word such as `a`, `a*3`, `a:17` or `a:17*2` into name, points (0 if absent) and count.
///
/// None if a number is missing, 0 or no number.
pub(super) fn split(word: &str) -> Option<(&str, u32, usize)> {
    let (rest, times) = match word.split_once('*') {
        None => (word, 1),
        Some((rest, n)) => (rest, n.parse().ok().filter(|&n: &usize| n > 0)?),
    };
    let (name, points) = match rest.split_once(':') {
        None => (rest, 0),
        Some((name, n)) => (name, n.parse().ok().filter(|&n: &u32| n > 0)?),
    };
    Some((name, points, times))
}
