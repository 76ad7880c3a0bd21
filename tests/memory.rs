// SPDX-License-Identifier: GPL-2.0-only
//! A worker's memory does not grow with the number of programs.
//!
//! Fuzzers and soaks run for days in one process. A leak of a few bytes per program ends them with a killed worker,
//! which looks like a crash of the allocator.

mod common;

use percuss::image::{Image, ImageSpec};
use percuss::judge::Oracles;
use percuss::program::Generator;
use percuss::worker::examiner;

/// Programs until caches and buffers have reached the size they keep. Measured from the start, their growth would hide
/// or look like a leak.
const EARLY: u64 = 2000;
const LATE: u64 = 6000;
/// Bytes that a heap may gain by chance, through fragmentation and arenas. A fifth of the early size comes on top.
const SLACK: u64 = 20 << 20;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_session_does_not_grow() {
    if common::tree().is_none() {
        return;
    }
    let image = Image::build(&ImageSpec { tree: "6.12".into(), ..ImageSpec::default() }).unwrap();
    let mut examiner = examiner(&image.setup(1, Oracles::default())).unwrap();
    let mut generator = Generator::new(1);
    let mut early = 0;
    for i in 0..LATE {
        if i == EARLY {
            early = resident();
        }
        examiner.examine(&generator.program(i)).unwrap();
    }
    let late = resident();
    eprintln!("{} KiB after {EARLY} programs, {} KiB after {LATE}", early >> 10, late >> 10);
    assert!(late <= early + early / 5 + SLACK, "{early} bytes became {late}");
}
