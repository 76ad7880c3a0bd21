// SPDX-License-Identifier: GPL-2.0-only
//! Snapshot and restore: nothing an image writes may lie outside the ranges it gives.

mod common;

use common::*;
use percuss_kernel::Diag;
use percuss_shim::abi::*;
use percuss_shim::{Config, Image};

fn bytes(image: &Image) -> Vec<u8> {
    let mut out = Vec::new();
    for (start, len) in image.ranges() {
        // SAFETY: a range of a loaded image, read while nothing runs in it.
        out.extend_from_slice(unsafe { std::slice::from_raw_parts(start as *const u8, len) });
    }
    out
}

#[test]
fn restore_undoes_every_writable_byte() {
    for (version, tree) in trees() {
        let path = build(&tree, Config::Smp);
        let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
        exercise(&i, &mut Rng(1), 500, 100, false);
        let digest = i.digest_all();
        let before = bytes(i.image());
        // A snapshot is copied for each program, so a state that grows a lot should be noticed.
        assert!((1000..12_000).contains(&before.len()), "{version}: {}", before.len());
        i.save();
        for (start, len) in i.image().ranges() {
            for at in start..start + len {
                // SAFETY: a writable range of a loaded image; it is restored before the image runs again. The table
                // of ranges itself is read again only after that.
                unsafe { (at as *mut u8).write_volatile(!(at as *const u8).read_volatile()) };
            }
        }
        // The image's own description of its ranges is among the dirtied bytes, so restore() must not read it.
        i.restore();
        assert_eq!(bytes(i.image()), before, "{version}");
        assert_eq!(i.digest_all(), digest);
        let p = i.alloc(8, 8, false, GFP_KERNEL);
        i.free(p);
    }
}

#[test]
fn a_program_repeats_after_restore() {
    for (version, tree) in trees() {
        let path = build(&tree, Config::Smp);
        let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
        i.save();
        i.host().keep_digests.set(true);
        // The image's state refers to the host's memory, so both go back together.
        let memory = i.host().snapshot();
        exercise(&i, &mut Rng(5), 5_000, 200, false);
        let first = (i.digest_all(), i.host().digests.take());
        i.restore();
        i.host().restore(&memory);
        exercise(&i, &mut Rng(5), 5_000, 200, false);
        assert_eq!((i.digest_all(), i.host().digests.take()), first, "{version}");
    }
}

#[test]
fn reset_allows_another_boot() {
    let Some(tree) = tree("6.12") else { return };
    let path = build(&tree, Config::SmpNomemcg);
    // Two geometries and two builders, so that a static left over from the first boot would show.
    let (i, a) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    exercise(&i, &mut Rng(5), 100, 50, false);
    i.reset();
    let b = i.boot(&params(2, PERCUSS_FIRST_INFO)).expect("boots again");
    assert_eq!((a.nr_units, b.nr_units), (4, 2));
    exercise(&i, &mut Rng(5), 5_000, 100, true);
}

/// Names and addresses of writable symbols, from `nm`.
fn symbols(path: &std::path::Path) -> Vec<(u64, String, String)> {
    let nm = ["nm", "llvm-nm-19", "llvm-nm"];
    let out = nm.iter().find_map(|nm| std::process::Command::new(nm).arg(path).output().ok()).expect("nm");
    let text = String::from_utf8(out.stdout).expect("symbols are text");
    text.lines()
        .filter_map(|l| {
            let mut words = l.split(' ');
            let addr = u64::from_str_radix(words.next()?, 16).ok()?;
            Some((addr, words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

#[test]
fn statics_and_once_flags_are_in_the_state() {
    let Some(tree) = tree("6.12") else { return };
    // A patch with a once flag and a function static: 6.12 itself has no reachable WARN_ON_ONCE.
    let overlay = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(overlay.path().join("mm")).expect("writable");
    let mut text = std::fs::read_to_string(tree.join("mm/percpu.c")).expect("a tree");
    text.push_str("\nint percuss_probe(int x) { static int hits = 3; WARN_ON_ONCE(x); return hits += x; }\n");
    text.push_str("\nint (*percuss_kept_call)(int) = percuss_probe;\n");
    text = text.replace("return pcpu_nr_populated * pcpu_nr_units;", "return percuss_kept_call2() + 0UL;");
    text = text.replace(
        "unsigned long pcpu_nr_pages(void)",
        "extern int (*percuss_kept_call)(int);\n#define percuss_kept_call2() percuss_kept_call(1)\nunsigned long pcpu_nr_pages(void)",
    );
    std::fs::write(overlay.path().join("mm/percpu.c"), text).expect("writable");
    let path = build_in(overlay.path(), &tree, Config::Smp, Some(overlay.path()), &[]);
    let symbols = symbols(&path);
    let at = |name: &str| {
        let found = symbols.iter().find(|s| s.2.starts_with(name));
        found.unwrap_or_else(|| panic!("no {name}")).0
    };
    let state = at("percuss_state_start")..at("percuss_state_end");
    for name in [
        "pcpu_alloc_noprof.warn_limit",
        "pcpu_get_pages.pages",
        "pcpu_first_chunk",
        "pcpu_async_enabled",
        "pcpu_unit_pages",
        "pcpu_build_alloc_info.group_map",
        "percuss_probe.hits",
        "percuss_probe.__already_done",
        "__cpu_possible_mask",
    ] {
        assert!(state.contains(&at(name)), "{name} is outside the state");
    }
    // Every other writable symbol is the linker's.
    for (addr, kind, name) in &symbols {
        if matches!(kind.as_str(), "b" | "B" | "d" | "D") && !state.contains(addr) {
            // Call sites and the table of static locks are constants, but hold addresses, and the loader writes those.
            // Marks are constants, too, of which there may be none: then their bounds are where the state ends.
            let site = name.ends_with(".at") || name.contains(".at.");
            let lock = name.starts_with("percuss_lock_of_");
            let bound = name.starts_with("percuss_") && (name.ends_with("_start") || name.ends_with("_end"));
            assert!(site || lock || bound || ["_DYNAMIC", "pcpu_fc_names"].contains(&name.as_str()), "{name}");
        }
    }
    let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    i.save();
    let warns = || i.host().diags.borrow().iter().filter(|d| d.0 == Diag::Warn).count();
    assert_eq!((i.nr_pages(), i.nr_pages(), warns()), (4, 5, 1), "a once flag warns once");
    let text = i.host().diags.borrow().last().expect("a warning").2.clone();
    assert_eq!(text, "mm/percpu.c", "files are named as in the kernel");
    i.restore();
    let warns = || i.host().diags.borrow().iter().filter(|d| d.0 == Diag::Warn).count();
    assert_eq!((i.nr_pages(), warns()), (4, 2), "restored: it warns again");
}

#[test]
fn undefined_behaviour_traps() {
    // A shim that the sanitizer objects to would end this test with a signal.
    let Some(tree) = tree("6.12") else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let flags = ["-fsanitize=undefined", "-fsanitize-trap=undefined", "-fno-sanitize=pointer-overflow,alignment"];
    let path = build_in(dir.path(), &tree, Config::Smp, None, &flags);
    let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    exercise(&i, &mut Rng(2), 3_000, 200, true);
}

#[test]
fn a_tree_that_does_not_build_says_why() {
    let Some(tree) = tree("6.12") else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("mm")).expect("writable");
    std::fs::write(dir.path().join("mm/percpu-vm.c"), "int broken = undeclared_name;\n").expect("writable");
    let mut req = percuss_shim::CompileRequest {
        tree,
        overlay: Some(dir.path().into()),
        config: Config::Smp,
        output: dir.path().join("image.so"),
        scratch: dir.path().join("scratch"),
        flags: Vec::new(),
        launcher: Vec::new(),
    };
    let error = percuss_shim::compile(&req).expect_err("broken").to_string();
    assert!(error.contains("undeclared_name") && error.contains("mm/percpu-vm.c"), "{error}");
    req.tree = dir.path().join("nowhere");
    let error = percuss_shim::compile(&req).expect_err("no tree").to_string();
    assert!(error.contains("has no mm/percpu.c"), "{error}");
}
