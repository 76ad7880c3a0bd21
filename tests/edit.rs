// SPDX-License-Identifier: GPL-2.0-only
//! Every edit of bugs/ has its place in every tree it names; wrong ones say what is wrong.
//!
//! An edit finds its place by text. A new point release can move that text away or double it, which these tests notice
//! before a user does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use percuss::edit::{Action, Edit, EditError, Purpose, apply, names};
use percuss::tree::{Origin, Tree, TreeError, find_checkout, manifest};

fn checkout() -> std::path::PathBuf {
    find_checkout().expect("tests run in the checkout")
}

/// A named tree; None when its package is not installed, after printing why the test is skipped. Any other error fails.
fn named(name: &str) -> Option<Tree> {
    match Tree::resolve(name, &checkout()) {
        Err(TreeError::NoTarball { package, .. }) => {
            eprintln!("skipped for {name}: {package} is not installed");
            None
        }
        found => Some(found.unwrap()),
    }
}

/// A tree of our own words, with one function in mm/percpu.c that has two equal statements: an anchor of one of them is
/// ambiguous.
fn small(dir: &Path) -> Tree {
    for file in manifest().required.iter().chain(&manifest().allocator) {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = match file.as_str() {
            "Makefile" => "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n",
            "mm/percpu.c" => "int f(int a)\n{\n\tif (a)\n\t\ta++;\n\ta++;\n\treturn a;\n}\n",
            _ => "/* ours */\n",
        };
        fs::write(path, text).unwrap();
    }
    let tree = Tree::resolve(dir.to_str().unwrap(), dir).unwrap();
    assert_eq!(tree.origin, Origin::Directory);
    tree
}

fn edit(changes: &str) -> Edit {
    let head = "name = 'T1'\ntitle = 't'\nstory = 's'\nclass = 'hints'\noracles = ['lockstep']\ntrees = []\n";
    Edit::parse("T1", Purpose::Seeded, &format!("{head}{changes}")).unwrap()
}

#[test]
fn the_table_is_the_directory() {
    // The table of edits is made at build time; a file that is not in it could not be named on the command line.
    let bugs = checkout().join("bugs");
    assert!(fs::read_dir(&bugs).unwrap().all(|entry| entry.unwrap().path().is_dir()), "each edit has a purpose");
    let folders = fs::read_dir(&bugs).unwrap().map(|entry| entry.unwrap().path());
    let entries = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let files: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, names().map(|name| format!("{name}.toml")).collect());
}

#[test]
fn every_edit_is_complete_and_small() {
    for (edit, name) in Edit::all().unwrap().iter().zip(names()) {
        assert_eq!(edit.name, name);
        let prefix = match edit.purpose {
            // A bug that no kernel ever had is named after what it does; the others have a number.
            Purpose::Seeded if edit.upstream.is_none() && !name.starts_with('B') => "",
            Purpose::Seeded => "B",
            Purpose::Fix => "fix-B",
            Purpose::Crash => "crash-",
            Purpose::Variant => "",
        };
        assert!(name.starts_with(prefix) && !edit.trees.is_empty(), "{name}");
        assert_eq!(edit.oracles.is_empty(), edit.purpose == Purpose::Variant, "{name}");
        assert_eq!(edit.title.starts_with("our variant: "), edit.purpose == Purpose::Variant, "{name}");
        assert!(edit.story.trim().len() > edit.title.len(), "{name} tells no story");
        assert!(edit.trees.iter().all(|tree| manifest().entry(tree).is_some()), "{name} names an unknown tree");
        for change in &edit.changes {
            // One statement at most: an edit that replaces more copies more of the kernel's text than it needs.
            for anchor in change.anchors() {
                let statements = anchor.trim().matches(';').count();
                assert!(statements <= 1 && !anchor.contains(['{', '}']), "{name}: `{anchor}`");
            }
            assert!(change.file.starts_with("mm/percpu"), "{name} changes {}", change.file);
        }
    }
    assert!(Edit::load("b03A").is_ok(), "case does not matter");
}

#[test]
fn every_edit_applies_to_every_tree_it_names() {
    let edits = Edit::all().unwrap();
    for tree in manifest().names().into_iter().filter_map(named) {
        for edit in edits.iter().filter(|edit| edit.trees.contains(&tree.name)) {
            let temp = tempfile::tempdir().unwrap();
            let base: Vec<Edit> = edit.base.iter().map(|name| Edit::load(name).unwrap()).collect();
            let below = apply(&base, &tree, &temp.path().join("base")).unwrap();
            let overlay = apply(std::slice::from_ref(edit), &tree, &temp.path().join("whole")).unwrap();
            assert_eq!(overlay.applied, [below.applied.clone(), vec![edit.label()]].concat());
            let mut marks = 0;
            for (file, _) in &tree.files {
                let before = below.read(file).unwrap();
                let after = overlay.read(file).unwrap();
                // Line numbers in reports of an edited tree are then those of the tree.
                assert_eq!(before.lines().count(), after.lines().count(), "{} moves lines of {file}", edit.name);
                let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
                let ours = edit.changes.iter().any(|change| change.file == *file);
                assert_eq!(ours, !changed.is_empty(), "{} in {file}", edit.name);
                marks += after.matches(&format!("/* percuss {} */", edit.name)).count();
            }
            assert_eq!(marks, edit.changes.len(), "{}", edit.name);
        }
    }
}

#[test]
fn edits_combine() {
    // Edits go one after the other into one overlay, as long as each still finds its place.
    let Some(tree) = named("6.12") else { return };
    let temp = tempfile::tempdir().unwrap();
    let edits = ["B01", "B11", "fix-B24", "fix-B50"].map(|name| Edit::load(name).unwrap());
    let overlay = apply(&edits, &tree, temp.path()).unwrap();
    assert_eq!(overlay.applied, ["B01", "B11", "fix-B24", "fix-B50"]);

    // B01 and B03a want the same statement: the second finds it gone.
    let temp = tempfile::tempdir().unwrap();
    let edits = ["B01", "B03a"].map(|name| Edit::load(name).unwrap());
    let error = apply(&edits, &tree, temp.path()).unwrap_err();
    assert!(matches!(&error, EditError::Anchor { edit, found: 0, .. } if edit == "B03a"), "{error}");
    assert!(error.to_string().contains("pcpu_alloc_noprof() has 0 of `is_atomic ="), "{error}");
}

#[test]
fn edits_have_bases() {
    // An edit of a variant brings the variant along, and only once when it is named as well.
    let Some(tree) = named("6.12") else { return };
    let applied = |names: &[&str]| {
        let temp = tempfile::tempdir().unwrap();
        let edits: Vec<Edit> = names.iter().map(|name| Edit::load(name).unwrap()).collect();
        apply(&edits, &tree, temp.path()).unwrap().applied
    };
    assert_eq!(applied(&["B04"]), ["our variant v4", "B04"]);
    assert_eq!(applied(&["v4", "B04", "B06"]), ["our variant v4", "B04", "B06"]);
    let variants = Edit::variants_among(&applied(&["v4-nofail"]));
    assert_eq!(variants.iter().map(|edit| edit.name.as_str()).collect::<Vec<_>>(), ["v4", "v4-nofail"]);

    assert_eq!(Edit::variant("V4").unwrap().name, "v4");
    for none in ["B04", "v5"] {
        let error = Edit::variant(none).unwrap_err().to_string();
        assert!(
            error.contains(&format!("unknown variant `{none}`\n  help: known variants are noio-mask, ")),
            "{error}"
        );
    }
}

#[test]
fn wrong_edits_say_so_and_change_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let tree = small(&temp.path().join("tree"));
    // The first edit of each pair is good: it must not be written when the second is refused.
    let first =
        "[[edit]]\nfile = 'mm/percpu.c'\nfunction = 'f'\nanchor = 'return a;'\naction = 'before'\ntext = 'a = 0;'\n";
    let cases = [
        ("mm/percpu.c", "f", "a++;", "f() has 2 of `a++;`, exactly one is needed"),
        ("mm/percpu.c", "f", "a--;", "f() has 0 of `a--;`"),
        ("mm/percpu.c", "g", "a++;", "mm/percpu.c defines no function g"),
        ("mm/slub.c", "f", "a++;", "the tree has no mm/slub.c"),
    ];
    for (number, (file, function, anchor, message)) in cases.into_iter().enumerate() {
        let second =
            format!("[[edit]]\nfile = '{file}'\nfunction = '{function}'\nanchor = '{anchor}'\naction = 'delete'\n");
        let dir = temp.path().join(number.to_string());
        let error = apply(&[edit(&format!("{first}{second}"))], &tree, &dir).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        let left = fs::read_to_string(dir.join("mm/percpu.c")).unwrap();
        assert_eq!(left, fs::read_to_string(tree.path("mm/percpu.c")).unwrap(), "half an edit was left");
    }
    let dir = temp.path().join("good");
    let done = apply(&[edit(first)], &tree, &dir).unwrap().read("mm/percpu.c").unwrap();
    assert!(done.contains("\t/* percuss T1 */ a = 0; return a;\n"), "{done}");
}

#[test]
fn malformed_files() {
    let head = "name = 'T1'\ntitle = 't'\nstory = 's'\nclass = 'hints'\noracles = []\ntrees = []\n";
    let change = "[[edit]]\nfile = 'f'\nfunction = 'f'\nanchor = 'x;'\n";
    let cases = [
        ("title = ", "T1: "),
        (head, "missing field `edit`"),
        (&format!("{head}{change}action = 'delete'\ntext = 'x'"), "`delete` takes no text"),
        (&format!("{head}{change}action = 'after'"), "every other action needs one"),
        (&format!("{head}{change}action = 'after'\ntext = 'x; // y'"), "one line"),
        (&format!("{head}{change}action = 'delete'\nnth = 0"), "counts from 1"),
        (&format!("{head}{change}action = 'erase'"), "unknown variant `erase`"),
        (&format!("{head}{change}action = 'delete'\nnht = 2"), "unknown field `nht`"),
    ];
    for (text, message) in cases {
        let error = Edit::parse("T1", Purpose::Seeded, text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let error = Edit::load("B99").unwrap_err().to_string();
    assert!(error.contains("`B99`") && error.contains("B01, B02, B03a"), "{error}");
    assert_eq!(Edit::load("B01").unwrap().changes[0].action, Action::Replace);
}
