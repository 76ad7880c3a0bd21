// SPDX-License-Identifier: GPL-2.0-only
//! From the findings of a campaign to its verdict: what was there before the change, what causes what, and a small
//! program for each cause.

use std::cell::RefCell;

use percuss_kernel::Quirks;
use percuss_lockdep::{Graph, Part};
use percuss_oracle::{Detail, OracleKind};
use percuss_program::Program;

use super::before::{Before, is_order};
use super::cases::{Case, Standing, cases_of};
use super::causes::{Cause, causes, merge_differences, merge_places};
use super::one::observe_on;
use super::options::Options;
use super::workloads::{Measured, measure};
use super::{CORPUS_INDEX, as_it_runs, compose, corpus_programs, one};
use crate::image::Image;
use crate::judge::{Batch, Found, Like, in_words, mark, parting};
use crate::worker::{AskBefore, Client, Locate, Lost, Setup};

/// Programs tried, at most, to make small that of a cause, of a difference, and of a known finding. A person reads the
/// first two; a known finding has a program in the corpus already, and there can be dozens.
const TRIES: [u32; 3] = [3000, 600, 200];

/// Kinds of which the image before the change is asked under other schedules. Each costs a few dozen runs; a change that
/// breaks more kinds is wrong whatever the answer.
const ASKED: usize = 12;

/// The rest of a verdict.
pub(super) struct Concluded {
    pub cases: Vec<Case>,
    pub causes: Vec<Cause>,
    pub differences: Vec<Cause>,
    pub measured: Vec<Measured>,
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
    let compared = Compared::of(setup, options, batches)?;
    if setup.oracles.has(OracleKind::LockOrder) && !options.progress.stopped() {
        let composed = compared.composed(setup, batches)?;
        batches[1].found.extend(composed);
        batches[1].sort();
    }
    mark_before(setup, options, &compared, batches)?;
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
        causes(&both.found, [&batches[0], &batches[1]], wanted, |f| compared.parts(f))
    };
    let (mut wrong, differences) = (of(Standing::New), of(Standing::Differs));
    // A quirk that the change brings has one finding made small, too: its first.
    let brought: Vec<usize> =
        new.iter().filter_map(|q| both.found.iter().position(|f| f.finding.quirk == Some(q))).collect();
    let tries = |at: usize, f: &Found| {
        let stands_for = |all: &[Cause]| all.iter().any(|c| c.case == Some(at));
        match standing(f) {
            Standing::New => (stands_for(&wrong) || brought.contains(&at)).then_some(TRIES[0]),
            Standing::Differs => stands_for(&differences).then_some(TRIES[1]),
            Standing::Known | Standing::Before => options.detail.then_some(TRIES[2]),
        }
    };
    let cases = cases_of(setup, &both.found, standing, tries, options.jobs)?;
    fold(setup, &cases, &mut wrong)?;
    let mut differences = differences;
    for cause in wrong.iter_mut().chain(&mut differences) {
        cause.place = locate(setup, &cases, cause)?;
        cause.words = words(&cases, cause);
    }
    let differences = merge_differences(differences);
    let wrong = merge_places(wrong, |c| c.case.map(|at| cases[at].found.finding.oracle));
    let mut causes = brought_back(&cases, new);
    causes.extend(wrong);
    let measured = if differences.is_empty() { Vec::new() } else { measure(setup)? };
    Ok(Concluded { cases, causes, differences, measured })
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
            words: None,
        }
    };
    new.iter().map(cause).collect()
}

/// What a divergence does instead of what.
fn words(cases: &[Case], cause: &Cause) -> Option<String> {
    let Detail::Parting { left, right, .. } = &cases[cause.case?].found.finding.detail else { return None };
    Some(parting(left, right))
}

/// Where in the source a cause shows: for an order of locks, where the new dependency is made.
fn locate(setup: &Setup, cases: &[Case], cause: &Cause) -> Result<Option<String>, Lost> {
    let Some(case) = cause.case.map(|at| &cases[at]) else { return Ok(None) };
    if !cause.parts.is_empty()
        && let Some(seen) = observe_on(&mut Client::new(setup), &case.program)?
    {
        let made = seen.order.edges().filter(|e| {
            let part = Part::Edge(e.from.clone(), e.to.clone(), e.dep);
            cause.parts.contains(&part)
        });
        let site = made.filter_map(|e| e.origin?.site).next();
        if let Some(site) = site {
            return Ok(Some(in_words(&site.function, &site.file, site.line)));
        }
    }
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

/// The order of locks of a campaign, and what the image before the change shows in it.
struct Compared {
    after: Graph,
    /// None when there is nothing to compare with, or nothing to compare.
    before: Option<Before>,
}

impl Compared {
    fn of(setup: &Setup, options: &Options, batches: &[Batch; 2]) -> Result<Compared, Lost> {
        let mut after = batches[1].order.clone();
        after.merge(batches[0].order.clone());
        let found = batches.iter().flat_map(|b| &b.found);
        let new = found.filter(|f| f.finding.is_new() && f.finding.oracle != OracleKind::Lockstep).count();
        let asks = new > 0 || setup.oracles.has(OracleKind::LockOrder) && !after.conflicts().is_empty();
        let before =
            if asks && !options.progress.stopped() { Before::run(setup, options, batches[1].programs)? } else { None };
        Ok(Compared { after, before })
    }

    /// What the order of all programs together shows and none of them alone, as far as the change brings it: one conflict
    /// for each new dependency that `batches` show in no single program. A dependency closes dozens of cycles, and to put
    /// one together takes seconds.
    fn composed(&self, setup: &Setup, batches: &[Batch; 2]) -> Result<Vec<Found>, Lost> {
        let corpus = corpus_programs();
        let program = |index: u64| -> Result<Program, Lost> {
            match index.checked_sub(CORPUS_INDEX) {
                Some(place) => Ok(corpus[usize::try_from(place).expect("the corpus fits the memory")].clone()),
                None => as_it_runs(setup, index),
            }
        };
        let shown = batches.iter().flat_map(|b| &b.found).flat_map(|f| self.parts(f));
        let told: RefCell<Vec<Part>> = RefCell::new(shown.collect());
        let brought = |title: &str| {
            let Some(parts) = self.before.as_ref().and_then(|before| before.gained(title, &self.after)) else {
                return true;
            };
            let mut told = told.borrow_mut();
            let new = !parts.is_empty() && !parts.iter().any(|part| told.contains(part));
            if new {
                told.extend(parts);
            }
            new
        };
        compose(setup, &self.after, &program, &brought)
    }

    /// New dependencies of a finding about the order of locks.
    fn parts(&self, found: &Found) -> Vec<Part> {
        let before = self.before.as_ref().filter(|_| is_order(found));
        before.and_then(|before| before.gained(&found.finding.title, &self.after)).unwrap_or_default()
    }

    /// The image before the change has it, too: every dependency of it, or the kind in other programs.
    fn there_before(&self, found: &Found, batches: &[&Batch]) -> bool {
        let Some(before) = &self.before else { return false };
        let parts = if is_order(found) { before.gained(&found.finding.title, &self.after) } else { None };
        match parts {
            Some(parts) => parts.is_empty(),
            None => found.finding.oracle != OracleKind::Lockstep && before.has_moved(found, batches),
        }
    }
}

/// Marks what the image before the change has by the order of its locks, in other programs, or under other schedules.
fn mark_before(setup: &Setup, options: &Options, compared: &Compared, batches: &mut [Batch; 2]) -> Result<(), Lost> {
    if setup.base.is_none() {
        return Ok(());
    }
    let all = batches.clone();
    for batch in batches.iter_mut() {
        batch.mark_before(|f| compared.there_before(f, &[&all[0], &all[1]]));
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
