// SPDX-License-Identifier: GPL-2.0-only
//! Judges coverage: everything that does not run stands in a list, with its reason.
//!
//! A share alone would let new code that never runs hide among old code that does. A list that excuses more than what
//! is missing fails as well, so that it shrinks when a test is added.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;

use super::Fail;
use super::count::{Counted, Export, functions};

/// Least share in percent of the lines outside the lists that must run. The rest leaves room for a change of a few
/// lines whose test comes later.
const LEAST: f64 = 97.0;

#[derive(Deserialize)]
struct List {
    /// Functions of which some lines do not run, as coverage/percpu.toml and coverage/model.toml list them.
    #[serde(default)]
    uncovered: Vec<Uncovered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uncovered {
    file: String,
    function: String,
    /// How many of its lines may be missed. A number, since line numbers differ between point releases of a tree.
    lines: usize,
    reason: String,
}

/// Prints a table of files and every line that stands in no list. The exit code is 1 when too little ran, or when a
/// list excuses more than was missed.
pub fn report(file: &Path, lists: &Path) -> Result<ExitCode, Fail> {
    let export: Export = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let mut ok = true;
    for (title, list, wanted) in [
        ("percpu.c, percpu-vm.c and what they include of mm/", "percpu.toml", c_file as fn(&str) -> Option<String>),
        ("the Model", "model.toml", model_file),
    ] {
        let list: List = toml::from_str(&std::fs::read_to_string(lists.join(list))?)?;
        ok &= judge(title, &list, functions(&export, wanted));
    }
    Ok(ExitCode::from(!ok as u8))
}

fn c_file(path: &str) -> Option<String> {
    let at = path.rfind("mm/percpu")?;
    Some(path[at..].to_owned())
}

fn model_file(path: &str) -> Option<String> {
    let at = path.rfind("crates/model/src/")?;
    let name = &path[at..];
    // They are for tests.
    (!name.contains("/tests/")).then(|| name.to_owned())
}

fn judge(title: &str, list: &List, counted: BTreeMap<(String, String), Counted>) -> bool {
    let mut files: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let (mut excused, mut ok) = (0, true);
    println!("{title}\n{:<28} {:>6} {:>6} {:>7} {:>9} {:>6}", "file", "lines", "ran", "", "branches", "taken");
    let mut open: Vec<String> = Vec::new();
    for ((file, function), c) in &counted {
        let (branches, taken) = c.branches();
        let sums = files.entry(file).or_default();
        for (sum, n) in sums.iter_mut().zip([c.lines.len(), c.lines.len() - c.missed(), branches, taken]) {
            *sum += n;
        }
        let entry = list.uncovered.iter().find(|u| u.file == *file && u.function == *function);
        // A list excuses a number of lines of a function, so one line more is seen though the function is listed.
        let allowed = entry.map_or(0, |u| u.lines);
        excused += c.missed().min(allowed);
        if c.missed() > allowed {
            let lines: Vec<String> = c.lines.iter().filter(|l| !l.1).map(|l| l.0.to_string()).collect();
            open.push(format!("{file} {function}: {} lines, {allowed} in the list: {}", c.missed(), lines.join(" ")));
        }
    }
    for (file, [lines, ran, branches, taken]) in &files {
        println!("{file:<28} {lines:>6} {ran:>6} {:>6.1}% {branches:>9} {taken:>6}", share(*ran, *lines));
    }
    let (lines, ran) = files.values().fold((0, 0), |(l, r), f| (l + f[0], r + f[1]));
    let outside = share(ran, lines - excused);
    println!("{ran} of {lines} lines ran, {excused} stand in the list with a reason; of the others {outside:.1} %");
    for u in &list.uncovered {
        let missed = counted.get(&(u.file.clone(), u.function.clone())).map_or(0, Counted::missed);
        if missed < u.lines || u.reason.is_empty() {
            println!("the list excuses {} lines of {} {}, {missed} do not run", u.lines, u.file, u.function);
            ok = false;
        }
    }
    open.iter().for_each(|line| println!("not in the list: {line}"));
    println!();
    // Without any line the export is of another program, and nothing was judged.
    ok && lines > 0 && outside >= LEAST
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
