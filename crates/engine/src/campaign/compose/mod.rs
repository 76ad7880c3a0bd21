// SPDX-License-Identifier: GPL-2.0-only
//! Conflicts of locks that take several programs: for each, one program is put together that shows it alone.
//!
//! Of the program that first did a part of the conflict everything is cut away that the part does not need; what is left
//! of all parts is joined and run. What does not come out as one program is reported with its parts.

mod join;

use std::fmt::Write as _;

use self::join::{Pool, join};
use super::minimize::cut;
use super::one::one_on;
use crate::judge::{Composed, Found};
use crate::worker::{Client, Lost, Setup};
use percuss_kernel::Geometry;
use percuss_lockdep::{Conflict, Edge, Graph, Origin, Part, Use};
use percuss_oracle::{Finding, OracleKind};
use percuss_program::Program;

/// Programs tried, at most, to cut one down to a part.
const TRIES: u32 = 300;

/// Joined programs that are run, at most, to find one that shows the conflict.
const ATTEMPTS: usize = 32;

/// The findings that the lock order of a campaign holds beyond those of its programs. `program` gives a program by its
/// number, `wanted` says by its title which conflict is to be put together.
///
/// # Errors
/// No worker can be started, or `program` fails.
pub fn compose(
    setup: &Setup,
    order: &Graph,
    program: &dyn Fn(u64) -> Result<Program, Lost>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Found>, Lost> {
    let mut composer = Composer { client: Client::new(setup), program, parts: Vec::new() };
    let mut found: Vec<Found> = Vec::new();
    for conflict in order.conflicts().into_iter().filter(|c| wanted(&c.title())) {
        let new = composer.finding(&conflict)?;
        // Two conflicts of the graph can be one to a reader: those with the same title are one finding.
        if !found.iter().any(|f| f.finding.key() == new.finding.key()) {
            found.push(new);
        }
    }
    Ok(found)
}

struct Composer<'c> {
    client: Client<'c>,
    program: &'c dyn Fn(u64) -> Result<Program, Lost>,
    /// Programs cut down to what they did, which conflicts share.
    parts: Vec<(Part, Program)>,
}

impl Composer<'_> {
    fn finding(&mut self, conflict: &Conflict) -> Result<Found, Lost> {
        let mut parts = Vec::new();
        for (part, origin) in conflict.parts() {
            parts.push(self.part(part, origin)?);
        }
        let programs: Vec<u64> = conflict.programs().into_iter().collect();
        // The conflict is there once the last of its programs has run.
        let index = programs.last().copied().unwrap_or(0);
        for whole in candidates(&parts).take(ATTEMPTS) {
            let batch = one_on(&mut self.client, &whole, None)?;
            // A joined program may find something else, which is not what was asked for.
            if !batch.order.shows(&conflict.trouble) {
                continue;
            }
            let shown = batch.found.into_iter().find(|f| conflict.is_title(&f.finding.title));
            if let Some(shown) = shown {
                let composed = Some(Composed { programs, whole: true });
                return Ok(Found { index, count: 0, composed, ..shown });
            }
        }
        let detail = in_parts(conflict, &parts);
        let finding = Finding::new(OracleKind::LockOrder, 0, conflict.title(), detail);
        let program = parts.first().map(Program::encode).unwrap_or_default();
        Ok(Found { finding, index, count: 0, program, composed: Some(Composed { programs, whole: false }) })
    }

    /// The program that first did this, cut down to it.
    fn part(&mut self, part: Part, origin: &Origin) -> Result<Program, Lost> {
        if let Some((_, program)) = self.parts.iter().find(|(p, _)| *p == part) {
            return Ok(program.clone());
        }
        let program = (self.program)(origin.program)?;
        let program = cut(&mut self.client, &program, &part, TRIES)?;
        self.parts.push((part, program.clone()));
        Ok(program)
    }
}

/// Ways of joining the parts, the likeliest first: in their order and in its rotations, since what one leaves behind may
/// keep the next from doing what it did; on the machine of each; with memory for all.
fn candidates(parts: &[Program]) -> impl Iterator<Item = Program> + '_ {
    let mut machines: Vec<Geometry> = Vec::new();
    for p in parts {
        if !machines.contains(&p.boot) {
            machines.push(p.boot);
        }
    }
    let pools: &[Pool] = match parts.iter().filter(|p| p.memory.is_some()).count() {
        0 => &[Pool::Plenty],
        1 => &[Pool::Most],
        _ => &[Pool::Sum, Pool::Most],
    };
    (0..parts.len()).flat_map(move |first| {
        let mut order: Vec<&Program> = parts[first..].iter().chain(&parts[..first]).collect();
        // Who needs no pressure comes before memory gets short.
        order.sort_by_key(|p| p.memory.is_some());
        let machines = machines.clone();
        machines.into_iter().flat_map(move |boot| {
            let order = order.clone();
            pools.iter().filter_map(move |pool| join(&order, boot, *pool))
        })
    })
}

/// The conflict as a text that names each part with a program that shows it.
fn in_parts(conflict: &Conflict, parts: &[Program]) -> String {
    let mut out = String::from("no program was found that shows it alone; these show its parts\n");
    let uses = conflict.uses.iter().map(of_use);
    let edges = conflict.edges.iter().filter_map(of_edge);
    for (what, program) in uses.chain(edges).zip(parts) {
        let _ = writeln!(out, "\n{what}");
        out.extend(program.to_string().lines().map(|line| format!("  {line}\n")));
    }
    for edge in conflict.edges.iter().filter(|e| e.origin.is_none()) {
        let _ = writeln!(out, "\n{} -> {}: declared", edge.from, edge.to);
    }
    out
}

fn of_edge(edge: &Edge) -> Option<String> {
    let origin = edge.origin.as_ref()?;
    Some(format!("{} -> {}: {}", edge.from, edge.to, by(origin)))
}

fn of_use(u: &Use) -> String {
    format!("{} {{{}}}: {}", u.class, u.usage.name(), by(&u.origin))
}

fn by(origin: &Origin) -> String {
    let call = origin.place.call.name();
    match &origin.site {
        Some(s) => format!("{call} in {} ({}:{})", s.function, s.file, s.line),
        None => call.to_owned(),
    }
}
