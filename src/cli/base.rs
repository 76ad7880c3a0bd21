// SPDX-License-Identifier: GPL-2.0-only
//! What a change is judged against: options of the verbs that judge one.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use percuss::image::{Image, ImageError, ImageSpec};

use super::CliError;

/// Value of `--base` that switches the comparison off.
const NONE: &str = "none";

#[derive(Debug, Clone, Default, Args)]
pub struct BaseArgs {
    /// Tree before the change, when it is not the tree itself; `none` judges what is there without comparing
    #[arg(long, value_name = "NAME|DIR|none")]
    pub base: Option<String>,
    /// Revision before the change, of the same checkout
    #[arg(long, value_name = "REV")]
    pub base_rev: Option<String>,
    /// Patch applied to the tree before the change (give it with --patch, too); may be given several times
    #[arg(long, value_name = "FILE")]
    pub base_patch: Vec<PathBuf>,
    /// Variant applied to the tree before the change (give it with --variant, too)
    #[arg(long, value_name = "NAME")]
    pub base_variant: Option<String>,
    /// Edit applied to the tree before the change (give it with --edit, too); may be given several times
    #[arg(long, value_name = "NAME")]
    pub base_edit: Vec<String>,
}

impl BaseArgs {
    /// The image before the change; None for a tree by itself. What is not given is the changed image's, without what
    /// is applied to that.
    fn spec(&self, changed: &ImageSpec) -> Option<ImageSpec> {
        let applied = !self.base_patch.is_empty() || self.base_variant.is_some() || !self.base_edit.is_empty();
        if self.base.as_deref() == Some(NONE) {
            return None;
        }
        if !(changed.changes() || applied || self.base.is_some() || self.base_rev.is_some()) {
            return None;
        }
        // A revision is the tree's that it was given with.
        let rev = if self.base.is_none() { changed.rev.clone() } else { None };
        Some(ImageSpec {
            tree: self.base.clone().unwrap_or_else(|| changed.tree.clone()),
            rev: self.base_rev.clone().or(rev),
            patches: self.base_patch.clone(),
            variant: self.base_variant.clone(),
            edits: self.base_edit.clone(),
            ..changed.unchanged()
        })
    }

    /// Builds the image before the change, if there is a change.
    ///
    /// # Errors
    /// It cannot be built: without it nothing can be said of the change.
    pub fn build(&self, changed: &ImageSpec) -> Result<Option<Arc<Image>>, CliError> {
        let Some(spec) = self.spec(changed) else { return Ok(None) };
        let base = Image::build(&spec).map_err(|error| ImageError::Base(Box::new(error)))?;
        Ok(Some(Arc::new(base)))
    }
}

/// Builds an image, with what it is compared with if there is such an image.
///
/// # Errors
/// See [`Image::build_after`].
pub fn build(spec: &ImageSpec, base: Option<&Arc<Image>>) -> Result<Image, ImageError> {
    match base {
        Some(base) => Image::build_after(spec, base),
        None => Image::build(spec),
    }
}
