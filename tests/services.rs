// SPDX-License-Identifier: GPL-2.0-only
//! Kernel services that newer trees call in another way: each test changes the 6.12 tree in a way of
//! our own, so that no patch of others is copied here.

mod common;

use percuss::edit::{Edit, Purpose};
use percuss::image::Config;
use percuss::judge::{Api, Probed, image_session};
use percuss::kernel::event::Event;
use percuss::run::Unwatched;
use percuss::tree::Overlay;
use percuss_shim::{CompileRequest, compile};
use tempfile::TempDir;

/// An image of the 6.12 tree with statements replaced: each change is a file, a function, an anchor in it, and the text
/// that takes the anchor's place. None without a tree. The folder has to live as long as the image is used.
fn image(changes: &[[&str; 4]]) -> Option<(TempDir, std::path::PathBuf)> {
    let tree = common::tree()?;
    let dir = tempfile::tempdir().unwrap();
    let mut overlay = Overlay::new(&tree, dir.path().join("overlay")).unwrap();
    let head = "name = 'T'\ntitle = 't'\nstory = 's'\nclass = 'gfp'\noracles = []\ntrees = []\n";
    let change = |[file, function, anchor, text]: &[&str; 4]| {
        format!(
            "[[edit]]\nfile = '{file}'\nfunction = '{function}'\nanchor = '{anchor}'\naction = 'replace'\ntext = '{text}'\n"
        )
    };
    let edit = head.to_owned() + &changes.iter().map(change).collect::<String>();
    Edit::parse("T", Purpose::Seeded, &edit).unwrap().apply(&mut overlay).unwrap();
    let request = CompileRequest {
        tree: tree.dir,
        overlay: Some(overlay.dir),
        config: Config::default(),
        output: dir.path().join("image.so"),
        scratch: dir.path().join("build"),
        flags: Vec::new(),
        launcher: Vec::new(),
    };
    let path = compile(&request).unwrap_or_else(|error| panic!("{error}")).path;
    Some((dir, path))
}

fn events(path: &std::path::Path, gfp: &str) -> Vec<Event> {
    // A dynamic part of 20 KiB has no room for 32 KiB, so that the allocation has to create a chunk and populate it.
    // That reaches every service whose mask these tests look at.
    let program = format!("boot static=8K dyn=20K cpus=4\ntask a\n  a = alloc 32768 align 8 gfp {gfp}\n  free a\n");
    let (mut session, _) = image_session(path, "C").unwrap();
    session.run(&program.parse().unwrap(), &mut Unwatched).unwrap();
    session.shared().host.world().events().to_vec()
}

fn masks(events: &[Event]) -> Vec<String> {
    let mask = |e: &Event| if let Event::VmAreas { gfp, .. } = e { Some(gfp.to_string()) } else { None };
    events.iter().filter_map(mask).collect()
}

fn scopes(events: &[Event]) -> Vec<String> {
    let scope = |e: &Event| if let Event::ScopeSave { scope, .. } = e { Some(format!("{scope:?}")) } else { None };
    events.iter().filter_map(scope).collect()
}

const VM: &str = "mm/percpu-vm.c";

#[test]
fn the_tree_as_it_is() {
    // A change that changes nothing: the tree still goes through an overlay, as in the other tests, and must look
    // unchanged.
    let Some((_dir, path)) = image(&[[VM, "pcpu_create_chunk", "if (!vms)", "if (!vms)"]]) else { return };
    assert_eq!(Probed::here(&path, None).unwrap().api, Api::default());
    let events = events(&path, "GFP_NOIO");
    assert_eq!(masks(&events), ["GFP_KERNEL"]);
    assert!(scopes(&events).is_empty());
}

#[test]
fn vm_areas_with_a_mask() {
    // Only with a mask can the World see what the caller asked for. A tree without one counts as asking with
    // GFP_KERNEL, as the first test shows, which is B04.
    let call = "pcpu_get_vm_areas(pcpu_group_offsets, pcpu_group_sizes, pcpu_nr_groups, pcpu_atom_size";
    let (old, new) = (format!("vms = {call});"), format!("vms = {call}, gfp);"));
    let Some((_dir, path)) = image(&[[VM, "pcpu_create_chunk", &old, &new]]) else { return };
    let api = Probed::here(&path, None).unwrap().api;
    assert_eq!(api, Api { vm_areas_gfp: true, ..Api::default() });
    assert_eq!(masks(&events(&path, "GFP_NOIO")), ["GFP_NOIO"]);
    assert_eq!(masks(&events(&path, "GFP_KERNEL")), ["GFP_KERNEL"]);
}

#[test]
fn mapping_with_a_mask_and_in_a_scope() {
    // Newer trees derive a scope from the caller's mask and leave it after mapping. A scope is due only where the mask
    // forbids something, hence none for GFP_KERNEL.
    let map = "if (pcpu_map_pages(chunk, pages, page_start, page_end))";
    let scoped = "unsigned int ours = memalloc_apply_gfp_scope(gfp); \
                  int failed = pcpu_map_pages(chunk, pages, page_start, page_end); \
                  memalloc_restore_scope(ours); if (failed)";
    let changes = [
        [VM, "__pcpu_map_pages", "pages, PAGE_SHIFT)", "pages, PAGE_SHIFT, GFP_KERNEL)"],
        [VM, "pcpu_populate_chunk", map, scoped],
    ];
    let Some((_dir, path)) = image(&changes) else { return };
    let api = Probed::here(&path, None).unwrap().api;
    assert_eq!(api, Api { map_gfp: true, gfp_scope: true, ..Api::default() });
    for (gfp, scope) in [("GFP_NOIO", Some("Noio")), ("GFP_NOFS", Some("Nofs")), ("GFP_KERNEL", None)] {
        let events = events(&path, gfp);
        let seen = scopes(&events);
        assert!(seen.iter().all(|s| Some(s.as_str()) == scope), "{gfp}: {seen:?}");
        assert_eq!(seen.is_empty(), scope.is_none(), "{gfp}");
        let left = events.iter().filter(|e| matches!(e, Event::ScopeRestore { old: false, .. })).count();
        assert_eq!(left, seen.len(), "every scope is left");
    }
}

#[test]
fn chunks_in_private() {
    // Where a page keeps the pointer to its chunk moved from `index` to `private`. The oracles read it, too, so they
    // have to know which.
    let changes = [
        [
            "mm/percpu.c",
            "pcpu_set_page_chunk",
            "page->index = (unsigned long)pcpu;",
            "set_page_private(page, (unsigned long)pcpu);",
        ],
        ["mm/percpu.c", "pcpu_get_page_chunk", "page->index", "page_private(page)"],
    ];
    let Some((_dir, path)) = image(&changes) else { return };
    let probed = Probed::here(&path, None).unwrap();
    assert_eq!(probed.api, Api { chunk_in_private: true, ..Api::default() });
    assert!(probed.undecided.is_empty(), "{:?}", probed.undecided);
}
