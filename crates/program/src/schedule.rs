// SPDX-License-Identifier: GPL-2.0-only
//! Schedules: whose turn it is, and how far it goes.

use std::fmt;

use super::print::task_name;
use percuss_kernel::limits;

/// A turn of a lane: a task, or kswapd. Or an interrupt on top of the lane whose turn was last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Turn {
    /// The task by index, or [`Turn::KSWAPD`]; what is above fires a handler.
    pub lane: u8,
    /// Scheduling points it passes before it is preempted at the next one; 0 runs to the end of its op.
    pub points: u32,
}

impl Turn {
    /// The lane of kswapd, behind those of all tasks there can be.
    pub const KSWAPD: u8 = limits::TASKS as u8;

    /// kswapd's name in schedules, unless a task has it.
    pub(super) const KSWAPD_NAME: &'static str = "kswapd";

    /// A turn to the end of the op.
    pub fn op(lane: usize) -> Turn {
        Turn { lane: lane as u8, points: 0 }
    }

    /// A turn to the `points`-th scheduling point from where the lane is; at least one.
    pub fn points(lane: usize, points: u32) -> Turn {
        Turn { lane: lane as u8, points: points.max(1) }
    }

    /// Fires a handler.
    pub fn handler(handler: usize) -> Turn {
        Turn { lane: Turn::KSWAPD + 1 + handler as u8, points: 0 }
    }

    /// The handler it fires.
    pub fn fires(self) -> Option<usize> {
        self.lane.checked_sub(Turn::KSWAPD + 1).map(usize::from)
    }

    /// Ends at a scheduling point rather than with an op.
    pub fn preempts(self) -> bool {
        self.points != 0
    }

    /// A lane of a program with so many tasks and handlers; handlers there must be for a turn that fires one.
    pub(super) fn repair(&mut self, tasks: usize, handlers: usize) {
        if let Some(handler) = self.fires() {
            *self = Turn::handler(handler % handlers);
        } else if self.lane != Turn::KSWAPD {
            self.lane %= tasks as u8;
        }
    }
}

/// `a`, or `a:3`; kswapd by its name; `!0` for the first handler.
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

/// The parts of a word such as `a`, `a*3`, `a:17` or `a:17*2`: name, points, count; None where a number is none.
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
