// SPDX-License-Identifier: GPL-2.0-only
//! Several programs as one: their tasks beside each other, run one program after the other.

use percuss_kernel::{Fault, Geometry, Memory, VARS, Var, limits};
use percuss_program::{Op, Program, Turn, run_order};

/// How the memory of programs is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// None of it: for programs that need no pressure.
    Plenty,
    /// As much of everything as the programs have together.
    Sum,
    /// The most that one of them has: what came before may have used it up.
    Most,
}

/// One program that does on this machine what all `parts` do, in their order; None when that exceeds a limit.
pub(super) fn join(parts: &[&Program], boot: Geometry, pool: Pool) -> Option<Program> {
    let mut whole = Program { boot, tasks: Vec::new(), memory: memory(parts, pool), ..Program::default() };
    let mut vars = 0;
    for part in parts {
        // Two parts may use the same variable for areas of their own.
        let renamed = renamed(part, &mut vars)?;
        let task = whole.tasks.len();
        // Op by op: where a task is preempted within one makes no difference to the order of locks.
        whole.schedule.extend(run_order(&renamed).iter().map(|(t, _)| Turn::op(task + t)));
        whole.tasks.extend(renamed.tasks);
        whole.shrinkers.extend(renamed.shrinkers);
        whole.faults.extend(renamed.faults);
        whole.unsafe_caller |= renamed.unsafe_caller;
    }
    merge_faults(&mut whole.faults);
    let fits = whole.tasks.len() <= limits::TASKS
        && whole.shrinkers.len() <= limits::SHRINKERS
        && whole.faults.len() <= limits::FAULTS
        && whole.nr_ops() <= limits::OPS;
    // What a part may do on its own machine it may not be able to do on this one.
    (fits && whole.is_repaired()).then_some(whole)
}

/// The program with variables that no part before has; None when there are not so many.
fn renamed(part: &Program, used: &mut usize) -> Option<Program> {
    let mut part = part.clone();
    let (mut names, first) = ([None; VARS], *used);
    let mut next = first;
    let mut rename = |var: &mut Var| {
        let name = names[usize::from(var.0)].get_or_insert_with(|| {
            next += 1;
            next - 1
        });
        *var = Var((*name % VARS) as u8);
    };
    let tasks = part.tasks.iter_mut().flatten();
    let shrinkers = part.shrinkers.iter_mut().flat_map(|s| &mut s.ops);
    tasks.chain(shrinkers).for_each(|op: &mut Op| op.visit_vars(&mut rename));
    *used = next;
    (next <= VARS).then_some(part)
}

fn memory(parts: &[&Program], pool: Pool) -> Option<Memory> {
    let mut memories = parts.iter().filter_map(|p| p.memory);
    let first = memories.next().filter(|_| pool != Pool::Plenty)?;
    let both = |a: u16, b: u16| if pool == Pool::Sum { a.saturating_add(b) } else { a.max(b) };
    // The reserve is a mark of the machine and no amount that a part uses up, so it is never added up.
    Some(memories.fold(first, |a, b| Memory {
        free: both(a.free, b.free),
        reserve: a.reserve.max(b.reserve),
        clean: both(a.clean, b.clean),
        io: both(a.io, b.io),
        fs: both(a.fs, b.fs),
        oom: both(a.oom, b.oom),
        kswapd: a.kswapd || b.kswapd,
    }))
}

/// The same fault twice is one.
fn merge_faults(faults: &mut Vec<Fault>) {
    let mut kept: Vec<Fault> = Vec::new();
    faults.retain(|f| {
        let new = !kept.contains(f);
        kept.push(*f);
        new
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str) -> Program {
        text.parse().unwrap()
    }

    fn joined(parts: &[&str], pool: Pool) -> Option<String> {
        let parts: Vec<Program> = parts.iter().map(|text| program(text)).collect();
        let whole = join(&parts.iter().collect::<Vec<_>>(), parts[0].boot, pool);
        whole.map(|p| p.to_string().lines().skip(1).map(|line| format!("{line}\n")).collect())
    }

    #[test]
    fn tasks_stand_side_by_side_and_run_one_after_the_other() {
        let one = "task a\nv3 = alloc 8\nfree v3\ntask b\nwrite v3 1\nschedule a b a\n";
        let two = "task a\nv3 = alloc 64\nv9 = alloc 8\nfree v3\n";
        let whole = joined(&[one, two], Pool::Sum).unwrap();
        let op = |text: &str| format!("  {text} align 8 gfp GFP_KERNEL\n");
        let tasks = [
            format!("task a\n{}  free v0\n", op("v0 = alloc 8")),
            "task b\n  write v0 1\n".to_owned(),
            format!("task c\n{}{}  free v1\n", op("v1 = alloc 64"), op("v2 = alloc 8")),
        ];
        assert_eq!(whole, format!("{}schedule a b a c*3\n", tasks.concat()));
    }

    #[test]
    fn memory_and_shrinkers_come_together() {
        let one = "memory free=3 io=2\ntask a\nv0 = alloc 8\nshrinker gated\nfree v0\n";
        let two = "memory free=9 fs=1 kswapd=off\ntask a\nv0 = alloc 8\nshrinker always objects=2\nfree v0\n";
        let whole = joined(&[one, two], Pool::Sum).unwrap();
        assert!(whole.contains("memory free=12 reserve=4 clean=0 io=2 fs=1 oom=0 kswapd=on\n"), "{whole}");
        assert!(whole.contains("shrinker gated objects=1\n  free v0\n"), "{whole}");
        assert!(whole.contains("shrinker always objects=2\n  free v1\n"), "{whole}");
        assert!(joined(&[one, two], Pool::Most).unwrap().contains("memory free=9 "));
        assert!(!joined(&[one, two], Pool::Plenty).unwrap().contains("memory"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let many: String = (0..200).map(|n| format!("v{n} = alloc 8\n")).collect();
        let many = format!("task a\n{many}");
        assert!(joined(&[&many], Pool::Sum).is_some());
        assert_eq!(joined(&[&many, &many], Pool::Sum), None);
        let tasks: String = (0..9).map(|n| format!("task t{n}\nnr-pages\n")).collect();
        assert_eq!(joined(&[&tasks, &tasks], Pool::Sum), None);
        // A copy of CPU 3 is nowhere on a machine of two.
        let other = "boot cpus=4\ntask a\nphys x cpu 3\n";
        assert_eq!(joined(&["boot cpus=2\ntask a\nnr-pages\n", other], Pool::Sum), None);
    }

    #[test]
    fn a_fault_of_both_is_one() {
        let one = "task a\nv0 = alloc 8\nfault pages nth=3\n";
        assert_eq!(joined(&[one, one], Pool::Sum).unwrap().matches("fault").count(), 1);
    }
}
