// SPDX-License-Identifier: GPL-2.0-only
//! A patch series, checked after each of its patches.

use crate::image::{ImageError, ImageSpec};
use percuss_source::patch;

/// One patch of a series, with those before it applied.
#[derive(Debug, Clone)]
pub struct SeriesStep {
    /// The last patch that is applied, from 1.
    pub number: usize,
    /// Patches of the series.
    pub of: usize,
    /// That patch's title.
    pub title: String,
    /// That patch's file, and its number if the file has several.
    pub patch: String,
}

impl SeriesStep {
    /// The image of this step of the series that `whole` has all patches of.
    pub fn spec(&self, whole: &ImageSpec) -> ImageSpec {
        ImageSpec { upto: Some(self.number), ..whole.clone() }
    }
}

/// The steps of a specification's patches.
#[derive(Debug)]
pub struct SeriesSteps {
    pub steps: Vec<SeriesStep>,
    /// What a person should know about the patches.
    pub notes: Vec<String>,
}

/// Reads the patches of an image.
///
/// # Errors
/// A file cannot be read, or is no patch.
pub fn series(spec: &ImageSpec) -> Result<SeriesSteps, ImageError> {
    let series = patch::load(&spec.patches, spec.lenient)?;
    let of = series.patches.len();
    // Numbers begin with 1, as in the subject lines of a series.
    let step =
        |(number, patch): (usize, patch::Patch)| SeriesStep { number, of, title: patch.title, patch: patch.name };
    Ok(SeriesSteps { steps: (1..).zip(series.patches).map(step).collect(), notes: series.notes })
}
