// SPDX-License-Identifier: GPL-2.0-only
//! The turns of another run, found again by op: for a tenant that has other scheduling points than the one recorded.

use std::cmp::Ordering;

use super::Strategy;
use crate::turns::{Place, Ready, Step};
use percuss_kernel::limits;
use percuss_program::Turn;

/// Stops each lane where it was stopped in another run: in the same op, after as many points of that op. An op that
/// has other points than it had there moves what happens in it, and nothing behind it, as counting points on would.
#[derive(Debug, Clone)]
pub struct Aligned<'t> {
    goals: &'t [Step],
    places: [Place; limits::TASKS + 1],
    /// The lane was let on from the place where it could not go on.
    tried: bool,
}

impl<'t> Aligned<'t> {
    /// Follows where the turns of a run ended.
    pub fn new(trail: &'t [Step]) -> Aligned<'t> {
        Aligned { goals: trail, places: [Place::default(); limits::TASKS + 1], tried: false }
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
            // One that has to wait where it did not wait then is overtaken by the others, as everywhere.
            if ready.has(lane) {
                match at.cmp(&goal.place) {
                    // Point by point, for the op may end before it has as many.
                    Ordering::Less if at.op == goal.place.op => return Some(Turn::points(lane, 1)),
                    Ordering::Less => return Some(Turn::op(lane)),
                    // The place is a scheduling point; what it waits for comes behind it.
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

    fn went(&mut self, lane: usize, place: Place, _: bool) {
        self.places[lane] = place;
    }
}
