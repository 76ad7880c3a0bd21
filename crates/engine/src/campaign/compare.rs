// SPDX-License-Identifier: GPL-2.0-only
//! Two images in the same programs: what the second does that the first does not, and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use serde::Serialize;

use super::follow::{Noted, parents};
use super::one::observe_on;
use super::progress::Progress;
use crate::judge::boots_apart;
use crate::judge::{
    Class, Figures, Key, Observation, Reached, Seen, differences, edge, place, places, sites, stands_alone,
};
use crate::worker::{Client, Lost, Setup, reduce};
use percuss_lockdep::Graph;
use percuss_program::{Program, Turn};

/// Programs of one piece of work.
const CHUNK: usize = 32;
/// Programs of such a piece that may end a worker before the rest of it is left out: each may take a second.
const LOSSES: u32 = 4;
/// Programs tried to make the one of a change small, at most.
const TRIES: u32 = 300;
/// The same where every attempt may end a worker.
const TRIES_LOST: u32 = 40;

/// A class of change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Its kind.
    pub class: Class,
    /// What changes, in words.
    pub what: String,
    /// Where in the source: before and after for the order of calls, the first call site for an edge; may be empty.
    pub sites: Vec<String>,
    /// Programs that show it.
    pub count: u64,
    /// A small program that shows it.
    pub program: String,
    /// `class: what` of the change that comes before it in every program that shows it: it may only follow from that.
    pub follows: Option<String>,
}

impl Change {
    fn name(&self) -> String {
        name(&(self.class, self.what.clone()))
    }
}

fn name((class, what): &Key) -> String {
    format!("{}: {what}", class.name())
}

/// All changes.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// By kind; in each what most programs show comes first.
    pub all: Vec<Change>,
    /// Programs that were run.
    pub programs: u64,
    /// Programs left out, because too many ended their workers.
    pub not_run: u64,
    /// Places that the programs reached on the second image, where it counts them.
    pub reached: Reached,
    /// Programs that ended their process there.
    pub lost: u64,
    /// Programs that differ where tasks are preempted within ops, and not when each op runs to its end: the change
    /// moves the points at which they are preempted.
    pub shifted: u64,
    /// Programs that run short of memory where boot leaves another amount: only their masks and reports are compared.
    pub short: u64,
    /// Figures of each side, summed over the programs that ran on both and did not run short.
    pub figures: [Figures; 2],
}

impl Changes {
    /// What follows a change.
    pub fn after(&self, cause: &Change) -> impl Iterator<Item = &Change> {
        let name = cause.name();
        self.all.iter().filter(move |c| c.follows.as_ref() == Some(&name))
    }

    /// Those of a kind.
    pub fn of(&self, class: Class) -> impl Iterator<Item = &Change> {
        self.all.iter().filter(move |c| c.class == class)
    }
}

/// Runs the programs on both images, and with `minimize` makes the program of every change small.
///
/// # Errors
/// No worker can be started.
pub fn compare(
    setups: [&Setup; 2],
    programs: &[Program],
    jobs: usize,
    minimize: bool,
    progress: &Progress,
) -> Result<Changes, Lost> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build().map_err(std::io::Error::other)?;
    pool.install(|| {
        let chunks = programs.par_chunks(CHUNK).enumerate();
        let chunks = chunks.map(|(i, some)| Tally::of(setups, some, i * CHUNK, progress));
        // Merged in the order of the programs, so that of equally short programs the same one is shown with any number
        // of jobs.
        let mut all = Tally::default();
        chunks.collect::<Result<Vec<_>, _>>()?.into_iter().for_each(|t| all.merge(t));
        let kept = all.kept();
        let parents = parents(&kept);
        progress.findings.store(kept.len() as u64, Ordering::Relaxed);
        progress.minimizing.store(minimize, Ordering::Relaxed);
        let change = |((class, what), noted): (Key, Noted)| -> Result<Change, Lost> {
            let whole = noted.whole.then(|| whole_ops(&programs[noted.program]));
            let program = whole.as_ref().unwrap_or(&programs[noted.program]);
            let key = (class, what);
            let small = if minimize { small(setups, program, &key)? } else { program.clone() };
            let follows = parents.get(&key).map(name);
            let (class, what) = key;
            Ok(Change { class, what, sites: noted.sites, count: noted.count, program: small.to_string(), follows })
        };
        let mut changes = kept.into_par_iter().map(change).collect::<Result<Vec<_>, _>>()?;
        changes.sort_by(|a, b| (a.class, b.count, &a.what).cmp(&(b.class, a.count, &b.what)));
        let Tally { programs, not_run, reached, lost, shifted, short, figures, .. } = all;
        Ok(Changes { all: changes, programs, not_run, reached, lost, shifted, short, figures })
    })
}

/// A worker for each image.
struct Pair<'a> {
    clients: [Client<'a>; 2],
}

impl<'a> Pair<'a> {
    fn new(setups: [&'a Setup; 2]) -> Pair<'a> {
        Pair { clients: setups.map(Client::new) }
    }

    fn run(&mut self, program: &Program) -> Result<[Option<Observation>; 2], Lost> {
        let [a, b] = &mut self.clients;
        // One after the other: the pool's other threads keep the processors busy.
        Ok([observe_on(a, program)?, observe_on(b, program)?])
    }
}

/// The program with every turn to the end of an op, in the order in which its tasks have their turns.
///
/// A tree with one scheduling point more is preempted at another place by the same schedule, and what comes of that is
/// no change of the tree.
fn whole_ops(program: &Program) -> Program {
    let turns = program.schedule.iter().map(|turn| Turn { points: 0, ..*turn });
    Program { schedule: turns.collect(), ..program.clone() }
}

/// What some programs showed.
#[derive(Default)]
struct Tally {
    seen: BTreeMap<Key, Noted>,
    /// Lock order of each side.
    order: [Graph; 2],
    /// Where each side asks for memory.
    sites: [BTreeSet<String>; 2],
    programs: u64,
    not_run: u64,
    reached: Reached,
    lost: u64,
    shifted: u64,
    short: u64,
    figures: [Figures; 2],
}

impl Tally {
    fn of(setups: [&Setup; 2], programs: &[Program], first: usize, progress: &Progress) -> Result<Tally, Lost> {
        let mut pair = Pair::new(setups);
        let mut tally = Tally::default();
        let mut losses = 0;
        for (i, program) in programs.iter().enumerate() {
            if losses >= LOSSES {
                tally.not_run = (programs.len() - i) as u64;
                break;
            }
            let both = pair.run(program)?;
            // A program that ends a worker still counts: that it ends one side alone is a difference.
            losses += both.iter().any(Option::is_none) as u32;
            let seen = differences(both[0].as_ref(), both[1].as_ref());
            if seen.is_empty() || program.preemptions() == 0 {
                tally.note(first + i, program, both, seen, false);
            } else {
                // What it reached counts under either schedule.
                both[1].iter().for_each(|after| tally.reached.merge(&after.reached));
                let whole = pair.run(&whole_ops(program))?;
                let mut again = differences(whole[0].as_ref(), whole[1].as_ref());
                tally.shifted += again.is_empty() as u64;
                // What is told of the source holds under any schedule.
                again.extend(seen.into_iter().filter(|(key, _)| stands_alone(key) && key.0 == Class::Masks));
                tally.note(first + i, program, whole, again, true);
            }
            progress.programs.fetch_add(1, Ordering::Relaxed);
            progress.ops.fetch_add(program.nr_ops() as u64, Ordering::Relaxed);
        }
        Ok(tally)
    }

    fn note(&mut self, index: usize, program: &Program, both: [Option<Observation>; 2], seen: Seen, whole: bool) {
        self.programs += 1;
        match &both[1] {
            Some(after) => self.reached.merge(&after.reached),
            None => self.lost += 1,
        }
        let first = Noted::first(&seen);
        for (key, shown) in seen {
            self.add(key.clone(), Noted::new(&key, shown, first.as_ref(), (index, program.nr_ops()), whole));
        }
        if let [Some(a), Some(b)] = &both {
            if boots_apart(a, b) && (a.short || b.short) {
                self.short += 1;
            } else {
                self.figures[0].add(&a.figures);
                self.figures[1].add(&b.figures);
            }
        }
        for (all, seen) in self.sites.iter_mut().zip(&both) {
            all.extend(seen.iter().flat_map(sites));
        }
        for (graph, seen) in self.order.iter_mut().zip(both) {
            graph.merge(seen.map(|o| o.order.of_program(index as u64)).unwrap_or_default());
        }
    }

    fn add(&mut self, key: Key, noted: Noted) {
        match self.seen.get_mut(&key) {
            Some(old) => old.merge(noted),
            None => drop(self.seen.insert(key, noted)),
        }
    }

    fn merge(&mut self, other: Tally) {
        other.seen.into_iter().for_each(|(key, noted)| self.add(key, noted));
        self.order.iter_mut().zip(other.order).for_each(|(graph, other)| graph.merge(other));
        self.sites.iter_mut().zip(other.sites).for_each(|(all, other)| all.extend(other));
        self.programs += other.programs;
        self.not_run += other.not_run;
        self.lost += other.lost;
        self.reached.merge(&other.reached);
        self.shifted += other.shifted;
        self.short += other.short;
        self.figures.iter_mut().zip(&other.figures).for_each(|(all, other)| all.add(other));
    }

    /// All but edges and places that other programs show on the other side: those are neither gained nor lost.
    fn kept(&self) -> Vec<(Key, Noted)> {
        let difference = self.order[0].difference(&self.order[1]);
        let signed = [("+", difference.gained), ("-", difference.lost)];
        let edges: BTreeMap<Key, Vec<String>> =
            signed.iter().flat_map(|(sign, edges)| edges.iter().map(move |e| (edge(sign, e), places(e)))).collect();
        let [was, now] = &self.sites;
        let only = now.difference(was).map(|s| place("+", s)).chain(was.difference(now).map(|s| place("-", s)));
        let only: BTreeSet<Key> = only.collect();
        let signed = |what: &str| what.starts_with("+ ") || what.starts_with("- ");
        let mut seen = self.seen.clone();
        seen.retain(|key, noted| match key {
            // An edge is new only if no program of the other side has it. Its sites are those of the whole graph, where
            // the program that was noted may not be the first.
            (Class::Edges, _) => edges.get(key).is_some_and(|first| {
                noted.sites.clone_from(first);
                true
            }),
            (Class::Masks, what) if signed(what) => only.contains(key),
            _ => true,
        });
        seen.into_iter().collect()
    }
}

/// The smallest program found that shows a change. The number of programs tried is limited, not the time, so that the
/// result is always the same.
fn small(setups: [&Setup; 2], program: &Program, key: &Key) -> Result<Program, Lost> {
    let mut pair = Pair::new(setups);
    let mut lost = 0;
    let small = reduce(program.clone(), TRIES, |candidate| {
        // No more is run, but the smallest program so far stays a result.
        if lost >= TRIES_LOST {
            return Ok::<bool, Lost>(false);
        }
        let both = pair.run(candidate)?;
        lost += both.iter().any(Option::is_none) as u32;
        let seen: Seen = differences(both[0].as_ref(), both[1].as_ref());
        Ok(seen.contains_key(key))
    })?;
    Ok(small.0)
}
