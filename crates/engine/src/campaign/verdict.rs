// SPDX-License-Identifier: GPL-2.0-only
//! From the findings of a campaign to its verdict: what was there before the change, what causes what, and a small
//! program for each cause.

use percuss_kernel::Quirks;
use percuss_lockdep::{Graph, Part};
use percuss_oracle::OracleKind;
use percuss_program::Program;

use super::before::{gained, is_order, moved, order_before};
use super::cases::{Case, Standing, cases_of};
use super::causes::{Cause, causes};
use super::check::Options;
use super::{CORPUS_INDEX, as_it_runs, compose, corpus_programs, one};
use crate::image::Image;
use crate::judge::{Batch, Found, Like, Shift, mark};
use crate::worker::{AskBefore, Client, Locate, Lost, Setup};

/// Programs tried, at most, to make small that of a cause, of a difference, and of a known finding. A person reads the
/// first two; a known finding has a program in the corpus already, and there can be dozens.
const TRIES: [u32; 3] = [3000, 600, 200];

/// Kinds of which the image before the change is asked under other schedules. Each costs a few dozen runs; a change that
/// breaks more kinds is wrong whatever the answer.
const ASKED: usize = 32;

/// The rest of a verdict.
pub(super) struct Concluded {
    pub cases: Vec<Case>,
    pub causes: Vec<Cause>,
    pub differences: Vec<Cause>,
}

/// Draws the conclusions from the corpus and generated programs, and marks in both what was there before.
///
/// # Errors
/// No worker can be started.
pub(super) fn conclude(
    image: &Image,
    setup: &Setup,
    options: &Options,
    batches: &mut [Batch; 2],
) -> Result<Concluded, Lost> {
    let orders = Orders::of(setup, options, batches)?;
    if setup.oracles.has(OracleKind::LockOrder) && !options.progress.stopped() {
        let composed = orders.composed(setup)?;
        batches[1].found.extend(composed);
        batches[1].sort();
    }
    mark_before(setup, options, &orders, batches)?;
    let mut both = batches[1].clone();
    both.merge(batches[0].clone());
    both.sort();
    let new = image.gained();
    let standing = |f: &Found| match setup.base {
        Some(_) => Standing::after(&f.finding, new, options.judge),
        None => Standing::alone(&f.finding),
    };
    let of = |wanted: Standing| {
        let wanted = move |f: &Found| standing(f) == wanted && f.finding.quirk.is_none();
        causes(&both.found, [&batches[0], &batches[1]], wanted, |f| orders.parts(f))
    };
    let (mut wrong, differences) = (of(Standing::New), of(Standing::Differs));
    let tries = |at: usize, f: &Found| {
        let stands_for = |all: &[Cause]| all.iter().any(|c| c.case == Some(at));
        match standing(f) {
            Standing::New => stands_for(&wrong).then_some(TRIES[0]),
            Standing::Differs => stands_for(&differences).then_some(TRIES[1]),
            Standing::Known | Standing::Before => options.detail.then_some(TRIES[2]),
        }
    };
    let cases = cases_of(setup, &both.found, standing, tries, options.jobs)?;
    fold(setup, &cases, &mut wrong)?;
    let mut differences = differences;
    for cause in wrong.iter_mut().chain(&mut differences) {
        cause.place = locate(setup, &cases, cause)?;
    }
    let mut causes = brought_back(&cases, new);
    causes.extend(wrong);
    Ok(Concluded { cases, causes, differences })
}

/// Quirks that the change brings, each with the findings that it accounts for.
fn brought_back(cases: &[Case], new: Quirks) -> Vec<Cause> {
    let cause = |quirk| {
        let of: Vec<usize> = (0..cases.len()).filter(|at| cases[*at].quirk() == Some(quirk)).collect();
        Cause {
            quirk: Some(quirk),
            case: of.first().copied(),
            programs: of.iter().map(|at| cases[*at].found.count).max().unwrap_or(0),
            follow: of.into_iter().skip(1).collect(),
            parts: Vec::new(),
            place: None,
        }
    };
    new.iter().map(cause).collect()
}

/// Where in the source a cause shows.
fn locate(setup: &Setup, cases: &[Case], cause: &Cause) -> Result<Option<String>, Lost> {
    let Some(case) = cause.case.map(|at| &cases[at]) else { return Ok(None) };
    let call = Locate { program: case.program.encode(), like: Like::of(&case.found.finding) };
    // A program that ends the worker has no log to look at.
    Ok(Client::new(setup).attempt(&call)?.ok().flatten())
}

/// Puts a cause under another one that its own small program shows, too: nothing was left in that program that is not
/// needed.
fn fold(setup: &Setup, cases: &[Case], all: &mut Vec<Cause>) -> Result<(), Lost> {
    let mut kept: Vec<Cause> = Vec::new();
    for cause in all.drain(..) {
        let case = &cases[cause.case.expect("it stands for a finding")];
        let shown = if kept.is_empty() { Batch::default() } else { one(setup, &case.program)? };
        let shows = |other: &&mut Cause| {
            let of = other.case.into_iter().chain(other.follow.iter().copied());
            of.map(|at| &cases[at].found.finding).any(|f| shown.found.iter().any(|s| s.finding.key() == f.key()))
        };
        match kept.iter_mut().find(shows) {
            Some(root) => {
                root.follow.extend(cause.case);
                root.follow.extend(cause.follow);
                root.programs += cause.programs;
            }
            None => kept.push(cause),
        }
    }
    *all = kept;
    Ok(())
}

/// The order of locks of a campaign, and that of the image before the change.
struct Orders {
    after: Graph,
    /// None when there is nothing to compare with, or nothing to compare.
    before: Option<Graph>,
}

impl Orders {
    fn of(setup: &Setup, options: &Options, batches: &[Batch; 2]) -> Result<Orders, Lost> {
        let mut after = batches[1].order.clone();
        after.merge(batches[0].order.clone());
        // Most changes leave the order as it is, and then the other campaign is not needed.
        let asks = !after.conflicts().is_empty() || batches.iter().flat_map(|b| &b.found).any(is_order);
        let before = match &setup.base {
            Some(base) if asks && setup.oracles.has(OracleKind::LockOrder) => {
                Some(order_before(setup, base, options.extent, options.jobs)?)
            }
            _ => None,
        };
        Ok(Orders { after, before })
    }

    /// What the order of all programs together shows and none of them alone, as far as the change brings it.
    fn composed(&self, setup: &Setup) -> Result<Vec<Found>, Lost> {
        let corpus = corpus_programs();
        let program = |index: u64| -> Result<Program, Lost> {
            match index.checked_sub(CORPUS_INDEX) {
                Some(place) => Ok(corpus[usize::try_from(place).expect("the corpus fits the memory")].clone()),
                None => as_it_runs(setup, index),
            }
        };
        let brought = |title: &str| {
            let before = self.before.as_ref();
            before.is_none_or(|before| self.after.gained(before, title).is_none_or(|parts| !parts.is_empty()))
        };
        compose(setup, &self.after, &program, &brought)
    }

    fn parts(&self, found: &Found) -> Vec<Part> {
        let parts = self.before.as_ref().filter(|_| is_order(found)).and_then(|b| gained(found, &self.after, b));
        parts.unwrap_or_default()
    }

    /// Every dependency of the finding is in the image before the change.
    fn there_before(&self, found: &Found) -> bool {
        let before = self.before.as_ref().filter(|_| is_order(found));
        before.and_then(|before| gained(found, &self.after, before)).is_some_and(|parts| parts.is_empty())
    }
}

/// Marks what the image before the change has by the order of its locks, in other programs, or under other schedules.
fn mark_before(setup: &Setup, options: &Options, orders: &Orders, batches: &mut [Batch; 2]) -> Result<(), Lost> {
    if setup.base.is_none() {
        return Ok(());
    }
    let mut sum = batches[0].clone();
    sum.merge(Batch { shifts: batches[1].shifts.clone(), ..Batch::default() });
    let shifts: Vec<Shift> = sum.shifts;
    for batch in batches.iter_mut() {
        batch.mark_before(|f| orders.there_before(f) || moved(f, &shifts));
    }
    let asked = asked(setup, options, batches)?;
    for batch in batches.iter_mut() {
        batch.mark_before(|f| asked.contains(&mark(f.finding.oracle, &f.finding.title)));
    }
    Ok(())
}

/// Kinds that the image before the change shows under another schedule of the same program.
fn asked(setup: &Setup, options: &Options, batches: &[Batch; 2]) -> Result<Vec<u64>, Lost> {
    let mut shown = Vec::new();
    let mut client = Client::new(setup);
    let several = |f: &&Found| {
        let program = Program::decode(&f.program);
        f.finding.is_new() && (program.tasks.len() > 1 || !program.handlers.is_empty())
    };
    for f in batches.iter().flat_map(|b| &b.found).filter(several).take(ASKED) {
        if options.progress.stopped() {
            break;
        }
        let (oracle, title) = (f.finding.oracle, f.finding.title.clone());
        let call = AskBefore { program: f.program.clone(), oracle, title: title.clone() };
        // A program that ends the worker of the image before the change is no proof of anything.
        if client.attempt(&call)?.unwrap_or(false) {
            shown.push(mark(oracle, &title));
        }
    }
    Ok(shown)
}
