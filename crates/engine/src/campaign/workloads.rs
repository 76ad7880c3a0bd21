// SPDX-License-Identifier: GPL-2.0-only
//! How a design differs: the same few workloads on the image before the change and after it, in figures.
//!
//! A redesign breaks no rule and still fails more requests, or keeps more pages. Random programs say little of that, since
//! no caller allocates like them.

use std::fmt::Write;

use super::one::observe_on;
use crate::judge::Figures;
use crate::worker::{Client, Lost, Setup};
use percuss_program::Program;

/// A workload in figures, before the change and after it.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub name: &'static str,
    pub figures: [Figures; 2],
}

/// Names and programs of the workloads.
fn workloads() -> [(&'static str, String); 4] {
    [
        ("mixed sizes, then 7 of 8 freed", mixed()),
        ("bursts of atomic requests", bursts()),
        ("cgroups made and removed", cgroups()),
        ("modules loaded and unloaded", modules()),
    ]
}

/// As the kernel's own test of percpu allocates: all at once, whole pages and parts of one. Then most of it is freed, so
/// that pages have to be given back from between areas.
fn mixed() -> String {
    let mut text = String::from("boot cpus=8\ntask a\n");
    for n in 0..200u32 {
        // A fixed order of sizes without a pattern that some allocator may like.
        let size = if n % 2 == 0 { 4096 } else { 4 + (n * 397 % 256) * 4 };
        let _ = writeln!(text, "  v{n} = alloc {size}");
    }
    (0..200).filter(|n| n % 8 != 0).for_each(|n| text += &format!("  free v{n}\n"));
    text + "  balance\n"
}

/// As a map of a BPF program that is filled before its use, then updated where nothing may sleep.
fn bursts() -> String {
    let mut text = String::from("boot cpus=8\ntask a\n");
    for burst in 0..4u32 {
        (0..32).for_each(|n| text += &format!("  v{} = alloc 256\n", burst * 32 + n));
        text += "  atomic-begin\n";
        (0..32).for_each(|n| text += &format!("  v{} = alloc 512 gfp GFP_ATOMIC|__GFP_NOWARN\n", 128 + n));
        (0..32).for_each(|n| text += &format!("  free v{}\n", 128 + n));
        text += "  atomic-end\n  balance\n";
    }
    text
}

/// A few counters for each cgroup, charged to it; the oldest cgroup goes as the next one comes.
fn cgroups() -> String {
    let mut text = String::from("boot cpus=8\ntask a\n  memcg 1\n");
    for round in 0..48u32 {
        for (n, size) in [512, 64, 1024, 32].into_iter().enumerate() {
            let v = (round % 16) * 4 + n as u32;
            let _ = writeln!(text, "  free v{v}\n  v{v} = alloc {size} gfp GFP_KERNEL|__GFP_ACCOUNT");
        }
        text += "  balance\n";
    }
    text
}

/// Static data of modules from the reserved chunk, with what each allocates for itself.
fn modules() -> String {
    let mut text = String::from("boot cpus=8 reserved=8K\ntask a\n");
    for round in 0..24u32 {
        let v = (round % 8) * 2;
        let _ = writeln!(text, "  free v{v}\n  free v{}", v + 1);
        let _ = writeln!(text, "  v{v} = alloc {} align 64 reserved", 256 + round * 40 % 512);
        let _ = writeln!(text, "  v{} = alloc {}", v + 1, 2048 + round * 360 % 4096);
        text += "  balance\n";
    }
    text
}

/// Runs the workloads on both images; those that end a worker are left out, for they are findings.
///
/// # Errors
/// No worker can be started.
pub(super) fn measure(setup: &Setup) -> Result<Vec<Measured>, Lost> {
    let Some(base) = &setup.base else { return Ok(Vec::new()) };
    let before = Setup { image: base.image.clone(), quirks: base.quirks, base: None, ..setup.clone() };
    let mut clients = [Client::new(&before), Client::new(setup)];
    let mut out = Vec::new();
    for (name, text) in workloads() {
        let program: Program = text.parse().expect("a test parses them");
        let [a, b] = &mut clients;
        if let (Some(a), Some(b)) = (observe_on(a, &program)?, observe_on(b, &program)?) {
            out.push(Measured { name, figures: [a.figures, b.figures] });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_keep_the_contract() {
        for (name, text) in workloads() {
            let program: Program = text.parse().expect(name);
            assert!(program.is_repaired(), "{name}");
            assert!(program.nr_ops() > 100, "{name}");
        }
    }
}
