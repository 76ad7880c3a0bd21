// SPDX-License-Identifier: GPL-2.0-only
//! What `percuss tree` prints: everything about an image that a verdict depends on, without running a campaign.

use std::fmt::Write;

use owo_colors::OwoColorize;
use percuss_shim::compile;

use super::heading;
use super::layout::{wrap, wrap_items};
use percuss_engine::image::Image;
use percuss_engine::judge::Api;
use percuss_engine::sandbox::Confinement;
use percuss_kernel::Quirk;
use percuss_source::edit::Edit;

/// Files and hashes, edits, quirks with their fixes, facts, the kernel services the tree calls, the confinement of its
/// code, and what is not modelled. The last is as important as the rest: percuss can report nothing there.
pub fn tree(image: &Image, width: usize) -> String {
    let mut out = heading(image, width);
    let _ = writeln!(out, "\n{}", "files, SHA-256 as compiled".bold());
    for (path, hash) in &image.files {
        // 56 of the 64 digits: the line is then 80 columns wide.
        let _ = writeln!(out, "  {path:<20}  {hash:.56}");
    }
    let _ = writeln!(out, "  compiled by {}", image.compiler.display());

    for edit in Edit::variants_among(&image.applied) {
        let _ = writeln!(out, "\n{}", edit.label().bold());
        out += &wrap("  ", 2, &edit.story, width);
    }

    let _ = writeln!(out, "\n{}", "quirks and their fixes".bold());
    for quirk in Quirk::ALL {
        // All of one width: a colour code keeps the formatter from padding.
        let state = match image.quirks.has(*quirk) {
            // First, as an undecided quirk counts as absent in the set.
            _ if image.undecided.contains(quirk) => "undecided".to_owned(),
            true => "present  ".yellow().to_string(),
            false => "not here ".green().to_string(),
        };
        let first = format!("  {state}  {}  ", quirk.bold());
        out += &wrap(&first, 15 + quirk.name().len(), quirk.summary(), width);
        let fix = quirk.fix().map_or("no fix known".to_owned(), |fix| format!("fixed by \"{fix}\""));
        out += &wrap("             ", 13, &fix, width);
    }

    let _ = writeln!(out, "\n{}", "facts of the image".bold());
    out += &facts(image, width);

    let _ = writeln!(out, "\n{}", "kernel services as this tree calls them".bold());
    out += &api(&image.api, width);
    let _ = writeln!(out, "\n{}", "confinement of the tree's code".bold());
    out += &confinement(image.confinement.as_ref(), width);

    let _ = writeln!(out, "\n{}", "not modelled: a program that gets there ends with the name".bold());
    let names: Vec<String> = compile::not_modelled().into_iter().map(str::to_owned).collect();
    out += &wrap_items("  ", 2, &names, width);
    let _ = writeln!(out, "\n{}", "kernel headers that are different on purpose".bold());
    for (path, _, reason) in compile::shadow_headers().filter(|(_, kind, _)| *kind == "custom") {
        out += &wrap(&format!("  {path:<24} "), 27, reason, width);
    }
    let _ = writeln!(out, "\n{}", "kernel headers that are empty or hold no-ops".bold());
    let stubs: Vec<String> =
        compile::shadow_headers().filter(|(_, kind, _)| *kind == "stub").map(|(path, ..)| path.to_owned()).collect();
    out += &wrap_items("  ", 2, &stubs, width);
    out
}

/// The kernel services that trees call in different ways. The shim follows the tree, as the same allocator was changed
/// over the years to take a gfp mask or keep its chunk elsewhere.
fn api(api: &Api, width: usize) -> String {
    let says = |yes, with: &str, without: &str| if yes { with.to_owned() } else { without.to_owned() };
    let items = [
        says(api.vm_areas_gfp, "pcpu_get_vm_areas() with a gfp", "pcpu_get_vm_areas() without gfp (GFP_KERNEL)"),
        says(api.map_gfp, "vmap_pages_range_noflush() with a gfp", "vmap_pages_range_noflush() without gfp"),
        says(api.gfp_scope, "memalloc_apply_gfp_scope()", "no memalloc_apply_gfp_scope()"),
        says(api.chunk_in_private, "chunk in page->private", "chunk in page->index"),
    ];
    items.iter().map(|item| wrap("  ", 2, item, width)).collect()
}

/// What is in force, and what this system did not let us enforce: an old kernel may lack a mechanism.
fn confinement(confinement: Option<&Confinement>, width: usize) -> String {
    // A probe in this process has no worker whose confinement could be reported.
    let Some(confinement) = confinement else { return "  none: it was loaded by this process\n".to_owned() };
    let mut out = wrap("  in force  ", 12, &confinement.done.join("; "), width);
    for missing in &confinement.missing {
        out += &wrap(&format!("  {}   ", "missing".yellow()), 12, missing, width);
    }
    out
}

fn facts(image: &Image, width: usize) -> String {
    // The derived `Debug` names every fact, so that a new one is shown without a change here.
    let text = format!("{:?}", image.facts);
    let inner = text.trim_start_matches("Facts {").trim_end_matches('}').trim();
    let items: Vec<String> = inner.split(", ").map(|f| f.replace(": ", "=")).collect();
    wrap_items("  ", 2, &items, width)
}
