// SPDX-License-Identifier: GPL-2.0-only
//! A worker's memory does not grow with the number of programs.

mod common;

use percuss::image::{Image, ImageSpec};
use percuss::judge::Oracles;
use percuss::program::Generator;
use percuss::worker::examiner;

const EARLY: u64 = 2000;
const LATE: u64 = 6000;
/// What a heap may gain by chance.
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
