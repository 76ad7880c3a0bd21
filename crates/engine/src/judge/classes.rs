// SPDX-License-Identifier: GPL-2.0-only
//! What differs between two observations of one program: classes of change.
//!
//! They are for a patch and the tree without it. A class is in words that are the same for every program, so that
//! changes of many programs can be counted; places in the source are apart from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::observe::Observation;
use crate::judge::audit::{Act, AuditRow, Failure, Results};
use percuss_kernel::gfp::Gfp;
use percuss_lockdep::{Dep, Edge};
use percuss_world::pressure::Pressure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Masks in force at a backing allocation.
    Masks,
    Results,
    Pressure,
    /// What oracles that need no Model say: lock order, context, stalls.
    Reports,
    Edges,
    /// Calls of the allocator, in another order or of another kind, while results are the same.
    Order,
}

impl Class {
    pub const ALL: [Class; 6] =
        [Class::Masks, Class::Results, Class::Pressure, Class::Reports, Class::Edges, Class::Order];

    pub fn name(self) -> &'static str {
        match self {
            Class::Masks => "masks",
            Class::Results => "results",
            Class::Pressure => "pressure",
            Class::Reports => "reports",
            Class::Edges => "edges",
            Class::Order => "order",
        }
    }
}

/// One change: its kind, and what changes in words that are the same for every program.
pub type Key = (Class, String);

/// Changes that one program shows, with their places in the source.
pub type Seen = BTreeMap<Key, Vec<String>>;

/// What the second does that the first does not, and the other way round. None is a program that ended its worker, of
/// which nothing else is known.
pub fn differences(before: Option<&Observation>, after: Option<&Observation>) -> Seen {
    let mut seen = Seen::new();
    let mut results = |what: &str| drop(seen.insert((Class::Results, what.to_owned()), Vec::new()));
    let (a, b) = match (before, after) {
        (Some(a), Some(b)) => (a, b),
        // Nothing else is known of a program that ended its worker.
        (Some(_), None) => {
            results("programs now end their worker: a crash, or no end");
            return seen;
        }
        (None, Some(_)) => {
            results("programs no longer end their worker");
            return seen;
        }
        (None, None) => return seen,
    };
    masks(a, b, &mut seen);
    became(&a.results, &b.results, &mut seen);
    pressure(&a.pressure, &b.pressure, &mut seen);
    for (sign, here, there) in [("+", b, a), ("-", a, b)] {
        for f in here.findings.iter().filter(|f| !there.findings.iter().any(|o| o.title == f.title)) {
            seen.insert((Class::Reports, format!("{sign} {}", f.title)), Vec::new());
        }
    }
    // Both graphs were made of one program each, so an edge missing on one side was not taken there.
    let edges = a.order.difference(&b.order);
    for (sign, edges) in [("+", edges.gained), ("-", edges.lost)] {
        edges.iter().for_each(|e| drop(seen.insert(edge(sign, e), places(e))));
    }
    // Another result leads to other calls: the order is worth a word only when nothing above explains it.
    let same = a.results == b.results && a.ends == b.ends;
    if let Some(parting) = a.stream.parts_from(&b.stream).filter(|_| same) {
        let [was, now] = &parting.acts;
        let what = format!("{} instead of {}", words(now.as_ref()), words(was.as_ref()));
        let site = |act: &Option<Act>| act.as_ref().map(|a| a.site.clone()).unwrap_or_default();
        seen.insert((Class::Order, what), vec![site(was), site(now)]);
    }
    seen
}

/// An act with its function, whose lines are no part of it: they move.
fn words(act: Option<&Act>) -> String {
    let Some(act) = act else { return "nothing more".to_owned() };
    match act.site.split_once(" (") {
        Some((function, _)) => format!("\"{}\" in {}", act.kind, plain(function)),
        None => format!("\"{}\"", act.kind),
    }
}

fn plain(function: &str) -> &str {
    function.strip_suffix("_noprof").unwrap_or(function)
}

/// What of a backing mask does, or says what happens when there is no memory: the other flags would make a class of
/// every caller.
const FATE: Gfp = Gfp(Gfp::KERNEL.0 | Gfp::NOFAIL.0 | Gfp::NORETRY.0 | Gfp::RETRY_MAYFAIL.0);

/// Where memory is asked for: call site, by a task or the worker, with the mutex held or not.
fn site(row: &AuditRow) -> String {
    let who = if row.caller.is_some() { "" } else { " by the worker" };
    let locked = row.locks.iter().any(|l| l == "pcpu_alloc_mutex");
    let place = if locked { "" } else { ", without pcpu_alloc_mutex" };
    format!("{}, {}{who}{place}", plain(&row.function), row.what.name())
}

/// All places where memory was asked for, in the words of [`Class::Masks`].
pub fn sites(o: &Observation) -> BTreeSet<String> {
    o.audit.rows.iter().map(|(row, _)| site(row)).collect()
}

pub fn place(sign: &str, site: &str) -> Key {
    (Class::Masks, format!("{sign} {site}"))
}

/// Masks in force, by site and by what the caller asked for; places that only one side has come as such, without
/// masks.
fn masks(a: &Observation, b: &Observation, seen: &mut Seen) {
    type Masks = BTreeMap<(String, Option<u32>), BTreeSet<u32>>;
    let all = |o: &Observation| {
        let mut masks = Masks::new();
        for (row, _) in &o.audit.rows {
            let caller = row.caller.map(|g| (Gfp(g) & FATE).0);
            masks.entry((site(row), caller)).or_default().insert((Gfp(row.effective) & FATE).0);
        }
        masks
    };
    let (was, now) = (all(a), all(b));
    for ((site, caller), was) in &was {
        let Some(now) = now.get(&(site.clone(), *caller)) else { continue };
        let list = |some: Vec<&u32>| some.iter().map(|g| Gfp(**g).to_string()).collect::<Vec<_>>().join(" or ");
        let (gone, come) = (list(was.difference(now).collect()), list(now.difference(was).collect()));
        // That a mask is missing on one side says only that this caller did not come there.
        if !gone.is_empty() && !come.is_empty() {
            seen.insert((Class::Masks, format!("{site}: {come} instead of {gone}")), Vec::new());
        }
    }
    let (was, now) = (sites(a), sites(b));
    now.difference(&was).for_each(|s| drop(seen.insert(place("+", s), Vec::new())));
    was.difference(&now).for_each(|s| drop(seen.insert(place("-", s), Vec::new())));
}

fn became(a: &Results, b: &Results, seen: &mut Seen) {
    let mut add = |what: String| drop(seen.insert((Class::Results, what), Vec::new()));
    for (when, now, other) in [("now", b, a), ("no longer", a, b)] {
        // More of them, not other ones: which op fails depends on the order of tasks.
        for why in now.failed.keys().copied().filter(|why| now.count(*why) > other.count(*why)) {
            add(format!("allocations {when} fail {}", Failure::why(why)));
        }
        if now.never.len() > other.never.len() {
            add(format!("allocations {when} stall, or wait for each other"));
        }
    }
}

fn pressure(a: &Pressure, b: &Pressure, seen: &mut Seen) {
    let mut add = |what: String| drop(seen.insert((Class::Pressure, what), Vec::new()));
    for (word, less, more) in [("more", a, b), ("fewer", b, a)] {
        let grew = |figure: fn(&Pressure) -> u64| figure(less) < figure(more);
        let time = if word == "more" { "longer" } else { "shorter" };
        if grew(|p| p.oom_kills.into()) {
            add(format!("{word} processes killed by the OOM killer"));
        }
        if grew(|p| p.longest_hold) {
            add(format!("pcpu_alloc_mutex is held {time} while memory is waited for"));
        }
        if grew(|p| p.waiters.into()) {
            add(format!("{word} tasks wait for pcpu_alloc_mutex"));
        }
    }
    if a.freed_by != b.freed_by {
        let name = |p: &Pressure| p.freed_by.map_or("nowhere", |s| s.name());
        add(format!("a page that was waited for came from {}, comes from {} now", name(a), name(b)));
    }
}

/// An edge that one side has. The program and the site that made it first are no part of it: they differ from run to
/// run.
pub fn edge(sign: &str, e: &Edge) -> Key {
    let how = match e.dep {
        Dep::EN => "",
        Dep::ER => ", taken by recursive readers",
        Dep::SN => ", held shared",
        Dep::SR => ", held shared, taken by recursive readers",
    };
    (Class::Edges, format!("{sign} {} -> {}{how}", e.from, e.to))
}

/// Where an edge was made first, when that is known: the call, and its function and line when call sites were recorded.
pub fn places(e: &Edge) -> Vec<String> {
    let Some(origin) = &e.origin else { return Vec::new() };
    let call = origin.place.call.name();
    vec![match &origin.site {
        Some(s) => format!("{call} in {} ({}:{})", s.function, s.file, s.line),
        None => call.to_owned(),
    }]
}
