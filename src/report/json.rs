// SPDX-License-Identifier: GPL-2.0-only
//! Reports for machines; docs/json.md describes them. Each is one object on one line, so that the output of several
//! runs can be collected in a file and read line by line.

use serde_json::{Value, json};

use super::causes::edges;
use percuss_engine::campaign::{CORPUS_INDEX, Cause, SeriesStep, Standing, Verdict, corpus_name};
use percuss_engine::image::Image;
use percuss_engine::judge::stats::Stats;
use percuss_engine::judge::story::Row;
use percuss_engine::judge::{Batch, Composed, Found, probe_text};
use percuss_kernel::Quirk;
use percuss_program::Program;
use percuss_source::patch::Applied;

/// Version of the objects: raised when a field changes its meaning or goes. New fields do not raise it, so readers
/// have to ignore those they do not know.
pub const SCHEMA: u32 = 1;

pub(super) fn image(i: &Image) -> Value {
    json!({
        "name": i.tree.name,
        "version": i.tree.version,
        "origin": i.tree.origin.to_string(),
        "files": i.files.iter().map(|(p, h)| json!({"path": p, "sha256": h})).collect::<Vec<_>>(),
    })
}

pub(super) fn patch_files(i: &Image) -> Vec<Value> {
    let files = |p: &Applied| json!({"patch": p.name, "title": p.title, "compiled": p.changed, "ignored": p.ignored});
    i.patches.iter().map(files).collect()
}

fn step(step: &SeriesStep) -> Value {
    json!({"number": step.number, "of": step.of, "title": step.title})
}

/// A patch of a series with which the tree does not build, as one line in place of its verdict: a reader of `percuss
/// check --each` gets one object for every patch.
pub fn step_error_json(s: &SeriesStep, error: &str) -> String {
    json!({"schema": SCHEMA, "step": step(s), "error": error}).to_string()
}

pub(super) fn finding(f: &Found, standing: Standing, program: &Program, place: Option<&str>) -> Value {
    json!({
        "title": f.finding.title,
        "oracle": f.finding.oracle,
        "standing": standing,
        "place": place,
        "known": f.finding.quirk,
        "name": f.finding.quirk.map(Quirk::summary),
        "fix": f.finding.quirk.and_then(Quirk::fix).map(|fix| fix.to_string()),
        "count": f.count,
        // Programs of the corpus have numbers above those of any generated one; they go by name instead.
        "index": (f.index < CORPUS_INDEX).then_some(f.index),
        "corpus": corpus_name(f.index),
        "composed": f.composed.as_ref().map(parts),
        "program": program.to_string(),
        "report": f.finding.detail.to_string(),
    })
}

fn parts(c: &Composed) -> Vec<Value> {
    c.programs.iter().map(|index| corpus_name(*index).map_or_else(|| json!(index), |name| json!(name))).collect()
}

fn sums(b: &Batch) -> Value {
    json!({"programs": b.programs, "ops": b.ops, "events": b.events})
}

/// What a change is judged against; null for a tree by itself.
fn base(i: &Image) -> Value {
    let base = |b: &Image| {
        json!({
            "name": b.tree.name,
            "version": b.tree.version,
            "patches": b.applied,
            "quirks": b.quirks,
            "undecided": b.undecided,
        })
    };
    i.base.as_deref().map_or(Value::Null, base)
}

fn causes(v: &Verdict<'_>, causes: &[Cause]) -> Vec<Value> {
    let cause = |cause: &Cause| {
        let case = cause.case.map(|at| &v.cases[at]);
        // A quirk of which no program of the campaign showed anything has the program that tells it apart.
        let probe = || cause.quirk.map(|quirk| probe_text(quirk).to_owned());
        json!({
            "quirk": cause.quirk,
            "oracle": case.map(|c| c.found.finding.oracle),
            "title": cause.quirk.map(Quirk::summary).or(case.map(|c| c.found.finding.title.as_str())),
            "place": cause.place,
            "otherwise": cause.words,
            "new_edges": edges(&cause.parts),
            "programs": cause.programs,
            "finding": cause.case,
            "findings": cause.case.iter().chain(&cause.follow).collect::<Vec<_>>(),
            "program": case.map(|c| c.program.to_string()).or_else(probe),
        })
    };
    causes.iter().map(cause).collect()
}

/// The findings, in the order of the indexes that causes have.
fn findings(v: &Verdict<'_>) -> Vec<Value> {
    let place = |at: usize| {
        let stands_for = v.causes.iter().chain(&v.differences).find(|cause| cause.case == Some(at));
        stands_for.and_then(|cause| cause.place.as_deref())
    };
    v.cases.iter().enumerate().map(|(at, c)| finding(&c.found, c.standing, &c.program, place(at))).collect()
}

/// The verdict of a check as one line. `patch_files` lists which files of a patch were compiled, `undecided` the
/// quirks whose probes gave no answer, and `hints` how often an allocator's hint was below the truth.
pub fn json(v: &Verdict<'_>) -> String {
    let b = &v.generated;
    // Corpus and generated programs have fields of their own, but a hint counts the same in both.
    let mut tally = b.tally.clone();
    tally.merge(&v.corpus.tally);
    let with = |standing: Standing| v.cases.iter().filter(|c| c.standing == standing).count();
    json!({
        "schema": SCHEMA,
        "tree": image(v.image),
        "step": v.step.as_ref().map(step),
        "patches": v.image.applied,
        "patch_files": patch_files(v.image),
        "config": v.image.config.name(),
        "quirks": v.image.quirks,
        "undecided": v.image.undecided,
        "base": base(v.image),
        "gained": v.image.gained(),
        "lost": v.image.lost(),
        "judge": v.judge,
        "seed": v.seed,
        "tasks": v.tasks.max(1),
        "programs": b.programs,
        "ops": b.ops,
        "events": b.events,
        "refused": b.boot_failed,
        "hung": b.hung,
        "not_run": b.not_run,
        "interrupted": v.interrupted,
        "corpus": sums(&v.corpus),
        "seconds": v.seconds,
        "hints": {"by_quirk": tally.by_quirk, "unattributed": tally.unattributed},
        "coverage": v.coverage(),
        "causes": causes(v, &v.causes),
        "differences": causes(v, &v.differences),
        "findings": findings(v),
        "summary": {
            "new": v.count_new(),
            "known": with(Standing::Known),
            "before": with(Standing::Before),
            "causes": v.causes.len(),
            "differences": v.differences.len(),
        },
    })
    .to_string()
}

/// The result of a replay as one line: the findings of one program, with the sizes of the run and what became of each
/// op, which is not known of a program that ends its process; `stats` when they were asked for. A finding has the same
/// fields as in the verdict of a check.
pub fn replay_json(i: &Image, program: &Program, b: &Batch, story: Option<&[Row]>, stats: Option<&Stats>) -> String {
    let new = b.found.iter().filter(|f| f.finding.quirk.is_none()).count();
    json!({
        "schema": SCHEMA,
        "tree": image(i),
        "patches": i.applied,
        "patch_files": patch_files(i),
        "config": i.config.name(),
        "quirks": i.quirks,
        "undecided": i.undecided,
        "ops": b.ops,
        "events": b.events,
        "happened": story,
        "stats": stats,
        "findings": b.found.iter().map(|f| finding(f, Standing::alone(&f.finding), program, None)).collect::<Vec<_>>(),
        "rules_only": program.has_calls(),
        "summary": {"new": new, "known": b.found.len() - new},
    })
    .to_string()
}

/// What was compiled, as one line, with the API that the tree calls, the confinement of its code, and the kernel
/// functions that are not modelled.
pub fn tree_json(i: &Image) -> String {
    json!({
        "schema": SCHEMA,
        "tree": image(i),
        "patches": i.applied,
        "patch_files": patch_files(i),
        "config": i.config.name(),
        "compiler": i.compiler,
        "quirks": i.quirks,
        "undecided": i.undecided,
        "api": i.api,
        "confinement": i.confinement,
        "not_modelled": percuss_shim::compile::not_modelled(),
    })
    .to_string()
}
