// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the lock-order engine, and what they share.
//!
//! Most tests name locks instead of running programs, so that each shows one rule. Tests of the whole engine with the
//! allocator are with the runs.

mod gained;
mod graph;
mod histories;
mod irq;
mod liblockdep;
mod oracle;
mod reclaim;
mod shape;
mod shared;
mod wait;

use super::*;
use percuss_kernel::event::Event;

const SPIN: Wait = Wait::Config;
const RAW: Wait = Wait::Spin;
const SLEEP: Wait = Wait::Sleep;

/// An engine with classes of the test's own, and the event index to come.
///
/// Steps return the rig, so that a history reads as one line.
struct Rig {
    engine: Lockdep,
    index: u32,
}

impl Rig {
    fn new(classes: &[(&'static str, Wait)]) -> Rig {
        Rig::with(classes, Options::default())
    }

    fn with(classes: &[(&'static str, Wait)], options: Options) -> Rig {
        let extra: Vec<ClassDef> = classes.iter().map(|(name, wait)| ClassDef { name, wait: *wait }).collect();
        Rig { engine: Lockdep::new(Options { extra, ..options }), index: 0 }
    }

    fn abcd() -> Rig {
        let classes = [("A", SLEEP), ("B", SLEEP), ("C", SLEEP), ("D", SLEEP)];
        Rig::with(&classes, Options { declared: false, ..Options::default() })
    }

    fn class(&self, name: &str) -> Class {
        self.engine.classes().find(name).expect("a class of this name")
    }

    fn step(&mut self) -> u32 {
        self.index += 1;
        self.index
    }

    fn lock(&mut self, name: &str) -> &mut Rig {
        let (class, index) = (self.class(name), self.step());
        self.engine.acquire(index, class, Read::Exclusive);
        self
    }

    fn read(&mut self, name: &str, read: Read) -> &mut Rig {
        let (class, index) = (self.class(name), self.step());
        self.engine.acquire(index, class, read);
        self
    }

    fn attempt(&mut self, name: &str) -> &mut Rig {
        let (class, index) = (self.class(name), self.step());
        self.engine.try_acquire(index, class, Read::Exclusive);
        self
    }

    fn unlock(&mut self, name: &str) -> &mut Rig {
        let (class, index) = (self.class(name), self.step());
        self.engine.release(index, class);
        self
    }

    fn nest(&mut self, names: &[&str]) -> &mut Rig {
        for name in names {
            self.lock(name);
        }
        for name in names.iter().rev() {
            self.unlock(name);
        }
        self
    }

    fn feed(&mut self, events: &[Event]) -> &mut Rig {
        for e in events {
            let index = self.step();
            self.engine.feed(index, e);
        }
        self
    }

    fn titles(&self) -> Vec<&str> {
        self.engine.reports().iter().map(|r| r.title.as_str()).collect()
    }

    #[track_caller]
    fn clean(&self) {
        assert_eq!(self.titles(), Vec::<&str>::new());
    }

    #[track_caller]
    fn finds(&self, titles: &[&str]) {
        assert_eq!(self.titles(), titles);
    }

    fn text(&self, n: usize) -> String {
        self.engine.reports()[n].text(&|op| format!("op {op}"))
    }
}

// Headlines are written out here, so that a change of the text shows as a failure and not on both sides at once.
const CIRCULAR: &str = "WARNING: possible circular locking dependency detected";
const OURS: &str = "percuss: possible circular locking dependency detected";
const RECURSIVE: &str = "WARNING: possible recursive locking detected";
