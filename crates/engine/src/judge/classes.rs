// SPDX-License-Identifier: GPL-2.0-only
//! What differs between two observations of one program: classes of change.
//!
//! They are for a patch and the tree without it. A class is in words that are the same for every program, so that
//! changes of many programs can be counted; places in the source are apart from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::observe::Observation;
use crate::judge::audit::{Act, Ask, Failure};
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
    /// What boot leaves: the layout of the first chunk, or memory.
    Boot,
}

impl Class {
    pub const ALL: [Class; 7] =
        [Class::Masks, Class::Results, Class::Pressure, Class::Reports, Class::Edges, Class::Order, Class::Boot];

    pub fn name(self) -> &'static str {
        match self {
            Class::Masks => "masks",
            Class::Results => "results",
            Class::Pressure => "pressure",
            Class::Reports => "reports",
            Class::Edges => "edges",
            Class::Order => "order",
            Class::Boot => "boot",
        }
    }
}

/// One change: its kind, and what changes in words that are the same for every program.
pub type Key = (Class, String);

/// Where a program shows a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub sites: Vec<String>,
    /// The number of ops begun by then; `u32::MAX` when it is not known. What comes later may only follow.
    pub at: u32,
}

/// Changes that one program shows.
pub type Seen = BTreeMap<Key, Shown>;

/// The change is told of the source itself, whatever other changes led a program there.
pub fn stands_alone((class, what): &Key) -> bool {
    match class {
        Class::Reports | Class::Boot => true,
        Class::Masks => what.contains(INSTEAD),
        Class::Results | Class::Pressure | Class::Edges | Class::Order => false,
    }
}

const INSTEAD: &str = " instead of ";

/// What the second does that the first does not, and the other way round. None is a program that ended its worker, of
/// which nothing else is known.
pub fn differences(before: Option<&Observation>, after: Option<&Observation>) -> Seen {
    let mut seen = Seen::new();
    let ends = |what: &str| ((Class::Results, what.to_owned()), Shown::default());
    let (a, b) = match (before, after) {
        (Some(a), Some(b)) => (a, b),
        // Nothing else is known of a program that ended its worker.
        (Some(_), None) => return Seen::from([ends("programs now end their worker: a crash, or no end")]),
        (None, Some(_)) => return Seen::from([ends("programs no longer end their worker")]),
        (None, None) => return seen,
    };
    if boots_apart(a, b) {
        let what = "boot leaves another layout, or takes other memory".to_owned();
        seen.insert((Class::Boot, what), Shown::default());
    }
    masks(a, b, &mut seen);
    became(a, b, &mut seen);
    pressure(&a.pressure, &b.pressure, &mut seen);
    for (sign, here, there) in [("+", b, a), ("-", a, b)] {
        for f in here.findings.iter().filter(|f| !there.findings.iter().any(|o| o.title == f.title)) {
            let shown = Shown { sites: Vec::new(), at: here.place_of(f.op) };
            seen.insert((Class::Reports, format!("{sign} {}", f.title)), shown);
        }
    }
    // Both graphs were made of one program each, so an edge missing on one side was not taken there.
    let edges = a.order.difference(&b.order);
    for (sign, o, edges) in [("+", b, edges.gained), ("-", a, edges.lost)] {
        for e in &edges {
            let at = e.origin.as_ref().map_or(u32::MAX, |origin| o.place_of(origin.place.op));
            seen.insert(edge(sign, e), Shown { sites: places(e), at });
        }
    }
    order(a, b, &mut seen);
    // Which request is refused follows from how much memory boot left.
    if boots_apart(a, b) && (a.short || b.short) {
        seen.retain(|key, _| stands_alone(key));
    }
    seen
}

/// Boot left another state on the two. A run that goes back to the end of an earlier boot has none of its own.
pub fn boots_apart(a: &Observation, b: &Observation) -> bool {
    a.boot != b.boot && a.boot != 0 && b.boot != 0
}

/// Another result leads to other calls: the order is worth a word only when no result explains it. Flushes and sections
/// under pcpu_lock are counted as figures, so they are worth one only where these are the same.
fn order(a: &Observation, b: &Observation, seen: &mut Seen) {
    let same = a.results == b.results && a.ends == b.ends;
    let Some(parting) = a.stream.parts_from(&b.stream).filter(|_| same) else { return };
    if a.figures != b.figures && a.stream.flushes_apart(&b.stream) {
        return;
    }
    let [was, now] = &parting.acts;
    let what = format!("{}{INSTEAD}{}", words(now.as_ref()), words(was.as_ref()));
    let site = |act: &Option<Act>| act.as_ref().map(|a| a.site.clone()).unwrap_or_default();
    seen.insert((Class::Order, what), Shown { sites: vec![site(was), site(now)], at: parting.at });
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

/// What of a backing mask is always shown, as it decides what happens when there is no memory. Of the other flags, those
/// that both sides have would make a class of every caller.
const FATE: Gfp = Gfp(Gfp::KERNEL.0 | Gfp::HIGH.0 | Gfp::NOFAIL.0 | Gfp::NORETRY.0 | Gfp::RETRY_MAYFAIL.0);

/// All places where memory was asked for, in the words of [`Class::Masks`].
pub fn sites(o: &Observation) -> BTreeSet<String> {
    o.asks.all.iter().map(|(ask, ..)| ask.site.clone()).collect()
}

pub fn place(sign: &str, site: &str) -> Key {
    (Class::Masks, format!("{sign} {site}"))
}

/// A site, and the masks of the caller as [`Ask`] has them.
type Caller<'a> = (&'a str, Option<(u32, u32)>);

type Masks<'a> = BTreeMap<&'a Ask, BTreeMap<u32, u32>>;

/// Masks in force at one request, and where each was seen first.
fn by_ask(o: &Observation) -> Masks<'_> {
    let mut masks = Masks::new();
    for (ask, mask, at) in &o.asks.all {
        masks.entry(ask).or_default().insert(*mask, *at);
    }
    masks
}

/// Masks in force, by site and by what the caller asked for; places that only one side has come as such, without
/// masks.
fn masks(a: &Observation, b: &Observation, seen: &mut Seen) {
    let (was, now) = (by_ask(a), by_ask(b));
    // What changes at a site for one caller: the same for all arrays of a chunk, or by array.
    let mut changed: BTreeMap<Caller<'_>, BTreeMap<String, (BTreeSet<u32>, u32)>> = BTreeMap::new();
    let mut parts: BTreeMap<Caller<'_>, u32> = BTreeMap::new();
    for (ask, was) in &was {
        let Some(now) = now.get(ask) else { continue };
        let key = (ask.site.as_str(), ask.caller);
        *parts.entry(key).or_default() += 1;
        if let Some((words, at)) = change(was, now) {
            let entry = changed.entry(key).or_default().entry(words).or_insert((BTreeSet::new(), at));
            entry.0.insert(ask.part);
            entry.1 = entry.1.min(at);
        }
    }
    for (key, changes) in changed {
        for (words, (some, at)) in changes {
            let all = some.len() as u32 == parts[&key];
            let part = if all { String::new() } else { format!(", {}", numbers(&some)) };
            let what = format!("{}{part}: {words}", key.0);
            seen.insert((Class::Masks, what), Shown { sites: Vec::new(), at });
        }
    }
    for (sign, here, there) in [("+", b, a), ("-", a, b)] {
        let other = sites(there);
        for (ask, _, at) in here.asks.all.iter().filter(|(ask, ..)| !other.contains(&ask.site)) {
            let shown = seen.entry(place(sign, &ask.site)).or_insert(Shown { sites: Vec::new(), at: *at });
            shown.at = shown.at.min(*at);
        }
    }
}

/// `request 3`, `requests 2, 4`: which of those for a chunk.
fn numbers(parts: &BTreeSet<u32>) -> String {
    let list: Vec<String> = parts.iter().map(u32::to_string).collect();
    format!("request{} {} for a chunk", if list.len() > 1 { "s" } else { "" }, list.join(", "))
}

/// What becomes of the masks of a request, in words, and where that is seen first.
fn change(was: &BTreeMap<u32, u32>, now: &BTreeMap<u32, u32>) -> Option<(String, u32)> {
    let only = |here: &BTreeMap<u32, u32>, there: &BTreeMap<u32, u32>| -> BTreeMap<u32, u32> {
        here.iter().filter(|(mask, _)| !there.contains_key(mask)).map(|(mask, at)| (*mask, *at)).collect()
    };
    let (gone, come) = (only(was, now), only(now, was));
    let at = gone.values().chain(come.values()).min()?;
    let common = gone.keys().chain(come.keys()).fold(u32::MAX, |all, mask| all & mask) & !FATE.0;
    let list = |some: &BTreeMap<u32, u32>| {
        let mut names: Vec<String> = some.keys().map(|mask| Gfp(mask & !common).to_string()).collect();
        names.dedup();
        names.join(" or ")
    };
    let words = match (come.is_empty(), gone.is_empty()) {
        (false, false) => format!("{}{INSTEAD}{}", list(&come), list(&gone)),
        (false, true) => format!("also {}", list(&come)),
        _ => format!("no longer {}", list(&gone)),
    };
    Some((words, *at))
}

fn became(before: &Observation, after: &Observation, seen: &mut Seen) {
    let (a, b) = (&before.results, &after.results);
    for (when, o, now, other) in [("now", after, b, a), ("no longer", before, a, b)] {
        // The first op whose result is only on this side.
        let place = |here: &[u32], there: &[u32]| {
            let only = here.iter().filter(|op| !there.contains(op));
            only.map(|op| o.place_of(*op)).min().unwrap_or(u32::MAX)
        };
        // More of them, not other ones: which op fails depends on the order of tasks.
        for why in now.failed.keys().copied().filter(|why| now.count(*why) > other.count(*why)) {
            let shown = Shown { sites: Vec::new(), at: place(&now.null, &other.null) };
            seen.insert((Class::Results, format!("allocations {when} fail {}", Failure::why(why))), shown);
        }
        if now.never.len() > other.never.len() {
            let shown = Shown { sites: Vec::new(), at: place(&now.never, &other.never) };
            seen.insert((Class::Results, format!("allocations {when} stall, or wait for each other")), shown);
        }
    }
}

fn pressure(a: &Pressure, b: &Pressure, seen: &mut Seen) {
    // Time is spent all through a program, so no op can be named.
    let mut add = |what: String| drop(seen.insert((Class::Pressure, what), Shown { sites: Vec::new(), at: u32::MAX }));
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
