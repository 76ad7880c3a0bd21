// SPDX-License-Identifier: GPL-2.0-only
//! Reading answers off observations. Nothing here knows which column it is for.

use std::collections::BTreeSet;

use crate::judge::Observation;
use crate::judge::audit::{AuditRow, Failure};

/// What a task allocates that passes a test, in order.
fn sites(o: &Observation, test: impl Fn(&AuditRow) -> bool) -> Vec<String> {
    // Rows without a caller are those of the balance worker, which a row of its own asks for.
    let asked = o.audit.rows.iter().filter(|(row, _)| row.caller.is_some() && test(row));
    // One site may allocate often, with the same answer each time.
    let all: BTreeSet<_> = asked.map(|(row, _)| row.what).collect();
    all.into_iter().map(|what| what.name().to_owned()).collect()
}

fn list(sites: &[String]) -> String {
    if sites.is_empty() { "nothing".to_owned() } else { sites.join(", ") }
}

/// Circular through fs_reclaim, and by which allocations.
pub fn fs_cycle(runs: &[&Observation]) -> String {
    let said = |o: &&&Observation| o.says("circular") && o.says("fs_reclaim");
    if !runs.iter().any(|o| said(&o)) {
        return "none".to_owned();
    }
    let part = |o: &Observation| {
        if said(&&o) {
            format!("circular via {}", list(&sites(o, AuditRow::fs_under_mutex)))
        } else {
            "none".to_owned()
        }
    };
    let parts: Vec<String> = runs.iter().map(|o| part(o)).collect();
    match &parts[..] {
        // With one answer for both programs there is nothing to tell apart.
        [absent, present] if absent != present => format!("array absent: {absent} -- array present: {present}"),
        _ => parts[0].clone(),
    }
}

/// Circular through io_reclaim, and by which allocations.
pub fn io_cycle(runs: &[&Observation]) -> String {
    let o = runs[0];
    match o.says("circular") && o.says("io_reclaim") {
        true => format!("percuss: io_reclaim, circular via {}", list(&sites(o, AuditRow::io_under_mutex))),
        false => "none".to_owned(),
    }
}

/// Whether an op locks pcpu_alloc_mutex again while its task holds it.
pub fn recursion(runs: &[&Observation]) -> String {
    if runs[0].says("recursive locking") { "recursive".to_owned() } else { "none".to_owned() }
}

/// Allocations that failed although their callers could sleep.
pub fn early_failures(runs: &[&Observation]) -> String {
    let early: Vec<u64> = runs.iter().map(|o| o.results.count(Failure::Early)).collect();
    // The cell of a column without failures is one digit, so that the others stand out.
    if early.iter().all(|n| *n == 0) {
        return "0".to_owned();
    }
    format!("early failures: NOIO {} / {}, NOFS {} / {}", early[0], early[1], early[2], early[3])
}

/// What became of the first task's allocation.
fn fate(o: &Observation) -> String {
    let p = &o.pressure;
    // An OOM kill can come before any of the ends below.
    let oom = if p.oom_kills > 0 { format!(", {} OOM kill", p.oom_kills) } else { String::new() };
    if o.says("deadlock") {
        format!("deadlock{oom}")
    } else if o.results.never.contains(&0) {
        let behind = match p.waiters {
            0 => "no task behind it".to_owned(),
            1 => "1 task behind it".to_owned(),
            n => format!("{n} tasks behind it"),
        };
        format!("stalls for ever, {behind}{oom}")
    } else if o.results.null.contains(&0) {
        format!("NULL{oom}")
    } else {
        let by = p.freed_by.map_or(String::new(), |s| format!(", page by {}", s.name()));
        format!("succeeds, mutex held {}{by}{oom}", time(p.longest_hold))
    }
}

/// Virtual microseconds for people.
fn time(us: u64) -> String {
    if us < 1000 { format!("{us} us") } else { format!("{}.{} ms", us / 1000, us % 1000 / 100) }
}

/// Fates, the same one said once.
fn fates(runs: &[&Observation]) -> String {
    let fates: Vec<String> = runs.iter().map(|o| fate(o)).collect();
    if fates.iter().all(|f| *f == fates[0]) { format!("{} in all", fates[0]) } else { fates.join(" -- ") }
}

/// Whether an allocation with __GFP_NOFAIL returns NULL, stalls or succeeds.
pub fn nofail(runs: &[&Observation]) -> String {
    fates(runs)
}

/// Hold times, and who freed the page.
pub fn waiting(runs: &[&Observation]) -> String {
    fates(runs)
}

/// Sites at the first and at later populates.
pub fn populates(runs: &[&Observation]) -> String {
    // The row has two programs, in this order.
    let (first, later) = (sites(runs[0], AuditRow::fs_under_mutex), sites(runs[1], AuditRow::fs_under_mutex));
    match first.is_empty() && later.is_empty() {
        true => "none, none".to_owned(),
        false => format!("first: {} -- later: {}", list(&first), list(&later)),
    }
}

/// What the worker's allocations may enter.
pub fn worker(runs: &[&Observation]) -> String {
    let rows = || runs[0].audit.rows.iter().map(|(row, _)| row).filter(|row| row.caller.is_none());
    match (rows().any(AuditRow::fs_under_mutex), rows().any(AuditRow::io_under_mutex)) {
        (true, true) => "enters both".to_owned(),
        (true, false) => "enters FS".to_owned(),
        (false, true) => "enters IO".to_owned(),
        (false, false) => "never".to_owned(),
    }
}

/// Whether kswapd waits for a task that waits for kswapd.
pub fn kswapd(runs: &[&Observation]) -> String {
    let part = |o: &Observation| {
        // The finding names both waits. Without it the allocation came to an end, which is reported as in other rows.
        let title = o.findings.iter().find(|f| f.title.contains("retries for ever"));
        match title {
            Some(f) => f.title.trim_start_matches("percuss: ").to_owned(),
            None => fate(o),
        }
    };
    runs.iter().map(|o| part(o)).collect::<Vec<_>>().join(" -- ")
}
