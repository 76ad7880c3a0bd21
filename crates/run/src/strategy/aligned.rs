// SPDX-License-Identifier: GPL-2.0-only
//! The turns of another run, found again by op, for a tenant that has other scheduling points than the recorded one.
//!
//! A patch that adds a lock adds points. Were the recorded points counted on, every later preemption would be
//! elsewhere, and a comparison of two kernels would compare two schedules.

use std::cmp::Ordering;

use super::Strategy;
use crate::turns::{OpPosition, Ready, TurnEnd};
use percuss_kernel::limits;
use percuss_program::Turn;

/// Stops each lane where it was stopped in another run: in the same op, after as many points of that op. An op that
/// has other points than it had there moves what happens in it, and nothing after it.
#[derive(Debug, Clone)]
pub struct Aligned<'t> {
    goals: &'t [TurnEnd],
    places: [OpPosition; limits::TASKS + 1],
    /// The lane already had one more turn at the place where it could not go on.
    tried: bool,
}

impl<'t> Aligned<'t> {
    pub fn new(trail: &'t [TurnEnd]) -> Aligned<'t> {
        Aligned { goals: trail, places: [OpPosition::default(); limits::TASKS + 1], tried: false }
    }
}

impl Strategy for Aligned<'_> {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        while let Some(goal) = self.goals.first() {
            let lane = usize::from(goal.lane);
            if let Some(handler) = goal.fires {
                self.goals = &self.goals[1..];
                return Some(Turn::handler(handler.into()));
            }
            let at = self.places[lane];
            // If it has to wait here and did not wait in the recorded run, the other lanes overtake it.
            if ready.has(lane) {
                match at.cmp(&goal.place) {
                    // Point by point, for the op may end before it has as many.
                    Ordering::Less if at.op == goal.place.op => return Some(Turn::points(lane, 1)),
                    Ordering::Less => return Some(Turn::op(lane)),
                    // The place is a scheduling point, and what the lane waited for comes after it.
                    Ordering::Equal if goal.waits && !std::mem::replace(&mut self.tried, true) => {
                        return Some(Turn::points(lane, 1));
                    }
                    _ => {}
                }
            }
            self.goals = &self.goals[1..];
            self.tried = false;
        }
        None
    }

    fn schedules_kswapd(&self) -> bool {
        // Where it ran as soon as it was awake, it has turns like any lane.
        !self.goals.is_empty()
    }

    fn went(&mut self, lane: usize, place: OpPosition, _: bool) {
        self.places[lane] = place;
    }
}
