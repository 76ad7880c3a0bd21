// SPDX-License-Identifier: GPL-2.0-only
//! The gfp helpers that the shim and the World have of their own, against those of the trees: a probe asks both sets of
//! helpers about all masks in all scopes. What it compiles of a tree is taken from the tree's headers while it runs.

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use percuss::kernel::Scope;
use percuss::kernel::gfp::Gfp;
use percuss::tree::Tree;
use percuss::world::Task;

const SCOPES: [Scope; 3] = [Scope::Noio, Scope::Nofs, Scope::Memalloc];

/// What is taken from each header of the tree: macros, then functions. The functions are asked for answers, and the
/// macros are what they need to compile.
const TAKEN: [(&str, &[&str], &[&str]); 4] = [
    ("include/linux/sched.h", &["PF_MEMALLOC", "PF_MEMALLOC_NOIO", "PF_MEMALLOC_NOFS", "PF_MEMALLOC_PIN"], &[]),
    ("include/linux/gfp.h", &[], &["gfpflags_allow_blocking"]),
    (
        "include/linux/sched/mm.h",
        &[],
        &[
            "current_gfp_context",
            "memalloc_flags_save",
            "memalloc_flags_restore",
            "memalloc_noio_save",
            "memalloc_noio_restore",
            "memalloc_nofs_save",
            "memalloc_nofs_restore",
            "memalloc_noreclaim_save",
            "memalloc_noreclaim_restore",
        ],
    ),
    ("include/linux/alloc_tag.h", &["alloc_hooks_tag", "alloc_hooks"], &[]),
];

/// Names that only newer trees have; any other that is missing fails the test, since it would go unchecked.
const OPTIONAL: [&str; 4] = ["memalloc_flags_save", "memalloc_flags_restore", "alloc_hooks_tag", "alloc_hooks"];

/// Declarations that the tree's functions need. The tree has them too, but its headers pull in the whole kernel and do
/// not compile outside of one.
const AROUND: &str = "\
typedef unsigned int gfp_t;
typedef _Bool bool;
#define __force
#define unlikely(x) (x)
#define READ_ONCE(x) (x)
#define __maybe_unused __attribute__((unused))
#define IS_ENABLED(x) 0
#define DEFINE_ALLOC_TAG(x)
#define alloc_tag_save(x) ((struct alloc_tag *)0)
#define alloc_tag_restore(x, y) ((void)(y))
struct alloc_tag;
struct task_struct { unsigned int flags; };
static struct task_struct task;
#define current (&task)
#include <linux/gfp_types.h>
";

/// Flags that programs may use, one bit each. The probe goes through all masks of them, which is why compound names
/// such as GFP_KERNEL are left out.
fn flags() -> Vec<(&'static str, Gfp)> {
    Gfp::NAMES.iter().copied().filter(|(_, g)| g.0.is_power_of_two()).collect()
}

/// The definition of the macro `name`, with the lines that it continues on after a backslash.
fn macro_of(text: &str, name: &str) -> Option<String> {
    let defines = |line: &str| {
        let rest = line.strip_prefix("#define ").and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['(', ' ', '\t']))
    };
    let mut lines = text.lines().skip_while(|line| !defines(line));
    // A comment may go on in lines that are not taken.
    let first = lines.next()?;
    let mut out = first.split_once("/*").map_or(first, |(code, _)| code).to_owned();
    while out.ends_with('\\') {
        out = format!("{out}\n{}", lines.next()?);
    }
    Some(out)
}

fn function_of(text: &str, name: &str) -> Option<String> {
    let head = format!("{name}(");
    let begins = |line: &&str| line.starts_with("static inline ") && line.contains(&head) && !line.contains(';');
    let from = text.lines().position(|line| begins(&line))?;
    let body: Vec<&str> = text.lines().skip(from).collect();
    // The kernel's style puts a function's last brace, and no other, in the first column.
    let end = body.iter().position(|line| *line == "}")?;
    Some(body[..=end].join("\n"))
}

fn helpers(tree: &Tree) -> String {
    let mut out = AROUND.to_owned();
    for (file, macros, functions) in TAKEN {
        let text = fs::read_to_string(tree.path(file)).unwrap_or_default();
        let found = macros.iter().map(|name| (name, macro_of(&text, name)));
        for (name, found) in found.chain(functions.iter().map(|name| (name, function_of(&text, name)))) {
            assert!(found.is_some() || OPTIONAL.contains(name), "{file} of {} has no {name}", tree.name);
            out += &found.unwrap_or_default();
            out.push('\n');
        }
    }
    out
}

fn compiler() -> String {
    let names = ["clang-19", "clang-20", "clang-21", "clang-22", "clang"].map(str::to_owned);
    let works = |name: &String| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    std::env::var("PERCUSS_CC").ok().into_iter().chain(names).find(works).expect("a compiler")
}

fn answers(dir: &Path, source: &Path, hooks: bool, flags_of: &[String]) -> Vec<u32> {
    let list = |names: Vec<&str>| names.join(",");
    let flags = flags();
    let program = source.with_extension("probe");
    let mut cc = Command::new(compiler());
    cc.args(["-std=gnu11", "-w", "-O1", "-I"]).arg(common::checkout().join("tests/gfp"));
    cc.arg(format!("-DPROBE_FLAGS={}", list(flags.iter().map(|f| f.0).collect())));
    cc.arg(format!("-DPROBE_NR_FLAGS={}", flags.len()));
    cc.arg(format!("-DPROBE_NAMES={}", list(Gfp::NAMES.iter().map(|n| n.0).collect())));
    cc.args(hooks.then_some("-DPROBE_HOOKS")).args(flags_of).arg(source).arg("-o").arg(&program);
    let done = cc.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let run = Command::new(&program).current_dir(dir).output().unwrap();
    assert!(run.status.success());
    run.stdout.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The answers of the tree's helpers, compiled from their text after `change`. A change makes a tree of another
/// behaviour, to see that the comparison notices.
fn of_tree(tree: &Tree, change: impl Fn(String) -> String) -> Vec<u32> {
    let dir = tempfile::tempdir().unwrap();
    let text = change(helpers(tree));
    let linux = dir.path().join("linux");
    fs::create_dir(&linux).unwrap();
    fs::copy(tree.path("include/linux/gfp_types.h"), linux.join("gfp_types.h")).unwrap();
    fs::write(linux.join("bits.h"), "#define BIT(n) (1UL << (n))\n").unwrap();
    let source = dir.path().join("tree.c");
    let hooks = text.contains("#define alloc_hooks(");
    fs::write(&source, text + "\n#include \"probe.h\"\n").unwrap();
    answers(dir.path(), &source, hooks, &[format!("-I{}", dir.path().display())])
}

/// The answers of the shim's helpers, compiled with the include path of an image of the tree, after `change` to one of
/// the shim's headers.
fn of_shim(tree: &Tree, header: &str, change: impl Fn(String) -> String) -> Vec<u32> {
    let dir = tempfile::tempdir().unwrap();
    let shim = dir.path().join("shim");
    percuss_shim::compile::write_headers(&shim).unwrap();
    let header = shim.join("include/custom/linux").join(header);
    fs::write(&header, change(fs::read_to_string(&header).unwrap())).unwrap();
    // Of asm/ the shim has what differs; the rest is the tree's generic one.
    let generic = dir.path().join("generic/asm");
    fs::create_dir_all(&generic).unwrap();
    let dirs = ["include/asm-generic", "include/uapi/asm-generic"].map(|dir| fs::read_dir(tree.path(dir)).unwrap());
    for entry in dirs.into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        fs::write(generic.join(&name), format!("#include <asm-generic/{name}>\n")).unwrap();
    }
    let source = dir.path().join("shim.c");
    fs::copy(common::checkout().join("tests/gfp/shim.c"), &source).unwrap();
    let mut flags: Vec<String> = ["-nostdinc", "-D__KERNEL__", "-D__MM_INTERNAL_H=1"].map(str::to_owned).to_vec();
    let below = ["include/stub", "include/custom", "include", "generated"].map(|part| shim.join(part));
    let ours = below.into_iter().chain([dir.path().join("generic")]);
    let theirs = [tree.path("include"), tree.path("include/uapi")];
    flags.extend(ours.chain(theirs).map(|dir| format!("-I{}", dir.display())));
    flags.extend(["-include", "linux/kconfig.h", "-include", "linux/compiler_types.h"].map(str::to_owned));
    let hooks = tree.path("include/linux/alloc_tag.h").exists();
    answers(dir.path(), &source, hooks, &flags)
}

/// The answers of the World, in the order in which probe.h gives those of the C helpers: values of names, then both
/// helpers for all masks in all scopes, then nested scopes, then the two answers about allocation hooks.
fn of_world() -> Vec<u32> {
    let mut out: Vec<u32> = Gfp::NAMES.iter().map(|(_, gfp)| gfp.0).collect();
    let flags = flags();
    let mask = |n: u32| Gfp(flags.iter().enumerate().filter(|(i, _)| n >> i & 1 != 0).fold(0, |m, (_, f)| m | f.1.0));
    for scopes in 0..8 {
        let mut task = Task::default();
        SCOPES.iter().enumerate().filter(|(i, _)| scopes >> i & 1 != 0).for_each(|(_, s)| _ = task.enter(*s));
        for n in 0..1 << flags.len() {
            out.push(task.gfp_context(mask(n)).0);
            out.push(mask(n).allows_blocking().into());
        }
    }
    // Three scopes nested in all 27 ways, and left again from the innermost: leaving one must restore what was before
    // it.
    for n in 0..27 {
        let mut task = Task::default();
        let scopes = [n % 3, n / 3 % 3, n / 9].map(|i: usize| SCOPES[i]);
        let mut old = Vec::new();
        for scope in scopes {
            old.push((scope, task.enter(scope)));
            out.push(task.scopes().into());
        }
        for (scope, old) in old.into_iter().rev() {
            task.restore(scope, old);
            out.push(task.scopes().into());
        }
    }
    out.extend([7, 1]);
    out
}

fn same(text: String) -> String {
    text
}

/// The first answer that differs, in words; None when all agree. `named` has the values of names that are known to
/// differ in this tree, and they must differ in just this way.
fn first_difference(ours: &[u32], theirs: &[u32], named: &[(&str, u32)]) -> Option<String> {
    assert_eq!(ours.len(), theirs.len());
    let names = Gfp::NAMES.iter().map(|(name, _)| Some(*name)).chain(std::iter::repeat(None));
    let differ = ours.iter().zip(theirs).zip(names).enumerate().find(|(_, ((a, b), name))| match name {
        Some(name) => named.iter().find(|n| n.0 == *name).map_or(a != b, |n| *b != &n.1),
        None => a != b,
    });
    differ.map(|(at, ((a, b), name))| format!("answer {at} {}: {a:#x}, the tree says {b:#x}", name.unwrap_or_default()))
}

/// Compound masks that are others in 6.1; programs use those of 6.12 on every tree. The one flag more that GFP_ATOMIC
/// has there (`__GFP_ATOMIC`), and the one less of GFP_NOWAIT (`__GFP_NOWARN`), mean nothing to what percpu.c decides
/// by.
fn others(tree: &Tree) -> &'static [(&'static str, u32)] {
    if tree.name == "6.1" { &[("GFP_ATOMIC", 0xa20), ("GFP_NOWAIT", 0x800)] } else { &[] }
}

fn agree(name: &str) {
    let Ok(tree) = Tree::resolve(name, &common::checkout()) else {
        eprintln!("skipped: no tree {name}");
        return;
    };
    let theirs = of_tree(&tree, same);
    assert_eq!(theirs.len(), Gfp::NAMES.len() + 8 * 2 * (1 << flags().len()) + 27 * 6 + 2);
    // The flags of the shim are the tree's own; what it does with them is not.
    assert_eq!(first_difference(&of_shim(&tree, "gfp.h", same), &theirs, &[]), None, "the shim on {name}");
    assert_eq!(first_difference(&of_world(), &theirs, others(&tree)), None, "the World on {name}");
}

#[test]
fn helpers_agree_with_6_12() {
    agree("6.12");
}

#[test]
fn helpers_agree_with_6_1() {
    agree("6.1");
}

#[test]
fn a_wrong_helper_is_seen() {
    // Each helper is made wrong once, in the shim or in the tree. A probe that does not ask about one would let it
    // pass.
    let Some(tree) = common::tree() else { return };
    let theirs = of_tree(&tree, same);
    for (header, from, to) in [
        ("sched/mm.h", "flags & ~(__GFP_IO | __GFP_FS)", "flags & ~__GFP_FS"),
        ("sched/mm.h", "scopes & PERCUSS_SCOPE_NOFS", "scopes & PERCUSS_SCOPE_MEMALLOC"),
        ("sched/mm.h", "PERCUSS(scope_restore, scope, flags)", "PERCUSS(scope_restore, scope, 0)"),
        (
            "sched/mm.h",
            "PERCUSS_SCOPE_FNS(noreclaim, PERCUSS_SCOPE_MEMALLOC)",
            "PERCUSS_SCOPE_FNS(noreclaim, PERCUSS_SCOPE_NOFS)",
        ),
        ("gfp.h", "gfp & __GFP_DIRECT_RECLAIM", "gfp & __GFP_KSWAPD_RECLAIM"),
        ("sched.h", "#define PF_MEMALLOC 0x00000800", "#define PF_MEMALLOC 0x00080000"),
    ] {
        let wrong = of_shim(&tree, header, |text| {
            assert_eq!(text.matches(from).count(), 1, "{from} in {header}");
            text.replace(from, to)
        });
        assert!(first_difference(&wrong, &theirs, &[]).is_some(), "{from} in {header}");
    }
    for (from, to) in [("~(__GFP_IO | __GFP_FS)", "~__GFP_IO"), ("__GFP_DIRECT_RECLAIM)", "__GFP_IO)")] {
        let other = of_tree(&tree, |text| text.replace(from, to));
        assert!(first_difference(&of_world(), &other, &[]).is_some(), "{from} in the tree");
    }
}
