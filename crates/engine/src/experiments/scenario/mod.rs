// SPDX-License-Identifier: GPL-2.0-only
//! The cases of the 2026 review of NOFS and NOIO recursion, run on a tree and on named variants of it.

mod cells;
mod rows;

use rayon::prelude::*;
use serde::Serialize;

use crate::campaign::observe;
use crate::image::{Image, ImageError, ImageSpec};
use crate::judge::{Observation, Oracles};
use crate::worker::Lost;
use percuss_kernel::Quirks;
use percuss_oracle::Finding;
use percuss_source::edit::Edit;

pub use rows::{ROWS, Row};

/// The columns: variants of our own, in the order of the discussion; None is the tree as it is.
pub const COLUMNS: [Option<&str>; 8] = [
    Some("pre-9a5b183"),
    None,
    Some("scopes"),
    Some("noio-mask"),
    Some("noio-mask-nofail"),
    Some("v4"),
    Some("v4-nofail"),
    Some("unlocked"),
];

/// Why there is no matrix.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The name is none of a row.
    #[error("`{name}` is no scenario; there are {known}")]
    Unknown { name: String, known: String },
    /// The image of a column cannot be built.
    #[error("{column}: {source}")]
    Image { column: String, source: Box<ImageError> },
    /// A program cannot be run.
    #[error("{row} on {column}: {source}")]
    Run { row: &'static str, column: String, source: Lost },
}

/// One cell: the answer of a row for a column, with what the oracles found on the way.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    pub text: String,
    /// What the oracles said, [rendered](Finding::rendered), with the label of the program that showed it.
    pub findings: Vec<(&'static str, Finding)>,
}

/// A row with a cell for each column.
#[derive(Debug, Clone, Serialize)]
pub struct Computed {
    pub name: &'static str,
    pub question: &'static str,
    pub cells: Vec<Cell>,
}

/// The matrix of all rows and columns, as `percuss scenario` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Matrix {
    pub columns: Vec<String>,
    pub rows: Vec<Computed>,
    /// The columns that this tree has no image for. Their cells say so.
    pub left_out: Vec<LeftOut>,
}

/// A column without an image.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    pub column: String,
    /// Whether the tree does by itself what the variant would make it do: then its own column is the answer.
    pub already: bool,
    /// What has no place in the tree, or why there is no image.
    pub why: String,
}

impl LeftOut {
    /// What is in its cells.
    pub fn text(&self) -> &'static str {
        if self.already { "already so here" } else { "does not apply here" }
    }
}

/// The cells of a column with the quirks of its image; or why there is none.
type Column = Result<(Quirks, Vec<Cell>), ImageError>;

fn column_name(tree: &str, variant: Option<&str>) -> String {
    variant.map_or_else(|| format!("{tree} as is"), str::to_owned)
}

/// Rows by name; all for none.
///
/// # Errors
/// A name is no row's.
pub fn select(names: &[String]) -> Result<Vec<&'static Row>, ScenarioError> {
    if names.is_empty() {
        return Ok(ROWS.iter().collect());
    }
    let find = |name: &String| {
        ROWS.iter().find(|r| r.name.eq_ignore_ascii_case(name)).ok_or_else(|| ScenarioError::Unknown {
            name: name.clone(),
            known: ROWS.iter().map(|r| r.name).collect::<Vec<_>>().join(", "),
        })
    };
    names.iter().map(find).collect()
}

/// Computes every cell of these rows, columns side by side. A variant that does not apply to the tree, or does not build
/// with it, is left out.
///
/// # Errors
/// The tree itself cannot be built, or a program cannot be run.
pub fn compute(spec: &ImageSpec, rows: &[&'static Row], jobs: usize) -> Result<Matrix, ScenarioError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build();
    let columns = || COLUMNS.par_iter().map(|variant| column(spec, *variant, rows)).collect::<Result<Vec<_>, _>>();
    let columns = match pool {
        Ok(pool) => pool.install(columns),
        // Without threads of its own, the matrix takes longer but is the same.
        Err(_) => columns(),
    }?;
    let own = COLUMNS.iter().position(Option::is_none).and_then(|own| columns[own].as_ref().ok());
    let quirks = own.map(|(quirks, _)| *quirks);
    let (mut left_out, mut all) = (Vec::new(), Vec::new());
    for (variant, column) in COLUMNS.iter().zip(columns) {
        let name = column_name(&spec.tree, *variant);
        match (column, quirks) {
            (Ok((_, cells)), _) => all.push(cells),
            // All other columns are compared with the tree, so without it there is no matrix.
            (Err(error), Some(quirks)) if variant.is_some() => {
                let out = left(name, variant.unwrap_or_default(), &error, quirks);
                all.push(vec![Cell { text: out.text().to_owned(), findings: Vec::new() }; rows.len()]);
                left_out.push(out);
            }
            (Err(error), _) => return Err(ScenarioError::Image { column: name, source: Box::new(error) }),
        }
    }
    let names = COLUMNS.iter().map(|v| column_name(&spec.tree, *v)).collect();
    // From the last row on, so that taking a cell out of its column does not move the cells that are still to be taken.
    let computed = rows.iter().enumerate().rev().map(|(i, row)| Computed {
        name: row.name,
        question: row.question,
        cells: all.iter_mut().map(|cells| cells.remove(i)).collect(),
    });
    let mut rows: Vec<Computed> = computed.collect();
    rows.reverse();
    Ok(Matrix { columns: names, rows, left_out })
}

fn left(column: String, variant: &str, error: &ImageError, tree: Quirks) -> LeftOut {
    let misfit = match error {
        ImageError::Edit(error) if error.is_misfit() => Some(error.why()),
        _ => None,
    };
    // Only what has no place may be there already: another form of it would still be applied.
    let already = misfit.is_some() && Edit::variant(variant).is_ok_and(|edit| edit.is_already_in(&tree));
    let why = misfit.unwrap_or_else(|| error.to_string().lines().next().unwrap_or_default().to_owned());
    LeftOut { column, already, why }
}

fn column(spec: &ImageSpec, variant: Option<&str>, rows: &[&'static Row]) -> Result<Column, ScenarioError> {
    let name = column_name(&spec.tree, variant);
    let spec = ImageSpec { variant: variant.map(str::to_owned), ..spec.clone() };
    let image = match Image::build(&spec) {
        Ok(image) => image,
        Err(error) => return Ok(Err(error)),
    };
    // No program is generated here, so the seed decides nothing.
    let mut setup = image.setup(1, Oracles::default());
    setup.worker = spec.program.clone();
    let run = |row: &&'static Row| {
        let mut seen: Vec<(&'static str, Observation)> = Vec::new();
        for (label, program) in row.programs() {
            let observed = observe(&setup, &program);
            let observed =
                observed.map_err(|source| ScenarioError::Run { row: row.name, column: name.clone(), source })?;
            seen.push((label, observed));
        }
        let runs: Vec<&Observation> = seen.iter().map(|(_, o)| o).collect();
        let text = (row.cell)(&runs);
        let findings =
            seen.into_iter().flat_map(|(l, o)| o.findings.into_iter().map(move |f| (l, f.rendered()))).collect();
        Ok(Cell { text, findings })
    };
    let cells = rows.iter().map(run).collect::<Result<Vec<Cell>, _>>()?;
    Ok(Ok((image.quirks, cells)))
}
