// SPDX-License-Identifier: GPL-2.0-only
//! Makes schedules small: first fewer preemptions, then fewer turns, then shorter ones, in the order of what makes an
//! interleaving hard to read.

use super::Search;
use crate::{Program, Turn};

/// Number of turns that are sorted, from the first.
///
/// A longer schedule would cost a run for each of its turns and be unreadable anyway.
const SORTED: usize = 64;

impl<F: FnMut(&Program) -> bool> Search<F> {
    /// Removes preemptions in large pieces.
    ///
    /// Runs before ops are dropped: a program whose finding needs no preemption is much easier to make small.
    pub(super) fn preemptions(&mut self) {
        if self.best.preemptions() == 0 {
            return;
        }
        self.attempt(|p| p.schedule.clear());
        // Few pieces only: single turns are tried in `schedule`, when the program is small.
        for pieces in [1, 2, 4, 8] {
            let nr = self.best.schedule.len();
            let piece = nr.div_ceil(pieces).max(1);
            for start in (0..nr).step_by(piece).rev() {
                self.attempt(|p| to_the_end(p.schedule.iter_mut().skip(start).take(piece)));
            }
        }
    }

    /// Tries everything on the schedule: none, shorter, without preemptions, then turn by turn.
    pub(super) fn schedule(&mut self) {
        self.attempt(|p| p.schedule.clear());
        // One turn for each op is what a schedule without preemptions needs.
        self.attempt(|p| p.schedule.truncate(p.nr_ops()));
        self.attempt(|p| to_the_end(p.schedule.iter_mut()));
        self.chunks(|p| p.schedule.len(), |p, start, end| to_the_end(p.schedule[start..end].iter_mut()));
        self.chunks(
            |p| p.schedule.len(),
            |p, start, end| {
                p.schedule.drain(start..end);
            },
        );
        self.join_neighbours();
        self.join_apart();
        self.shorten();
        self.sort();
    }

    /// Joins consecutive turns of a lane, all at once and then one by one from the end.
    fn join_neighbours(&mut self) {
        self.attempt(|p| {
            // All pairs at once first.
            p.schedule.dedup_by(|next, turn| {
                let same = join(*turn, *next);
                same.inspect(|joined| *turn = *joined).is_some()
            });
        });
        for i in (1..self.best.schedule.len()).rev() {
            self.attempt(|p| {
                if let Some(joined) = join(p.schedule[i - 1], p.schedule[i]) {
                    p.schedule[i - 1] = joined;
                    p.schedule.remove(i);
                }
            });
        }
    }

    /// Joins two turns of a lane that others come between, at the place of the first or of the second.
    fn join_apart(&mut self) {
        for i in (0..self.best.schedule.len()).rev() {
            // The lanes between either run before the joined turn or after it.
            for place_of_first in [false, true] {
                self.attempt(|p| {
                    let Some(turn) = p.schedule.get(i).copied() else { return };
                    let Some(next) = p.schedule[i + 1..].iter().position(|t| t.lane == turn.lane) else { return };
                    let next = i + 1 + next;
                    let Some(joined) = join(turn, p.schedule[next]) else { return };
                    let (stays, goes) = if place_of_first { (i, next) } else { (next, i) };
                    p.schedule[stays] = joined;
                    p.schedule.remove(goes);
                });
            }
        }
    }

    /// Lowers the points of each turn, by halves and then by less, down to the first scheduling point that still
    /// matters.
    fn shorten(&mut self) {
        for i in 0..self.best.schedule.len() {
            let points = |p: &Program| p.schedule.get(i).map_or(0, |t| t.points);
            // Subtracts as much as it can: a half, then smaller steps each time the finding is lost.
            let mut less = points(&self.best) / 2;
            while less > 0 {
                less = less.min(points(&self.best).saturating_sub(1));
                if less == 0 || !self.attempt(|p| p.schedule[i].points -= less) {
                    less /= 2;
                }
            }
        }
    }

    /// Swaps neighbouring turns so that tasks run in the order of their index, where that does not matter.
    fn sort(&mut self) {
        for i in 1..self.best.schedule.len().min(SORTED) {
            self.attempt(|p| {
                if i < p.schedule.len() && p.schedule[i - 1].lane > p.schedule[i].lane {
                    p.schedule.swap(i - 1, i);
                }
            });
        }
    }
}

/// Makes turns last to the end of their op.
fn to_the_end<'t>(turns: impl Iterator<Item = &'t mut Turn>) {
    turns.for_each(|t| t.points = 0);
}

/// The two turns as one: their points add up, and the end of an op stays the end.
///
/// None if they are of different lanes, or if the first runs to the end of its op.
fn join(first: Turn, second: Turn) -> Option<Turn> {
    let points = if second.preempts() { first.points.saturating_add(second.points) } else { 0 };
    (first.lane == second.lane && first.preempts()).then_some(Turn { points, ..first })
}
