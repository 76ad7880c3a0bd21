// SPDX-License-Identifier: GPL-2.0-only
//! From a trace to a program: one task that asks for what was asked for, in the trace's order.
//!
//! A trace does not tell when pages were populated, what failed inside, or in which context a caller was. What comes
//! out is a workload, not a replay of what the kernel did.

use std::collections::{HashMap, HashSet};

use super::parse::{Asked, Event, Record, Trace};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Geometry, VARS, Var, limits};
use percuss_program::{Op, Program};

/// Bytes that each four bytes of an area cost besides, for the pointer to the object cgroup that owns them
/// (`struct pcpuobj_ext`: eight bytes for each allocation unit of four).
const EXT: u64 = 2;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    pub program: Program,
    /// What of the trace is not in the program, one sentence each with a count. The user must know: a workload without
    /// its largest areas is another one.
    pub notes: Vec<String>,
}

impl Trace {
    /// The program that asks for the same, and what could not be taken over.
    ///
    /// All CPUs of the trace become one task, since its order is that of the trace: with a task for each CPU, a
    /// schedule would have to keep frees after their allocations.
    pub fn import(&self) -> Imported {
        let mut import = Import::new();
        for (record, freed) in self.records.iter().zip(self.freed()) {
            import.event(&record.event, freed);
        }
        // The machine is guessed from the trace, so `repair` may have to make the guess consistent.
        let mut program = Program { boot: self.machine(), tasks: vec![import.ops], ..Program::default() };
        program.repair();
        let left_out = import.left_out.iter().filter(|(count, _)| *count > 0);
        let mut notes: Vec<String> = left_out.map(|(count, what)| format!("{count} {what}")).collect();
        if self.lost > 0 {
            notes.push(format!("the trace has lost {} events", self.lost));
        }
        if !self.unknown.is_empty() {
            let flags: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
            notes.push(format!("flags that nothing here knows count as not set: {}", flags.join(", ")));
        }
        Imported { program, notes }
    }

    /// Which events hand out what is freed later in the trace. A program has 256 variables, and an area that is never
    /// freed needs none of its own, so this is known before the first op is made.
    fn freed(&self) -> Vec<bool> {
        let mut frees = HashSet::new();
        let mut freed: Vec<bool> = Vec::with_capacity(self.records.len());
        // Backwards, since pointers are reused: a free belongs to the last allocation before it.
        for record in self.records.iter().rev() {
            freed.push(match record.event {
                Event::Alloc { ptr, .. } => frees.remove(&ptr),
                Event::Free(ptr) => frees.insert(ptr),
                Event::Fail(_) | Event::Create | Event::Destroy => false,
            });
        }
        // In the trace's order again.
        freed.reverse();
        freed
    }

    /// A machine like the one traced, as far as it shows: its CPUs, whether areas are accounted, and whether there is a
    /// reserved chunk.
    fn machine(&self) -> Geometry {
        let least = self.records.iter().map(|r| u64::from(r.cpu) + 1).max().unwrap_or(1);
        let reserved =
            |r: &Record| matches!(r.event, Event::Alloc { asked, .. } | Event::Fail(asked) if asked.reserved);
        // The traced machine had memory enough; 256 MiB are more than any program takes.
        let mut boot = Geometry { pages: 65_536, ..Geometry::default() };
        let mut cpus = least;
        if let Some(copies) = self.copies() {
            // Either all areas pay for their owners or none; machines have at least the CPUs seen at work.
            boot.kmem = copies >= least + EXT;
            cpus = if boot.kmem { copies - EXT } else { copies };
        }
        // A machine has at most 64 CPUs here, one for each bit of the mask.
        boot.cpus = u64::MAX >> (64 - cpus.clamp(1, 64));
        if self.records.iter().any(reserved) {
            // The usual PERCPU_MODULE_RESERVE of a kernel with modules.
            boot.reserved = 8 << 10;
        }
        boot
    }

    /// How often the size of an area fits into what was charged for it: once for each possible CPU, and [`EXT`] more
    /// times with kmem accounting. None before v6.0, where the event lacks it.
    fn copies(&self) -> Option<u64> {
        self.records.iter().find_map(|r| match r.event {
            Event::Alloc { asked, bytes: Some(bytes), .. } if asked.size > 0 && bytes % asked.size == 0 => {
                Some(bytes / asked.size)
            }
            Event::Alloc { .. } | Event::Fail(_) | Event::Free(_) | Event::Create | Event::Destroy => None,
        })
    }
}

/// The variable of all areas that are never freed. Overwriting it forgets a pointer, and the area stays allocated until
/// the drain, which is what the trace's areas do.
const KEPT: Var = Var((VARS - 1) as u8);

/// Indices of [`Import::left_out`], whose order is that of the notes.
const NO_VARIABLE: usize = 0;
const TOO_LARGE: usize = 1;
const NOT_SEEN: usize = 2;
const NO_ROOM: usize = 3;

struct Import {
    ops: Vec<Op>,
    /// Variables by the pointer they hold, of what is freed later.
    holds: HashMap<u64, Var>,
    free: Vec<Var>,
    left_out: [(u64, &'static str); 4],
}

impl Import {
    fn new() -> Import {
        // Taken from the end, so that the first area gets v0.
        let free = (0..KEPT.0).rev().map(Var).collect();
        let left_out = [
            (0, "areas are kept until the end: there are variables for 255 that are freed"),
            (0, "allocations are left out: no size or alignment of a program"),
            (0, "frees are left out: of areas that were allocated before, or are kept"),
            (0, "events at the end are left out: a program has room for 65 536 ops"),
        ];
        Import { ops: Vec::new(), holds: HashMap::new(), free, left_out }
    }

    fn event(&mut self, event: &Event, freed: bool) {
        // An event is at most two ops, and half an event would leak a variable.
        if self.ops.len() + 2 > limits::OPS {
            self.left_out[NO_ROOM].0 += 1;
            return;
        }
        match *event {
            Event::Alloc { asked, ptr, gfp, .. } => self.alloc(asked, ptr, gfp, freed),
            Event::Fail(asked) => self.fail(asked),
            Event::Free(ptr) => match self.holds.remove(&ptr) {
                Some(var) => self.give_back(var),
                None => self.left_out[NOT_SEEN].0 += 1,
            },
            // Only the balance work destroys chunks, all that are empty at once.
            Event::Destroy if self.ops.last() != Some(&Op::Balance) => self.ops.push(Op::Balance),
            Event::Create | Event::Destroy => {}
        }
    }

    fn alloc(&mut self, asked: Asked, ptr: u64, gfp: Option<Gfp>, freed: bool) {
        // The pointer is handed out again, so its free is among the events that were lost.
        if let Some(var) = self.holds.remove(&ptr) {
            self.give_back(var);
        }
        // Areas that are kept must not use up the variables of those that are freed.
        let var = if freed { self.free.pop() } else { None };
        if freed && var.is_none() {
            self.left_out[NO_VARIABLE].0 += 1;
        }
        match (self.ask(var.unwrap_or(KEPT), asked, gfp), var) {
            (true, Some(var)) => drop(self.holds.insert(ptr, var)),
            // Nothing was allocated, so the next one may have the variable.
            (false, Some(var)) => self.free.push(var),
            (_, None) => {}
        }
    }

    /// Asks as the failed allocation did. It may succeed here, where memory is not short; the area is freed at once,
    /// since nothing in the trace uses it.
    fn fail(&mut self, asked: Asked) {
        if self.ask(KEPT, asked, None) {
            self.ops.push(Op::Free { var: KEPT });
        }
    }

    /// Adds an allocation; false when a program cannot have it, since sizes and alignments are 32 bits there.
    fn ask(&mut self, dst: Var, asked: Asked, gfp: Option<Gfp>) -> bool {
        let Asked { reserved, atomic, size, align } = asked;
        let (Ok(size), Ok(align)) = (u32::try_from(size), u32::try_from(align)) else {
            self.left_out[TOO_LARGE].0 += 1;
            return false;
        };
        // Before v6.0, the event does not have the mask, only whether the allocator may sleep.
        let gfp = gfp.unwrap_or(if atomic { Gfp::NOWAIT } else { Gfp::KERNEL });
        self.ops.push(Op::Alloc { dst, size, align, reserved, gfp });
        true
    }

    fn give_back(&mut self, var: Var) {
        self.ops.push(Op::Free { var });
        self.free.push(var);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alloc(ptr: u64, size: u64, bytes: u64) -> Record {
        let asked = Asked { reserved: false, atomic: false, size, align: 8 };
        let event = Event::Alloc { asked, ptr, bytes: Some(bytes), gfp: Some(Gfp::KERNEL) };
        Record { cpu: 0, event }
    }

    fn of(records: Vec<Record>) -> Imported {
        Trace { records, ..Trace::default() }.import()
    }

    fn on(cpu: u32, event: Event) -> Record {
        Record { cpu, event }
    }

    #[test]
    fn a_workload_in_its_order() {
        let fail = Asked { reserved: true, atomic: true, size: 16, align: 4 };
        let records = vec![
            alloc(0x100, 64, 64 * 6),
            alloc(0x200, 8, 48),
            on(1, Event::Free(0x100)),
            on(1, Event::Free(0x300)),
            on(0, Event::Create),
            on(0, Event::Destroy),
            on(0, Event::Destroy),
            on(3, Event::Fail(fail)),
            alloc(0x100, 24, 6 * 24),
            on(1, Event::Free(0x100)),
        ];
        let Imported { program, notes } = of(records);
        let text = program.to_string();
        let ops: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        let expected = [
            "v0 = alloc 64 align 8 gfp GFP_KERNEL",
            "v255 = alloc 8 align 8 gfp GFP_KERNEL",
            "free v0",
            "balance",
            "v255 = alloc 16 align 4 reserved gfp GFP_NOWAIT",
            "free v255",
            "v0 = alloc 24 align 8 gfp GFP_KERNEL",
            "free v0",
        ];
        assert_eq!(ops, expected, "{text}");
        assert!(text.starts_with("boot cpus=4 ") && text.contains("reserved=8K") && text.contains("kmem=on"), "{text}");
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("1 frees are left out"));
    }

    #[test]
    fn machines_are_as_large_as_what_was_charged() {
        let cpus = |bytes, cpu| {
            let boot = of(vec![alloc(8, 16, bytes), on(cpu, Event::Create)]).program.boot;
            (boot.nr_cpus(), boot.kmem)
        };
        assert_eq!(cpus(16 * 10, 0), (8, true));
        assert_eq!(cpus(16 * 4, 3), (4, false), "all four CPUs were seen");
        assert_eq!(cpus(17, 1), (2, true), "what cannot be says nothing");
        assert_eq!(cpus(u64::MAX / 16 * 16, 0).0, 64);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        // 300 areas at once, all freed; and one that no program can ask for.
        let all = (0..300).map(|i| alloc(i * 8, 8, 48)).chain([alloc(9999, 1 << 40, 48)]);
        let many = of(all.chain((0..300).map(|i| on(0, Event::Free(i * 8)))).collect());
        assert_eq!(many.program.nr_ops(), 300 + 255, "all are asked for");
        let starts = ["45 areas are kept", "1 allocations are left out", "45 frees are left out"];
        assert_eq!(many.notes.len(), 3, "{:?}", many.notes);
        starts.iter().zip(&many.notes).for_each(|(start, note)| assert!(note.starts_with(start), "{note}"));
        let long = (0..40_000).flat_map(|_| [alloc(8, 8, 48), on(0, Event::Free(8))]).collect();
        let long = of(long);
        assert_eq!((long.program.nr_ops(), long.notes.len()), (limits::OPS - 1, 1), "an event may be two ops");
        assert!(long.program.is_repaired());
    }
}
