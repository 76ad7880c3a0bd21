// SPDX-License-Identifier: GPL-2.0-only
//! Coverage of a patch: what `check` and `diff` say of lines that are not compiled, that no program reached, and of
//! functions that nothing calls.

use std::fs;
use std::path::PathBuf;

use super::common::{self, Done, percuss};
use serde_json::Value;
use tempfile::TempDir;

/// A patch of the 6.12 tree's mm/percpu.c, as a file.
struct Patch {
    _dir: TempDir,
    path: PathBuf,
    new: String,
}

/// Functions that account for areas, as a user posted them: exported, and called by nothing.
const CHARGE: &str = "
int pcpu_charge(void __percpu *ptr, size_t size);
int pcpu_charge(void __percpu *ptr, size_t size)
{
	if (!ptr)
		return -22;
	return size > 4096;
}
EXPORT_SYMBOL_GPL(pcpu_charge);

void pcpu_uncharge(void __percpu *ptr);
void pcpu_uncharge(void __percpu *ptr)
{
	(void)ptr;
}
EXPORT_SYMBOL_GPL(pcpu_uncharge);
";

impl Patch {
    fn new(change: impl Fn(&str) -> String) -> Option<Patch> {
        let old = fs::read_to_string(common::tree()?.path("mm/percpu.c")).unwrap();
        let new = change(&old);
        assert_ne!(old, new, "the anchor is not there");
        let diff = diffy::DiffOptions::new()
            .set_original_filename("a/mm/percpu.c")
            .set_modified_filename("b/mm/percpu.c")
            .create_patch(&old, &new)
            .to_string();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0001-a-change.patch");
        fs::write(&path, diff).unwrap();
        Some(Patch { _dir: dir, path, new })
    }

    /// Puts lines before the first line after `function(` that has `anchor`.
    fn before(function: &str, anchor: &str, lines: &str) -> Option<Patch> {
        Patch::new(|old| {
            let from = old.find(&format!("\nstatic {function}(")).expect("the function is there");
            let at = from + old[from..].find(anchor).expect("the anchor is there");
            let line = old[..at].rfind('\n').unwrap() + 1;
            format!("{}{lines}{}", &old[..line], &old[line..])
        })
    }

    fn run(&self, verb: &str, more: &[&str]) -> Done {
        let out = self.path.with_extension("out");
        let mut args = vec![verb, "--patch", self.path.to_str().unwrap()];
        if verb == "check" {
            args.extend(["--out", out.to_str().unwrap()]);
        }
        percuss(&[&args, more].concat())
    }

    /// The member `coverage` of the JSON output, with a few generated programs beside the corpus.
    fn coverage(&self, verb: &str) -> Value {
        let done = self.run(verb, &["--programs", "64", "--format", "json"]);
        assert!(done.code < 2, "{}", done.err);
        let mut json: Value = serde_json::from_str(&done.out).unwrap();
        json["coverage"].take()
    }

    /// Number of the line of the patched file that has `text`.
    fn line(&self, text: &str) -> u64 {
        self.new.lines().position(|l| l.contains(text)).expect("a line of the patch") as u64 + 1
    }
}

fn numbers(coverage: &Value) -> [u64; 3] {
    ["changed", "compiled", "ran"].map(|name| coverage[name].as_u64().unwrap())
}

#[test]
fn functions_that_nothing_calls() {
    let Some(patch) = Patch::new(|old| format!("{old}{CHARGE}")) else { return };
    for verb in ["check", "diff"] {
        let coverage = patch.coverage(verb);
        assert_eq!(coverage["not_called"], serde_json::json!(["pcpu_charge", "pcpu_uncharge"]), "{verb}");
        // Heads, declarations and exports are no statements.
        assert_eq!(numbers(&coverage), [10, 10, 0], "{coverage}");
        assert_eq!(coverage["not_run"].as_array().unwrap().len(), 4, "{coverage}");
    }
    let text = patch.run("diff", &["--programs", "0"]).out;
    assert!(text.contains("\nno change (not called: pcpu_charge, pcpu_uncharge)\n"), "{text}");
    let text = patch.run("check", &["--programs", "0"]).out;
    assert!(text.contains("\n        not called: pcpu_charge, pcpu_uncharge\n"), "{text}");
    assert!(text.starts_with("nothing new (not called: pcpu_charge, pcpu_uncharge), "), "{text}");
}

#[test]
fn a_fix_that_is_not_compiled() {
    let lines = "#ifdef CONFIG_NEVER\n\tif (!chunk)\n\t\treturn;\n#endif\n";
    let Some(patch) = Patch::before("void pcpu_chunk_relocate", "int nslot", lines) else { return };
    let first = patch.line("#ifdef CONFIG_NEVER") + 1;
    for verb in ["check", "diff"] {
        let coverage = patch.coverage(verb);
        assert_eq!(numbers(&coverage), [2, 0, 0], "{coverage}");
        let off = &coverage["not_compiled"][0];
        assert_eq!((off["line"].as_u64(), off["when"].as_str()), (Some(first), Some("CONFIG_NEVER")), "{coverage}");
        let text = patch.run(verb, &["--programs", "0"]).out;
        assert!(text.contains(&format!("not compiled here: mm/percpu.c:{first}-{} under CONFIG_NEVER\n", first + 1)));
        assert!(text.contains("nothing of this patch is compiled in this configuration"), "{text}");
        assert!(!text.contains("nothing new") && !text.contains("no change"), "{text}");
    }
}

#[test]
fn a_path_that_no_program_takes() {
    let lines = "\tif (unlikely(!chunk)) {\n\t\tpr_warn(\"a chunk is missing\\n\");\n\t\treturn;\n\t}\n";
    let Some(patch) = Patch::before("void pcpu_chunk_relocate", "if (chunk->isolated)", lines) else {
        return;
    };
    let first = patch.line("a chunk is missing");
    let coverage = patch.coverage("check");
    assert_eq!(numbers(&coverage), [3, 3, 1], "{coverage}");
    for (i, line) in (first..first + 2).enumerate() {
        let at = serde_json::json!({"file": "mm/percpu.c", "line": line, "function": "pcpu_chunk_relocate"});
        assert_eq!(coverage["not_run"][i], at);
    }
    let text = patch.run("check", &["--programs", "0"]).out;
    let expected = format!(": mm/percpu.c:{first}-{} in pcpu_chunk_relocate\n", first + 1);
    assert!(text.contains("changed 3 lines: 1 ran, 2 not reached\n") && text.contains(&expected), "{text}");
}

#[test]
fn a_line_that_runs_and_one_that_goes() {
    let Some(patch) = Patch::new(|old| {
        let from = old.find("\nstatic int pcpu_alloc_area(").unwrap();
        let (head, rest) = old.split_at(from);
        format!("{head}{}", rest.replacen("chunk->free_bytes -= ", "chunk->free_bytes = chunk->free_bytes - ", 1))
    }) else {
        return;
    };
    let coverage = patch.coverage("check");
    assert_eq!(numbers(&coverage), [1, 1, 1], "{coverage}");
    assert_eq!((&coverage["not_called"], &coverage["lost"]), (&serde_json::json!([]), &serde_json::json!(0)));
    // A comment changes nothing that could run.
    let Some(comment) = Patch::before("void pcpu_chunk_relocate", "int nslot", "\t/* a word */\n") else { return };
    assert_eq!(numbers(&comment.coverage("check")), [0, 0, 0]);
    // Jobs do not matter, nor does what is tried to make programs small.
    let run = |jobs: &str| {
        let done = patch.run("check", &["--programs", "300", "--jobs", jobs, "--format", "json"]);
        serde_json::from_str::<Value>(&done.out).unwrap()["coverage"].take()
    };
    assert_eq!(run("1"), run("3"));
}

#[test]
fn a_tree_alone_has_no_coverage() {
    if common::tree().is_none() {
        return;
    }
    let done = percuss(&["diff", "--against", "6.12", "--tree", "6.12", "--programs", "0", "--format", "json"]);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(json["coverage"], Value::Null);
}
