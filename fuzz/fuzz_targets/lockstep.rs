// SPDX-License-Identifier: GPL-2.0-only
//! The linked image in lockstep with the Model, under every oracle. A new finding ends the run with a text program.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::{Corpus, fuzz_target};
use percuss::campaign::fuzz::{Lockstep, worthwhile};
use percuss::program::Program;

thread_local! {
    static LOCKSTEP: RefCell<Lockstep> = RefCell::new(start());
}

fn start() -> Lockstep {
    let lockstep = Lockstep::start().unwrap_or_else(|e| {
        eprintln!("lockstep: {e}");
        std::process::exit(2);
    });
    let c = lockstep.coverage();
    eprintln!("lockstep: {} of {} C functions instrumented, {} counters in all", c.instrumented, c.functions, c.places);
    lockstep
}

fuzz_target!(
    init: LOCKSTEP.with(|_| ()),
    |program: Program| -> Corpus {
        if !worthwhile(&program) {
            return Corpus::Reject;
        }
        LOCKSTEP.with_borrow_mut(|lockstep| {
            if let Err(crash) = lockstep.run(&program) {
                eprintln!("{crash}");
                panic!("{}", crash.findings[0].title);
            }
        });
        Corpus::Keep
    }
);
