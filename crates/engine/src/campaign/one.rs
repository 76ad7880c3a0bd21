// SPDX-License-Identifier: GPL-2.0-only
//! Single programs: each is examined, observed or read by itself.

use crate::judge::stats::Stats;
use crate::judge::{Batch, Observation};
use crate::worker::{AsItRuns, Client, Ended, Logs, Lost, Observe, ReadLogs, ReadStats, RunOne, Setup, cpu_limit};
use percuss_oracle::{Finding, crash};
use percuss_program::Program;

/// Examines one program in a worker of its own; losing the worker is a finding.
///
/// # Errors
/// No worker can be started.
pub fn one(setup: &Setup, program: &Program) -> Result<Batch, Lost> {
    one_on(&mut Client::new(setup), program, None)
}

/// The same on a worker that goes on to the next program; the program may use `limit_ms` of CPU time.
pub(super) fn one_on(client: &mut Client<'_>, program: &Program, limit_ms: Option<u64>) -> Result<Batch, Lost> {
    Ok(client.attempt(&RunOne { program: program.encode(), limit_ms })?.unwrap_or_else(|ended| {
        let hung = u64::from(ended == Ended::TimedOut);
        // The worker's own batch is lost with it. This one has all that is known: the program ran, and how it ended.
        let mut batch = Batch { programs: 1, hung, ..Batch::default() };
        batch.add(&crash(&ended, program), 0, || program.encode());
        batch
    }))
}

/// Examines programs one by one on one worker, numbered from `first` on.
///
/// # Errors
/// No worker can be started.
pub fn listed(setup: &Setup, first: u64, programs: &[Program]) -> Result<Batch, Lost> {
    let mut all = Batch::default();
    let mut client = Client::new(setup);
    for (index, program) in (first..).zip(programs) {
        let mut one = one_on(&mut client, program, None)?;
        // The worker numbers single programs 0, as it does not know their place in the list.
        one.found.iter_mut().for_each(|f| f.index = index);
        one.order.attribute(index);
        all.merge(one);
    }
    all.sort();
    Ok(all)
}

/// The finding that a program is which ended its worker.
pub fn crash(ended: &Ended, program: &Program) -> Finding {
    match ended {
        Ended::TimedOut => crash::endless(cpu_limit(program)),
        Ended::Died(how) => crash::died(how, ended.to_string()),
    }
}

/// Generated program `index` with the schedule it runs under in a campaign. A program that ends its worker is as it was
/// generated: its schedule is not known.
///
/// # Errors
/// No worker can be started.
pub fn as_it_runs(setup: &Setup, index: u64) -> Result<Program, Lost> {
    Ok(match Client::new(setup).attempt(&AsItRuns { index })? {
        Ok(program) => Program::decode(&program),
        Err(_) => setup.generator().program(index),
    })
}

/// Runs one program in a worker of its own, with call sites recorded.
///
/// # Errors
/// No worker can be started, or the program ends it.
pub fn observe(setup: &Setup, program: &Program) -> Result<Observation, Lost> {
    Client::new(setup).call(&Observe { program: program.encode() })
}

/// Runs programs on one worker, with call sites recorded, and hands each result to `see`: None for a program that ends the
/// worker.
///
/// # Errors
/// No worker can be started.
pub fn observe_all(
    setup: &Setup,
    programs: impl Iterator<Item = Program>,
    mut see: impl FnMut(Option<Observation>),
) -> Result<(), Lost> {
    let mut client = Client::new(setup);
    for program in programs {
        see(observe_on(&mut client, &program)?);
    }
    Ok(())
}

/// Runs one program on a worker with call sites recorded; None when the program ends it.
pub(super) fn observe_on(client: &mut Client<'_>, program: &Program) -> Result<Option<Observation>, Lost> {
    // What a program that crashes does on the image cannot be compared with anything.
    Ok(client.attempt(&Observe { program: program.encode() })?.ok())
}

/// What the allocator's memory was before and after a program.
///
/// # Errors
/// No worker can be started, or the program ends it.
pub fn stats(setup: &Setup, program: &Program) -> Result<Stats, Lost> {
    Client::new(setup).call(&ReadStats { program: program.encode() })
}

/// The event logs of a program, `context` events around the first difference.
///
/// # Errors
/// No worker can be started, or the program ends it.
pub fn logs(setup: &Setup, program: &Program, context: usize) -> Result<Logs, Lost> {
    Client::new(setup).call(&ReadLogs { program: program.encode(), context })
}
