// SPDX-License-Identifier: GPL-2.0-only
//! Runs two images on the same programs in one process: what the second does that the first does not, as `percuss diff`
//! does.
//!
//! The first event that differs is a difference, and so is a finding of an oracle without the Model that one image has
//! alone. It is accounted for if the images differ in quirks or facts, and each does, event for event, what the Model
//! does with its quirks and facts. So a known fix between the two trees is no finding, while anything beyond it is.

use std::collections::BTreeSet;

use percuss_shim as shim;

use super::lockstep::{Crash, Ready, StartError};
use crate::judge::{Class, Examiner, Observation, Oracles, differences};
use percuss_model::{Facts, Quirks};
use percuss_oracle::{Finding, OracleKind, lockstep};
use percuss_program::Program;
use percuss_world::log::Log;

/// How far two images agree on a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They do the same, and the oracles find the same.
    Same,
    /// They differ, and known quirks, sizes or limits account for it.
    Accounted,
}

/// What the two images are known to differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Quirks of the second that the first does not have.
    pub gained: Quirks,
    /// Quirks of the first that the second does not have.
    pub gone: Quirks,
    /// Sizes of structures or limits differ.
    pub facts: bool,
}

impl Known {
    fn of(facts: [Facts; 2], quirks: [Quirks; 2]) -> Known {
        let [before, after] = quirks;
        Known { gained: after.but_not(before), gone: before.but_not(after), facts: facts[0] != facts[1] }
    }

    /// True if no difference is known.
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.gone.is_empty() && !self.facts
    }
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("no known difference");
        }
        let signed =
            |sign: char, quirks: Quirks| quirks.iter().map(|quirk| format!(" {sign}{quirk}")).collect::<String>();
        let facts = if self.facts { " sizes or limits" } else { "" };
        write!(f, "known differences:{}{}{facts}", signed('+', self.gained), signed('-', self.gone))
    }
}

/// The images before and after a change, each on a World of its own.
#[derive(Debug)]
pub struct Pair {
    sides: [Examiner; 2],
    known: Known,
    coverage: shim::Coverage,
}

/// Most programs that are tried to make one small.
///
/// The process ends with the finding, and the session waits for it.
const TRIES: u32 = 300;

const MEMORY: &str = "memory for stacks";

impl Pair {
    /// Loads both, checks that the fuzzer sees into them, and probes their quirks.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn of(before: shim::Image, after: shim::Image) -> Result<Pair, StartError> {
        if before.ranges().iter().any(|a| after.ranges().iter().any(|b| overlap(*a, *b))) {
            return Err(StartError::Shared);
        }
        let [a, b] = [Ready::of(before, "before")?, Ready::of(after, "after")?];
        let known = Known::of([a.facts, b.facts], [a.quirks, b.quirks]);
        let coverage = shim::Coverage {
            // Places are those of the whole program, with both images in it.
            places: b.coverage.places,
            functions: a.coverage.functions + b.coverage.functions,
            instrumented: a.coverage.instrumented + b.coverage.instrumented,
            ran: a.coverage.ran + b.coverage.ran,
        };
        // The Model runs only for programs in which the images differ.
        let oracles = Oracles::without(OracleKind::Lockstep);
        let side = |ready: Ready| Examiner::new(ready.session, ready.facts, ready.quirks, oracles);
        Ok(Pair { sides: [side(a)?, side(b)?], known, coverage })
    }

    /// The counters of both images.
    pub fn coverage(&self) -> shim::Coverage {
        self.coverage
    }

    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Drops the booted machines, so that the next program boots even with the same geometry.
    pub fn power_off(&mut self) {
        for side in &mut self.sides {
            side.image().power_off();
            side.model().session.power_off();
        }
    }

    /// Runs a program on both.
    ///
    /// # Errors
    /// The images differ, and nothing known accounts for it.
    ///
    /// # Panics
    /// The system has no memory for a stack.
    pub fn run(&mut self, program: &Program) -> Result<Agreement, Box<Crash>> {
        let said = self.sides.each_mut().map(|side| side.examine(program).expect(MEMORY).findings);
        // The events can be the same while the findings are not: some oracles look at state.
        if self.parting(program).is_none() && titles(&said[0]) == titles(&said[1]) {
            return Ok(Agreement::Same);
        }
        // Without a known difference, both would be compared with the same Model, and nothing could account for a
        // difference.
        if !self.known.is_empty() && self.agree_with_models(program) {
            return Ok(Agreement::Accounted);
        }
        Err(Box::new(Crash { findings: self.changes(program), program: program.clone() }))
    }

    /// The smallest program found with the same first finding.
    ///
    /// # Panics
    /// The system has no memory for a stack.
    pub fn minimize(&mut self, crash: &Crash) -> Program {
        let title = |crash: &Crash| crash.findings.first().map(|f| f.title.clone());
        let wanted = title(crash);
        // The first finding has to stay the same, or the small program would show something else than the report says.
        let keep = |candidate: &Program| self.run(candidate).is_err_and(|c| title(&c) == wanted);
        percuss_program::minimize(crash.program.clone(), keep, TRIES).program
    }

    /// The first event of the last program that differs, as a finding.
    fn parting(&self, program: &Program) -> Option<Finding> {
        let [a, b] = self.sides.each_ref().map(|side| side.image_ref().shared().host.world());
        let parting = lockstep::compare(a.events(), b.events())?;
        let mut finding = lockstep::finding(program, a.events(), b.events(), parting);
        finding.title = finding.title.replacen("divergence", "the patched tree parts", 1);
        let site = |log: &Log| log.site_of(parting.event).map_or("no call".to_owned(), |s| s.to_string());
        finding.detail = format!("{}\nbefore: {}\nafter:  {}", finding.detail, site(a.log()), site(b.log())).into();
        Some(finding)
    }

    /// True if each image does what the Model with its facts and quirks does, and the quirks account for all findings.
    fn agree_with_models(&mut self, program: &Program) -> bool {
        self.sides.iter_mut().all(|side| {
            // Only for this run: the next input is compared without the Model.
            side.set_lockstep(true);
            let verdict = side.examine(program).expect(MEMORY);
            side.set_lockstep(false);
            verdict.findings.iter().all(|f| f.quirk.is_some())
        })
    }

    /// All differences, most important first: findings of the second image alone, the first event that differs,
    /// findings that are gone, and the other classes of change.
    ///
    /// Runs the program once more, with call sites, which are too slow for every input.
    fn changes(&mut self, program: &Program) -> Vec<Finding> {
        let [before, after] = self.sides.each_mut().map(|side| side.observe(program).expect(MEMORY));
        let parting = self.parting(program);
        let op = parting.as_ref().map_or(0, |f| f.op);
        let mut ranked: Vec<(u32, Finding)> = parting.into_iter().map(|f| (1, f)).collect();
        for ((class, what), shown) in differences(Some(&before), Some(&after)) {
            let said = |o: &Observation, title: &str| o.findings.iter().find(|f| f.title == title).cloned();
            ranked.extend(match (class, what.split_once(' ')) {
                (Class::Reports, Some(("+", title))) => said(&after, title).map(|f| (0, f)),
                (Class::Reports, Some((_, title))) => said(&before, title).map(|f| (2, gone(f))),
                _ => {
                    let title = format!("percuss: {} changed: {what}", class.name());
                    Some((3, Finding::new(OracleKind::Lockstep, op, title, shown.sites.join("\n"))))
                }
            });
        }
        // The sort is stable, so changes of one rank stay in the order of their classes.
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, f)| f).collect()
    }
}

/// True if two ranges, each an address and a length, share a byte.
fn overlap(a: (usize, usize), b: (usize, usize)) -> bool {
    a.0 < b.0 + b.1 && b.0 < a.0 + a.1
}

fn gone(f: Finding) -> Finding {
    Finding { title: format!("no longer: {}", f.title), ..f }
}

fn titles(findings: &[Finding]) -> BTreeSet<&str> {
    findings.iter().map(|f| f.title.as_str()).collect()
}
