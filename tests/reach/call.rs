// SPDX-License-Identifier: GPL-2.0-only
//! `call NAME ARG…`: programs that call functions which a patch adds.

use std::fs;
use std::path::PathBuf;

use super::common::{self, Done, percuss};
use serde_json::Value;
use tempfile::TempDir;

/// Entry points as a patch may add them: a check of arguments, one that allocates, one that never returns well, and
/// prototypes that cannot be called.
const ADDED: &str = "
int pcpu_charge(void __percpu *ptr, size_t size);
int pcpu_charge(void __percpu *ptr, size_t size)
{
	if (!ptr)
		return -22;
	return size + 1;
}

static void __percpu *pcpu_again(unsigned int size, gfp_t gfp)
{
	return __alloc_percpu_gfp(size, 8, gfp);
}

struct pcpu_pair { int a, b; };
static int pcpu_sum(struct pcpu_pair pair)
{
	return pair.a + pair.b;
}
static void pcpu_keep(void)
{
	mutex_lock(&pcpu_alloc_mutex);
	(void)pcpu_sum;
}
int pcpu_elsewhere(void);
";

struct Bench {
    dir: TempDir,
    patch: PathBuf,
}

impl Bench {
    fn new() -> Option<Bench> {
        let old = fs::read_to_string(common::tree()?.path("mm/percpu.c")).unwrap();
        let new = format!("{old}{ADDED}");
        let mut options = diffy::DiffOptions::new();
        options.set_original_filename("a/mm/percpu.c").set_modified_filename("b/mm/percpu.c");
        let dir = tempfile::tempdir().unwrap();
        let patch = dir.path().join("0001-entry-points.patch");
        fs::write(&patch, options.create_patch(&old, &new).to_string()).unwrap();
        Some(Bench { dir, patch })
    }

    fn replay(&self, ops: &str, more: &[&str]) -> Done {
        let file = self.dir.path().join("program.percuss");
        fs::write(&file, format!("boot cpus=2\ntask a\n{ops}\n")).unwrap();
        let patch = self.patch.to_str().unwrap();
        percuss(&[&["replay", file.to_str().unwrap(), "--patch", patch], more].concat())
    }
}

#[test]
fn results_and_arguments() {
    let Some(bench) = Bench::new() else { return };
    let ops =
        "  x = alloc 64\n  r = call pcpu_charge x 64\n  call pcpu_charge r 0x10\n  call pcpu_charge 0 1\n  free x";
    let done = bench.replay(ops, &["--format", "json"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    let answers: Vec<Option<i64>> =
        json["happened"].as_array().unwrap().iter().map(|row| row["answer"].as_u64().map(|n| n as i64)).collect();
    assert_eq!(answers[1..4], [Some(65), Some(17), Some(-22)], "{json}");
    assert_eq!(json["rules_only"], true);
    let text = bench.replay(ops, &[]).out;
    for part in ["v1 = call pcpu_charge v0 64", "= 65\n", "= -22\n", "judged   by rules alone", "know pcpu_charge\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn rules_judge_what_is_called() {
    let Some(bench) = Bench::new() else { return };
    // An area that a function returns can be given to the next one; its allocation is an event like any other.
    let done = bench.replay("  y = call pcpu_again 4K GFP_KERNEL\n  call pcpu_charge y 1\n  free y", &[]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.contains("= 2\n"), "{}", done.out);
    // The mutex is kept: the op that called is named.
    let done = bench.replay("  call pcpu_keep\n  x = alloc 64", &[]);
    assert_eq!(done.code, 1, "{}{}", done.out, done.err);
    assert!(done.out.contains("call pcpu_keep"), "{}", done.out);
}

#[test]
fn what_cannot_be_called() {
    let Some(bench) = Bench::new() else { return };
    for (call, says) in [
        ("pcpu_uncharge 0", "the tree declares no function pcpu_uncharge"),
        ("pcpu_charge 0", "takes 2 arguments, and the program gives 1: int pcpu_charge(void *, size_t)"),
        ("pcpu_sum 0", "the prototype of pcpu_sum cannot be read: argument 1 is no number and no pointer"),
        ("pcpu_elsewhere", "pcpu_elsewhere is declared, but not defined"),
    ] {
        let done = bench.replay(&format!("  call {call}"), &[]);
        let err = done.err.split_whitespace().collect::<Vec<_>>().join(" ").replace(" │ ", " ");
        assert_eq!(done.code, 2, "{err}");
        assert!(err.contains(says), "{call}: {err}");
    }
    for (ops, says) in [("  call 12", "expected a function's name"), ("  call f a-b", "expected a variable")] {
        let done = bench.replay(ops, &[]);
        assert!(done.code == 2 && done.err.contains(says), "{}", done.err);
    }
}
