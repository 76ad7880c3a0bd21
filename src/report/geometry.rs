// SPDX-License-Identifier: GPL-2.0-only
//! What the generated programs of a campaign were made of.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{share, wrap_items};
use super::shares::shares;
use percuss_engine::campaign::Verdict;

/// Every value of every axis with its share. A value that was generated too seldom is marked with the share it should
/// have: a verdict says little about geometries that hardly occurred.
pub(super) fn geometry(v: &Verdict<'_>, width: usize) -> String {
    let shares = shares(v.seed, &v.generated);
    // With `--programs 0` only the corpus was run, whose geometries were not generated.
    if shares.programs() == 0 {
        return String::new();
    }
    let missing = shares.missing();
    let mut out = String::new();
    let rows: Vec<_> = shares.rows().collect();
    let _ = writeln!(out, "\n{}  share of the generated programs", "geometry".bold());
    for axis in rows.chunk_by(|a, b| a.0 == b.0) {
        let items: Vec<String> = axis
            .iter()
            .map(|(axis, value, n, least)| {
                let short = missing.contains(&(axis, value));
                let note = if short { format!(" (too few: {})", percent(*least)) } else { String::new() };
                format!("{value} {}{note}", rounded(*n, shares.programs()))
            })
            .collect();
        out += &wrap_items(&format!("  {:<13}  ", axis[0].0), 17, &items, width);
    }
    out
}

fn percent(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Whole percents, with a tenth where there would be nothing else.
fn rounded(part: u64, whole: u64) -> String {
    match (part * 100 + whole / 2) / whole.max(1) {
        0 => share(part, whole),
        n => format!("{n} %"),
    }
}
