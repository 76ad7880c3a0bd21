// SPDX-License-Identifier: GPL-2.0-only
//! Edits have their places in trees that they were not written for: an older one, and one in which the series is merged.
//!
//! No tree with the series is at hand, so 6.12 with our variant of it is written to a directory and taken for one.

use std::fs;
use std::path::Path;

use percuss_kernel::{Quirk, Quirks};
use percuss_source::edit::{Edit, Fit, apply};
use percuss_source::files::copy_below;
use percuss_source::tree::{Tree, find_checkout};

fn named(name: &str) -> Option<Tree> {
    Tree::resolve(name, &find_checkout()?).inspect_err(|error| eprintln!("skipped: {error}")).ok()
}

/// 6.12 with the variant v4 as a tree of its own, which does not say so.
fn merged(dir: &Path) -> Option<Tree> {
    let tree = named("6.12")?;
    let (top, scratch) = (dir.join("tree"), dir.join("overlay"));
    copy_below(&tree.dir, &top).unwrap();
    let overlay = apply(&[Edit::load("v4").unwrap()], &tree, &scratch).unwrap();
    for (file, _) in &tree.files {
        fs::write(top.join(file), overlay.read(file).unwrap().replace("/* percuss v4 */ ", "")).unwrap();
    }
    Some(Tree::resolve(top.to_str().unwrap(), &top).unwrap())
}

/// The edits that have no place in a tree. Each must be one that the tree is like by itself.
fn strange(tree: &Tree, quirks: Quirks) -> Vec<String> {
    let misfit = |edit: &Edit| match edit.fit(tree) {
        Ok(_) => false,
        Err(error) => {
            assert!(error.is_misfit(), "{error}");
            assert!(edit.is_already_in(&quirks), "{}: {error}", edit.name);
            true
        }
    };
    Edit::all().unwrap().into_iter().filter(misfit).map(|edit| edit.name).collect()
}

#[test]
fn edits_fit_by_meaning() {
    let dir = tempfile::tempdir().unwrap();
    let (Some(new), Some(old), Some(merged)) = (named("6.12"), named("6.1"), merged(dir.path())) else { return };
    assert!(strange(&new, Quirks::v6_12()).is_empty());
    // The check that B41 takes away came later than this tree.
    assert_eq!(strange(&old, Quirks::v6_1()), ["B41"]);
    let quirks = [Quirk::B04, Quirk::B05, Quirk::B06].into_iter().fold(Quirks::v6_12(), Quirks::without);
    assert_eq!(strange(&merged, quirks), ["noio-mask", "v4"]);

    // Where the series is merged, what is built on it needs no variant before it.
    let fit = |name: &str, tree: &Tree| Edit::load(name).unwrap().fit(tree).unwrap();
    assert_eq!(fit("B04", &new), Fit::OnBase("v4".to_owned()));
    assert_eq!(fit("B04", &merged), Fit::Alone);
    assert_eq!(fit("B01", &new), Fit::Alone);
    let error = Edit::load("v4").unwrap().fit(&merged).unwrap_err();
    assert!(error.to_string().contains("pcpu_get_pages() has 0 of `void`"), "{error}");
}
