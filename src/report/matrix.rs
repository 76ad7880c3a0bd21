// SPDX-License-Identifier: GPL-2.0-only
//! The scenario matrix, which is the output of `percuss scenario`: cases of the NOFS/NOIO review, each run on a tree
//! and on variants of it. It has a form for people, one for machines and one for the documentation.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::wrap;
use percuss_engine::experiments::scenario::{Matrix, ROWS, Row};

/// The matrix, one row after another, a line for each column: texts of cells are too long to stand side by side. With
/// `reports`, each row is followed by what the oracles reported in its cells and by its programs.
pub fn matrix(m: &Matrix, reports: bool, width: usize) -> String {
    let mut out = String::new();
    for row in &m.rows {
        out += &wrap(&format!("{}  ", row.name.bold()), row.name.len() + 2, row.question, width);
        // A column that is left out is so in each row: one line at the end is enough.
        let there = |column: &String| m.left_out.iter().all(|out| out.column != *column);
        for (column, cell) in m.columns.iter().zip(&row.cells).filter(|(column, _)| there(column)) {
            // Red is for what an oracle objected to, whatever the text of the cell.
            let quiet = cell.findings.is_empty();
            let text = if quiet { cell.text.green().to_string() } else { cell.text.red().to_string() };
            out += &wrap(&format!("  {column:<17} "), 20, &text, width);
        }
        out.push('\n');
        if reports {
            out += &details(m, row);
        }
    }
    for left in &m.left_out {
        out += &wrap(&format!("{:<19} ", left.column), 20, &format!("{}: {}", left.text(), left.why), width);
    }
    if !m.left_out.is_empty() {
        out.push('\n');
    }
    if !reports {
        out += "`percuss scenario NAME` prints the reports of a row and its programs.\n";
        out += "Columns but the tree itself are our variants.\n";
    }
    out
}

fn details(m: &Matrix, row: &percuss_engine::experiments::scenario::Computed) -> String {
    let mut out = String::new();
    for (column, cell) in m.columns.iter().zip(&row.cells) {
        for (label, f) in &cell.findings {
            // A row with a single program has no label.
            let label = if label.is_empty() { String::new() } else { format!(" ({label})") };
            let _ = writeln!(out, "{} {column}{label}: {}\n{}\n", "==".red(), f.title, f.detail.to_string().trim_end());
        }
    }
    for (label, text) in ROWS.iter().filter(|r| r.name == row.name).flat_map(Row::texts) {
        let _ = writeln!(out, "{} {} {label}\n{}", "==".bold(), row.name, text.trim_end());
    }
    out.push('\n');
    out
}

/// The matrix as one object, with schema `percuss-scenario-1`: columns, rows, cells with text and findings. Unlike the
/// other objects it is indented over several lines.
pub fn matrix_json(m: &Matrix) -> String {
    let value = serde_json::json!({ "schema": "percuss-scenario-1", "columns": m.columns, "rows": m.rows, "left_out": m.left_out });
    serde_json::to_string_pretty(&value).expect("plain data")
}

/// The matrix as a Markdown table of the documentation, a line for each scenario. Findings are left out; the text of a
/// cell sums them up.
pub fn matrix_markdown(m: &Matrix) -> String {
    let mut out = format!("| scenario | {} |\n|---|{}\n", m.columns.join(" | "), "---|".repeat(m.columns.len()));
    for row in &m.rows {
        // The two parts of a long text take two lines of its cell.
        let cells: Vec<String> = row.cells.iter().map(|c| c.text.replace(" -- ", "<br>")).collect();
        let _ = writeln!(out, "| **{}** {} | {} |", row.name, row.question.replace("__", "\\_\\_"), cells.join(" | "));
    }
    out
}
