// SPDX-License-Identifier: GPL-2.0-only
//! Loading an image, and finding out which quirks it has.
//!
//! A tree's version says little: fixes are backported, and a patch under test changes what it is about. So quirks are
//! found out by running the image.

use std::path::Path;

use percuss_shim as shim;
use serde::{Deserialize, Serialize};

use super::attribute::Models;
use super::examine::image_host;
use crate::sandbox::Confinement;
use percuss_kernel::event::Event;
use percuss_kernel::{Quirk, Quirks, Tenant};
use percuss_model::Facts;
use percuss_program::Program;
use percuss_run::{Session, Unwatched};
use percuss_tenant::KernelC;

/// Why an image cannot be used. It is found out before any program runs, and each variant is shown to the user.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot load the image {path}: {source}")]
    Image {
        // The shared object, as the caller named it.
        path: std::path::PathBuf,
        source: shim::LoadError,
    },
    /// The image's facts are not ones the Model covers, so that lockstep would differ for reasons that are no defect.
    #[error("the Model does not cover this image: {0}")]
    Unsupported(String),
    #[error("cannot set up a World: {0}")]
    Io(#[from] std::io::Error),
}

/// Kernel services that trees call in different ways: which way this one does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// `pcpu_get_vm_areas()` takes a gfp.
    pub vm_areas_gfp: bool,
    pub map_gfp: bool,
    pub gfp_scope: bool,
    /// The chunk of a page is in `page->private`, else in `page->index`.
    pub chunk_in_private: bool,
}

impl Api {
    fn of(facts: &shim::Facts) -> Api {
        Api {
            vm_areas_gfp: facts.vm_areas_take_gfp != 0,
            map_gfp: facts.map_takes_gfp != 0,
            gfp_scope: facts.has_gfp_scope != 0,
            chunk_in_private: facts.chunk_in_private != 0,
        }
    }
}

/// What can be found out about an image before a campaign: what the Model needs to follow it, and what reports say of
/// it.
#[derive(Debug, Clone)]
pub struct Probed {
    pub facts: Facts,
    pub api: Api,
    pub quirks: Quirks,
    /// Quirks whose probe program agreed with neither behaviour: the tree does something that the Model does not know.
    pub undecided: Vec<Quirk>,
    /// How the worker that loaded it was confined; None in this process.
    pub confinement: Option<Confinement>,
}

impl Probed {
    /// Loads and probes an image in this process. `base`: see [`probe`].
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn here(path: &Path, base: Option<Quirks>) -> Result<Probed, LoadError> {
        let (mut session, facts, api) = loaded(path)?;
        let (quirks, undecided) = probe(&mut session, facts, base)?;
        Ok(Probed { facts, api, quirks, undecided, confinement: None })
    }
}

/// An image on a World of its own, with what it says of itself.
///
/// # Errors
/// See [`LoadError`].
pub fn loaded(path: &Path) -> Result<(Session<KernelC>, Facts, Api), LoadError> {
    let image = shim::Image::load(path).map_err(|source| LoadError::Image { path: path.to_owned(), source })?;
    let api = Api::of(image.facts());
    let (session, facts) = on_world(image, "C")?;
    Ok((session, facts, api))
}

/// An image on a World of its own.
///
/// # Errors
/// The file is no image, or the system refuses memory.
pub fn image_session(path: &Path, name: &str) -> Result<(Session<KernelC>, Facts), LoadError> {
    let image = shim::Image::load(path).map_err(|source| LoadError::Image { path: path.to_owned(), source })?;
    on_world(image, name)
}

/// A loaded or linked image on a World of its own.
///
/// # Errors
/// The Model does not cover it, or the system refuses memory.
pub fn on_world(image: shim::Image, name: &str) -> Result<(Session<KernelC>, Facts), LoadError> {
    // Read before the tenant takes the image.
    let (facts, page_struct) = (facts(image.facts()), image.facts().page_struct_size);
    // Before a World is made: what the Model cannot follow is not worth one.
    if !facts.supported() {
        return Err(LoadError::Unsupported(format!("{facts:?}")));
    }
    // The World lays out its array of page structures with the size that the tree was built with.
    let host = image_host(page_struct)?;
    let tenant = KernelC::new(image, host.clone(), name.to_owned());
    Ok((Session::new(host, tenant)?, facts))
}

/// The program that shows whether an allocator has a quirk, as text with its story.
pub fn probe_text(quirk: Quirk) -> &'static str {
    percuss_data::file(&format!("corpora/quirks/{quirk}.percuss"))
}

/// The program that shows whether an allocator has a quirk.
///
/// # Panics
/// There is no such program, or it does not parse. A test reads all of them.
pub fn probe_program(quirk: Quirk) -> Program {
    probe_text(quirk).parse().expect("each probe has a program, and a test reads it")
}

/// Finds the quirks of an image: each has a program on which the Model with and without it differs.
///
/// A quirk whose program agrees with neither is named in the second result and stays as `base` has it: the image before
/// the change, whose quirks are known. Without one it is left as it is in 6.12.
///
/// # Errors
/// The system refuses memory.
pub fn probe<T: Tenant + 'static>(
    image: &mut Session<T>,
    facts: Facts,
    base: Option<Quirks>,
) -> Result<(Quirks, Vec<Quirk>), LoadError> {
    // Of the trees without B14 that we know, all have this one; with B14 it makes no difference.
    let unknown = base.unwrap_or(Quirks::default().with(Quirk::QueueUnderLock));
    let mut quirks = unknown;
    let mut undecided = Vec::new();
    let mut models = Models::new(facts);
    // What a probe shows may depend on quirks decided after it: the next round has them right.
    for _ in 0..2 {
        let before = quirks;
        undecided.clear();
        for quirk in Quirk::in_probe_order() {
            let program = probe_program(quirk);
            // Without oracles: only the events are compared here.
            image.run(&program, &mut Unwatched)?;
            let seen: Vec<Event> = image.shared().host.world().events().to_vec();
            // Index 0 is without the quirk, 1 with it.
            let with = [quirks.without(quirk), quirks.with(quirk)];
            let mut agrees = [false; 2];
            models.start();
            for (agree, quirks) in agrees.iter_mut().zip(with) {
                let model = models.run(quirks, &program, None)?;
                *agree = model.session.shared().host.world().events() == seen;
            }
            match agrees {
                [true, false] => quirks = with[0],
                [false, true] => quirks = with[1],
                // The other quirks leave it no occasion: nothing of it is to be seen.
                [true, true] => quirks = with[0],
                [false, false] => {
                    undecided.push(quirk);
                    // The round before may have decided it, with other quirks in force.
                    quirks = if unknown.has(quirk) { with[1] } else { with[0] };
                }
            }
        }
        if quirks == before {
            break; // the next round would be the same
        }
    }
    Ok((quirks, undecided))
}

fn facts(f: &shim::Facts) -> Facts {
    Facts {
        page_size: 1 << f.page_shift,
        chunk_fixed_size: f.chunk_fixed_size,
        block_md_size: f.block_md_size,
        obj_ext_size: f.obj_ext_size,
        vm_struct_size: f.vm_struct_size,
        dyn_early_size: f.dyn_early_size,
        min_unit_size: f.min_unit_size,
        min_alloc_size: f.min_alloc_size,
        block_bits: f.block_bits,
        slot_base_shift: f.slot_base_shift,
        slot_fail_threshold: f.slot_fail_threshold,
        empty_pop_low: f.empty_pop_low,
        empty_pop_high: f.empty_pop_high,
        has_memcg: f.has_memcg != 0,
        has_stats: f.has_stats != 0,
        alloc_info_size: f.alloc_info_size,
        group_info_size: f.group_info_size,
        cache_line: f.cache_line,
    }
}
