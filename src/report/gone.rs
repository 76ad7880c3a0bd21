// SPDX-License-Identifier: GPL-2.0-only
//! What a change takes away, and whether that is enough.

use super::layout::{plural, wrap};
use percuss_engine::campaign::{Standing, Verdict};
use percuss_kernel::{Effect, Quirk};
use percuss_oracle::OracleKind;

/// A sentence on the quirks that are gone; nothing where none is.
pub(super) fn gone(v: &Verdict<'_>, width: usize) -> String {
    let gone: Vec<Quirk> = v.image.lost().iter().collect();
    if gone.is_empty() {
        return String::new();
    }
    let verb = if gone.len() == 1 { "is" } else { "are" };
    let mut text = format!("{} {verb} gone", names(&gone));
    let of_masks = |quirk: &Quirk| quirk.effect() == Effect::Masks;
    let (remain, orders) = remaining(v);
    // A cycle of locks is closed when its last dependency is gone, whichever of several quirks makes that.
    if gone.iter().any(of_masks) && !remain.is_empty() {
        let one = if remain.len() == 1 { "remains" } else { "remain" };
        let orders = plural(orders as u64, "finding");
        text += &format!(
            ", which closes nothing by itself: {} {one}, with {orders} about the order of locks",
            names(&remain)
        );
    }
    wrap("", 0, &text, width)
}

/// The quirks of masks that still account for an order of locks, and how many findings these are.
fn remaining(v: &Verdict<'_>) -> (Vec<Quirk>, usize) {
    let known = v.cases.iter().filter(|c| c.standing == Standing::Known);
    let orders: Vec<Quirk> =
        known.filter(|c| c.found.finding.oracle == OracleKind::LockOrder).filter_map(|c| c.quirk()).collect();
    let of_masks = |quirk: &Quirk| quirk.effect() == Effect::Masks;
    let remain = v.image.quirks.iter().filter(of_masks).filter(|q| orders.contains(q)).collect::<Vec<_>>();
    let nr = orders.iter().filter(|q| remain.contains(q)).count();
    (remain, nr)
}

/// `B04`, `B04 and B05`, `B04, B05 and B06`.
fn names(quirks: &[Quirk]) -> String {
    let names: Vec<&str> = quirks.iter().map(|quirk| quirk.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
