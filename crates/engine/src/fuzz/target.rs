// SPDX-License-Identifier: GPL-2.0-only
//! The table of fuzz targets, and how each reads, mutates and crosses inputs.

use super::shape;
use percuss_program::Program;
use percuss_program::mutate::{self, Focus};

/// What a program is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Model,
    /// The Model; then the tasks run on real threads.
    ///
    /// A finding of theirs has as schedule the order in which the threads had the World.
    Threads,
    Image,
}

/// What the bytes of a target are.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A program, which runs on the image and is judged by every oracle.
    Program {
        beside: Beside,
        /// What its mutations are mostly about.
        focus: Focus,
        /// Turns any program into one of this target, and leaves those as they are.
        shape: fn(&mut Program),
        /// Every input boots, even on the machine of the last input.
        boots: bool,
    },
    /// Text for one of our own parsers, which must not panic.
    Parser(fn(&[u8])),
}

#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its binary and its corpus folder.
    pub name: &'static str,
    /// One line for lists of targets.
    pub about: &'static str,
    pub kind: Kind,
}

pub const TARGETS: &[Target] = &[
    Target {
        name: "lockstep",
        about: "the linked image in lockstep with the Model, under every oracle",
        kind: Kind::Program { beside: Beside::Model, focus: Focus::Ops, shape: shape::any, boots: false },
    },
    Target {
        name: "reclaim",
        about: "the same with memory under pressure, shrinkers, and locks of file systems and devices",
        kind: Kind::Program { beside: Beside::Model, focus: Focus::Pressure, shape: shape::reclaim, boots: false },
    },
    Target {
        name: "schedule",
        about: "the same with several tasks, preempted at the scheduling points that the input names",
        kind: Kind::Program { beside: Beside::Model, focus: Focus::Schedule, shape: shape::schedule, boots: false },
    },
    Target {
        name: "threads",
        about: "the same with several tasks on real threads, whose order is recorded and replayed",
        kind: Kind::Program { beside: Beside::Threads, focus: Focus::Ops, shape: shape::threads, boots: true },
    },
    Target {
        name: "boot",
        about: "geometries and first-chunk builders: every input boots, and few ops follow",
        kind: Kind::Program { beside: Beside::Model, focus: Focus::Machine, shape: shape::boot, boots: true },
    },
    Target {
        name: "patched",
        about: "two images against each other: the tree's, and that of what `PERCUSS_PATCHED` names",
        kind: Kind::Program { beside: Beside::Image, focus: Focus::Ops, shape: shape::any, boots: false },
    },
    Target {
        name: "program_text",
        about: "the parser of text programs and the decoder of bytes: no panic, and each form gives the other",
        kind: Kind::Parser(super::parsers::program_text),
    },
    Target {
        name: "mbox",
        about: "the parsers of diffs, mails and threads: no panic",
        kind: Kind::Parser(super::parsers::mbox),
    },
    Target {
        name: "trace",
        about: "the reader of traces: no panic, and what a trace asks for is a program",
        kind: Kind::Parser(super::parsers::trace),
    },
];

pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

/// Most bytes of a program: some six hundred ops.
///
/// Text may be longer.
pub const PROGRAM_MAX: usize = 4096;

/// The program if the bytes are text.
///
/// Text begins with no byte below a tab; the byte form does, with its version.
fn text(bytes: &[u8]) -> Option<Program> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.as_bytes().first().is_some_and(|b| *b >= b'\t'))?;
    text.parse().ok()
}

impl Target {
    /// The program of some bytes; None for parsers. Seeds may be text programs.
    ///
    /// The caller is made safe whatever the bytes say, so that every finding is the tree's fault.
    pub fn program(&self, bytes: &[u8]) -> Option<Program> {
        let Kind::Program { shape, .. } = self.kind else { return None };
        let mut program = text(bytes).unwrap_or_else(|| Program::decode(bytes));
        shape(&mut program);
        Some(program)
    }

    /// The program to show for a finding.
    ///
    /// If it ran on threads, it has the order that was recorded in the bytes.
    pub fn shown(&self, bytes: &[u8]) -> Option<Program> {
        let mut program = self.program(bytes)?;
        if let Kind::Program { beside: Beside::Threads, .. } = self.kind {
            program.schedule = text(bytes).unwrap_or_else(|| Program::decode(bytes)).schedule;
            program.repair();
        }
        Some(program)
    }

    /// Mutates the first `size` bytes of `data` within `max`, as [`mutate::mutate`] does.
    ///
    /// Parsers get `plain` only.
    pub fn mutate(
        &self,
        data: &mut [u8],
        size: usize,
        max: usize,
        seed: u32,
        plain: impl FnOnce(&mut [u8], usize, usize) -> usize,
    ) -> usize {
        match self.kind {
            Kind::Program { focus, shape, .. } => {
                // The buffer is as long as the longest text may be.
                let max = max.min(PROGRAM_MAX);
                let plain = |data: &mut [u8], size: usize, max: usize| plain(data, size.min(max), max);
                match text(&data[..size.min(data.len())]) {
                    // The result is in byte form, and so is everything bred from it.
                    Some(program) => mutate::mutate_program(program, (data, max), seed, focus, shape),
                    None => mutate::mutate((data, size, max), seed, focus, shape, plain),
                }
            }
            Kind::Parser(_) => plain(data, size, max),
        }
    }

    /// Writes a cross of `a` and `b` to `out` and returns its length in bytes.
    pub fn crossover(&self, a: &[u8], b: &[u8], out: &mut [u8], seed: u32) -> usize {
        match self.kind {
            Kind::Program { shape, .. } => {
                // Text becomes bytes here, because lines of two programs put together would seldom be one.
                let both = [a, b].map(|bytes| text(bytes).unwrap_or_else(|| Program::decode(bytes)));
                let max = out.len().min(PROGRAM_MAX);
                mutate::crossover(both, &mut out[..max], seed, shape)
            }
            Kind::Parser(_) => {
                // The lines of one up to a place, then those of the other.
                let cut = |text: &[u8], seed: u32| {
                    let at = seed as usize % (text.len() + 1);
                    text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |line| at + line + 1)
                };
                let (head, tail) = (&a[..cut(a, seed)], &b[cut(b, seed.rotate_left(16))..]);
                let head = &head[..head.len().min(out.len())];
                let tail = &tail[..tail.len().min(out.len() - head.len())];
                out[..head.len()].copy_from_slice(head);
                out[head.len()..head.len() + tail.len()].copy_from_slice(tail);
                head.len() + tail.len()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_kernel::gfp::Gfp;
    use percuss_program::{Generator, Op};

    fn programs() -> impl Iterator<Item = Program> {
        (0..500).map(|i| Generator::new(3).program(i))
    }

    /// What is stored is what runs: a second look at the bytes changes nothing.
    #[test]
    fn shapes_leave_their_own_alone() {
        for target in TARGETS {
            let Kind::Program { shape, .. } = target.kind else { continue };
            for program in programs() {
                let once = target.program(&program.encode()).expect("a program");
                let mut twice = once.clone();
                shape(&mut twice);
                assert_eq!(twice, once, "{}", target.name);
                assert_eq!(target.program(&once.encode()), Some(once.clone()), "{}", target.name);
                assert!(once.is_repaired() && !once.unsafe_caller);
            }
        }
    }

    /// What threads did is a program of `schedule`, whatever they did.
    #[test]
    fn an_order_of_threads_is_a_schedule() {
        let [threads, schedule] = ["threads", "schedule"].map(|name| target(name).expect("a target"));
        for program in programs() {
            let mut program = threads.program(&program.encode()).expect("a program");
            program.schedule = shape::in_turn(&program);
            for bytes in [program.encode(), program.to_string().into_bytes()] {
                assert_eq!(threads.shown(&bytes), Some(program.clone()));
                assert_eq!(schedule.program(&bytes), Some(program.clone()));
                assert!(threads.program(&bytes).is_some_and(|p| p.schedule.is_empty()), "threads have their own order");
            }
        }
    }

    #[test]
    fn callers_are_safe() {
        let mut program = Program { unsafe_caller: true, ..Program::default() };
        program.repair();
        for target in TARGETS {
            assert!(target.program(&program.encode()).is_none_or(|p| !p.unsafe_caller));
        }
    }

    #[test]
    fn each_target_looks_where_it_should() {
        let of = |name: &str, p: &Program| target(name).and_then(|t| t.program(&p.encode())).expect("a program");
        for program in programs() {
            let reclaim = of("reclaim", &program);
            assert!(reclaim.memory.is_some() && !reclaim.shrinkers.is_empty());
            let schedule = of("schedule", &program);
            assert!((2..=4).contains(&schedule.tasks.len()) && schedule.schedule.iter().any(|turn| turn.preempts()));
            let threads = of("threads", &program);
            assert!((2..=4).contains(&threads.tasks.len()) && threads.schedule.is_empty());
            assert!(threads.tasks.iter().flatten().all(|op| match op {
                Op::Alloc { gfp, .. } => gfp.contains(Gfp::NOWARN),
                op => !matches!(op, Op::NrPages),
            }));
            let boot = of("boot", &program);
            assert!(boot.tasks.len() == 1 && boot.nr_ops() <= shape::BOOT_OPS * 2 && boot.memory.is_none());
            assert_eq!(of("lockstep", &program), program);
        }
    }

    /// Seeds are text: they run as what they say, and what comes of them is bytes.
    #[test]
    fn texts_are_programs() {
        let lockstep = target("lockstep").expect("a target");
        for program in programs().filter(|p| p.nr_ops() < 200) {
            let text = program.to_string();
            assert_eq!(lockstep.program(text.as_bytes()), Some(program));
            let mut data = text.clone().into_bytes();
            data.resize(data.len().max(1 << 14), 0);
            let max = data.len();
            let n = lockstep.mutate(&mut data, text.len(), max, 7, |_, _, _| panic!("no bytes to mutate"));
            assert!(n <= PROGRAM_MAX);
            assert_eq!(Program::decode(&data[..n]).encode(), data[..n]);
            let mut out = vec![0; max];
            let n = lockstep.crossover(text.as_bytes(), &data[..n], &mut out, 3);
            assert!(n <= PROGRAM_MAX && Program::decode(&out[..n]).is_repaired());
        }
    }

    #[test]
    fn crossed_texts_are_lines_of_both() {
        let mbox = target("mbox").expect("a target");
        for seed in 0..1000 {
            let mut out = [0; 9];
            let n = mbox.crossover(b"a1\na2\na3\n", b"b1\nb2\n", &mut out, seed);
            let text = std::str::from_utf8(&out[..n]).expect("ASCII");
            assert!(text.len() == 9 || text.ends_with('\n') || text.is_empty(), "{text:?}");
        }
    }
}
