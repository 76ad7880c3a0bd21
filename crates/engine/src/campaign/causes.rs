// SPDX-License-Identifier: GPL-2.0-only
//! Causes: the few mistakes behind many findings.
//!
//! One mistake shows in many ways: a lock that is kept is a report, then a deadlock, then a wrong count. A finding that
//! never shows without another one that came first follows from it. So the kind that most programs show first is a cause;
//! all programs that show it are explained; and so on with those that are left.

use std::collections::BTreeSet;

use percuss_kernel::Quirk;
use percuss_lockdep::Part;
use percuss_oracle::OracleKind;

use crate::judge::{Batch, Found, Together, mark};

/// A mistake, as far as percuss can tell one from another.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The quirk that the change brings; None for a finding.
    pub quirk: Option<Quirk>,
    /// The finding that stands for it, by its place among the cases; None for a quirk of which no program of the
    /// campaign showed anything.
    pub case: Option<usize>,
    /// Findings that show only together with it, by their places among the cases.
    pub follow: Vec<usize>,
    /// Programs that show it.
    pub programs: u64,
    /// New dependencies between locks that it consists of.
    pub parts: Vec<Part>,
    /// Where in the source, when that is known.
    pub place: Option<String>,
    /// What is done instead of what, for a difference.
    pub words: Option<String>,
}

impl Cause {
    /// Takes in another one that is the same mistake.
    fn absorb(&mut self, other: Cause) {
        self.programs += other.programs;
        self.follow.extend(other.case.into_iter().chain(other.follow));
        self.parts.extend(other.parts);
        self.parts.sort();
        self.parts.dedup();
    }
}

/// Puts those together that do the same thing otherwise in the same function; the most frequent come first.
pub(super) fn merge_differences(all: Vec<Cause>) -> Vec<Cause> {
    let function = |c: &Cause| c.place.as_ref().and_then(|p| p.split(' ').next().map(str::to_owned));
    let mut out = merge(all, |a, b| (function(a), &a.words) == (function(b), &b.words));
    out.sort_by_key(|c| std::cmp::Reverse(c.programs));
    out
}

/// Puts those together that break one rule in one line of the source: a mutex that is taken in every kind of atomic
/// context is taken in one place. `oracle` gives the rule.
pub(super) fn merge_places(all: Vec<Cause>, oracle: impl Fn(&Cause) -> Option<OracleKind>) -> Vec<Cause> {
    merge(all, |a, b| a.place.is_some() && (oracle(a), &a.place) == (oracle(b), &b.place))
}

fn merge(all: Vec<Cause>, same: impl Fn(&Cause, &Cause) -> bool) -> Vec<Cause> {
    let mut out: Vec<Cause> = Vec::new();
    for cause in all {
        match out.iter_mut().find(|o| same(o, &cause)) {
            Some(first) => first.absorb(cause),
            None => out.push(cause),
        }
    }
    out
}

/// How serious a kind is, the most serious first: what breaks the kernel at once, before what makes it wrong, before what
/// makes it slow, before what only differs from the Model.
pub fn rank(oracle: OracleKind) -> u8 {
    match oracle {
        OracleKind::Context => 0,
        OracleKind::Mapping => 1,
        OracleKind::LockOrder => 2,
        OracleKind::Content => 3,
        OracleKind::Crash => 4,
        OracleKind::Stall => 5,
        OracleKind::Ledger => 6,
        OracleKind::Invariants => 7,
        OracleKind::Liveness | OracleKind::Masks => 8,
        OracleKind::Room => 9,
        OracleKind::Traces => 10,
        OracleKind::Hints => 11,
        OracleKind::Lockstep => 12,
    }
}

/// A kind of finding while causes are looked for.
struct Kind {
    at: usize,
    marks: Vec<u64>,
    rank: u8,
    parts: Vec<Part>,
    count: u64,
}

/// Groups findings by cause: places among `found` of those that stand for a cause, each with those that follow from it.
/// `wanted` says which findings take part; `parts` gives the new dependencies of one about the order of locks.
pub(super) fn causes(
    found: &[Found],
    batches: [&Batch; 2],
    wanted: impl Fn(&Found) -> bool,
    parts: impl Fn(&Found) -> Vec<Part>,
) -> Vec<Cause> {
    let mut kinds = kinds(found, wanted, parts);
    let together: Vec<&Together> = batches.iter().flat_map(|b| &b.together).collect();
    let mut programs: Vec<Vec<usize>> = together.iter().map(|t| places(t, &kinds)).filter(|p| !p.is_empty()).collect();
    let mut out: Vec<Cause> = Vec::new();
    let mut left: BTreeSet<usize> = (0..kinds.len()).collect();
    while !left.is_empty() {
        let chosen = first_of_most(&programs, &kinds, &left);
        left.remove(&chosen);
        let (with, without): (Vec<_>, Vec<_>) = programs.into_iter().partition(|p| p.contains(&chosen));
        programs = without;
        let elsewhere: BTreeSet<usize> = programs.iter().flatten().copied().collect();
        // A kind that is seen nowhere else follows.
        let follow: Vec<usize> =
            left.iter().copied().filter(|k| !elsewhere.contains(k) && with.iter().any(|p| p.contains(k))).collect();
        left.retain(|k| !follow.contains(k));
        out.push(Cause {
            quirk: None,
            case: Some(kinds[chosen].at),
            follow: follow.iter().map(|k| kinds[*k].at).collect(),
            programs: kinds[chosen].count.max(with.len() as u64),
            parts: std::mem::take(&mut kinds[chosen].parts),
            place: None,
            words: None,
        });
    }
    // What takes several programs together is possible; what one program shows has happened.
    let alone = |at: usize| found[at].composed.is_none();
    out.sort_by_key(|c| {
        c.case.map(|at| (!alone(at), rank(found[at].finding.oracle), std::cmp::Reverse(c.programs), at))
    });
    out
}

/// Kinds of findings; those about the order of locks are one kind when the same dependency is new in them.
fn kinds(found: &[Found], wanted: impl Fn(&Found) -> bool, parts: impl Fn(&Found) -> Vec<Part>) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (at, f) in found.iter().enumerate().filter(|(_, f)| wanted(f)) {
        let (mark, parts) = (mark(f.finding.oracle, &f.finding.title), parts(f));
        let same = kinds.iter_mut().find(|k| !parts.is_empty() && k.parts.iter().any(|p| parts.contains(p)));
        match same {
            Some(kind) => {
                kind.marks.push(mark);
                kind.count += f.count;
            }
            None => {
                kinds.push(Kind { at, marks: vec![mark], rank: rank(f.finding.oracle), parts, count: f.count });
            }
        }
    }
    kinds
}

/// The kinds of a program, by their places; those of lockstep only where there is nothing else.
fn places(together: &Together, kinds: &[Kind]) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::new();
    for mark in &together.marks {
        if let Some(place) = kinds.iter().position(|k| k.marks.contains(mark)).filter(|p| !places.contains(p)) {
            places.push(place);
        }
    }
    places
}

/// The kind that most programs show first; what a rule says is before what lockstep says.
fn first_of_most(programs: &[Vec<usize>], kinds: &[Kind], left: &BTreeSet<usize>) -> usize {
    let mut first = vec![0u64; kinds.len()];
    for program in programs {
        let by_rank = |k: &&usize| (kinds[**k].rank == rank(OracleKind::Lockstep), kinds[**k].rank);
        if let Some(k) = program.iter().filter(|k| left.contains(k)).min_by_key(by_rank) {
            first[*k] += 1;
        }
    }
    let most =
        left.iter().copied().max_by_key(|k| (first[*k], std::cmp::Reverse(kinds[*k].rank), std::cmp::Reverse(*k)));
    most.expect("there is a kind left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use OracleKind::{Context, Invariants, Ledger, LockOrder, Lockstep, Mapping};
    use percuss_lockdep::Dep;
    use percuss_oracle::Finding;

    type Shown<'t> = &'t [(OracleKind, &'t str)];

    /// A batch of programs, each with the new findings that it shows.
    fn batch(programs: &[Shown<'_>]) -> Batch {
        let mut batch = Batch::default();
        for (index, shown) in (0..).zip(programs) {
            let findings: Vec<Finding> =
                shown.iter().map(|(oracle, title)| Finding::new(*oracle, 0, *title, "")).collect();
            findings.iter().for_each(|f| batch.add(f, index, Vec::new));
            batch.add_together(index, &findings);
        }
        batch
    }

    /// The causes by title, each with the titles of what follows from it and the number of its programs.
    fn grouped(batch: &Batch) -> Vec<(&str, Vec<&str>, u64)> {
        titles(batch, causes(&batch.found, [&Batch::default(), batch], |_| true, |_| Vec::new()))
    }

    fn titles(batch: &Batch, causes: Vec<Cause>) -> Vec<(&str, Vec<&str>, u64)> {
        let title = |at: usize| batch.found[at].finding.title.as_str();
        let cause = |c: Cause| (title(c.case.unwrap()), c.follow.into_iter().map(title).collect(), c.programs);
        causes.into_iter().map(cause).collect()
    }

    #[test]
    fn one_mistake_shown_in_many_ways_is_one_cause() {
        let batch = batch(&[
            &[(Context, "lock kept"), (Ledger, "leak"), (Lockstep, "parts at unlock")],
            &[(Context, "lock kept"), (Invariants, "wrong count")],
            &[(Context, "lock kept"), (Lockstep, "parts at unlock")],
            &[(Context, "lock kept")],
        ]);
        let follow = vec!["leak", "parts at unlock", "wrong count"];
        assert_eq!(grouped(&batch), [("lock kept", follow, 4)]);
    }

    #[test]
    fn two_independent_mistakes_are_two_causes() {
        let batch = batch(&[
            &[(Ledger, "leak"), (Invariants, "wrong count")],
            &[(Mapping, "stale")],
            &[(Ledger, "leak")],
            &[(Mapping, "stale"), (Lockstep, "parts at flush")],
            &[(Mapping, "stale")],
        ]);
        // The more serious one is first.
        assert_eq!(grouped(&batch), [("stale", vec!["parts at flush"], 3), ("leak", vec!["wrong count"], 2)]);
    }

    #[test]
    fn a_finding_that_is_seen_elsewhere_alone_is_a_cause_of_its_own() {
        let both: Shown<'_> = &[(Context, "sleeps"), (Ledger, "leak")];
        let batch = batch(&[both, both, both, &[(Ledger, "leak")]]);
        assert_eq!(grouped(&batch), [("sleeps", vec![], 3), ("leak", vec![], 4)]);
    }

    #[test]
    fn a_rule_stands_for_a_program_before_a_divergence_does() {
        // Each program parts from the Model, and most of them break a rule as well.
        let batch = batch(&[
            &[(Lockstep, "parts"), (Invariants, "wrong count")],
            &[(Invariants, "wrong count"), (Lockstep, "parts")],
        ]);
        assert_eq!(grouped(&batch), [("wrong count", vec!["parts"], 2)]);
    }

    #[test]
    fn cycles_through_one_new_dependency_are_one_cause() {
        let batch = batch(&[&[(LockOrder, "A --> B")], &[(LockOrder, "A --> B --> C")], &[(LockOrder, "C --> D")]]);
        let edge = |from: &'static str, to: &'static str| Part::Edge(from.into(), to.into(), Dep::EN);
        let parts = |f: &Found| match f.finding.title.as_str() {
            "C --> D" => vec![edge("D", "C")],
            _ => vec![edge("B", "A")],
        };
        let causes = causes(&batch.found, [&Batch::default(), &batch], |_| true, parts);
        assert_eq!(causes.iter().map(|c| &c.parts[..]).collect::<Vec<_>>(), [[edge("B", "A")], [edge("D", "C")]]);
        assert_eq!(titles(&batch, causes), [("A --> B", vec![], 2), ("C --> D", vec![], 1)]);
    }

    #[test]
    fn what_no_program_shows_alone_is_a_cause_too() {
        let mut batch = batch(&[&[(Ledger, "leak")]]);
        let finding = Finding::new(LockOrder, 0, "A --> B", "");
        batch.found.push(Found { finding, index: 0, count: 0, program: Vec::new(), composed: None });
        assert_eq!(grouped(&batch), [("A --> B", vec![], 0), ("leak", vec![], 1)]);
    }

    #[test]
    fn only_what_is_wanted_takes_part() {
        let batch = batch(&[&[(Mapping, "stale"), (Lockstep, "parts")], &[(Lockstep, "parts")]]);
        let of = |wanted: OracleKind| {
            let wanted = move |f: &Found| f.finding.oracle == wanted;
            titles(&batch, causes(&batch.found, [&Batch::default(), &batch], wanted, |_| Vec::new()))
        };
        assert_eq!(of(Mapping), [("stale", vec![], 1)]);
        assert_eq!(of(Lockstep), [("parts", vec![], 2)]);
    }
}
