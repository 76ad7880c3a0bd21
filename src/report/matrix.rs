// SPDX-License-Identifier: GPL-2.0-only
//! The scenario matrix for people, for machines and for the documentation.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::wrap;
use percuss_engine::experiments::scenario::{Matrix, ROWS, Row};

/// The matrix, a row after the other; with `reports`, what the oracles said in each cell and the programs.
pub fn matrix(m: &Matrix, reports: bool, width: usize) -> String {
    let mut out = String::new();
    for row in &m.rows {
        out += &wrap(&format!("{}  ", row.name.bold()), row.name.len() + 2, row.question, width);
        for (column, cell) in m.columns.iter().zip(&row.cells) {
            let quiet = cell.findings.is_empty();
            let text = if quiet { cell.text.green().to_string() } else { cell.text.red().to_string() };
            out += &wrap(&format!("  {column:<17} "), 20, &text, width);
        }
        out.push('\n');
        if reports {
            out += &details(m, row);
        }
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

/// The matrix as one object: columns, rows, cells with text and findings.
pub fn matrix_json(m: &Matrix) -> String {
    let value = serde_json::json!({ "schema": "percuss-scenario-1", "columns": m.columns, "rows": m.rows });
    serde_json::to_string_pretty(&value).expect("plain data")
}

/// The matrix as a table of the documentation.
pub fn matrix_markdown(m: &Matrix) -> String {
    let mut out = format!("| scenario | {} |\n|---|{}\n", m.columns.join(" | "), "---|".repeat(m.columns.len()));
    for row in &m.rows {
        let cells: Vec<String> = row.cells.iter().map(|c| c.text.replace(" -- ", "<br>")).collect();
        let _ = writeln!(out, "| **{}** {} | {} |", row.name, row.question.replace("__", "\\_\\_"), cells.join(" | "));
    }
    out
}
