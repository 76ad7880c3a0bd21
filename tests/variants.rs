// SPDX-License-Identifier: GPL-2.0-only
//! Variants: each has the quirks it is there for, on both trees, and the Model follows it.
//!
//! A variant is our own set of edits after an idea from a discussion. Each is judged like a tree of its own, so its
//! quirks have to be found by probing and not looked up by its name.

mod common;

use std::collections::BTreeSet;

use percuss::campaign::{Extent, Progress, generated};
use percuss::edit::{Edit, Purpose};
use percuss::image::{Config, Image, ImageSpec};
use percuss::judge::{ModelRun, Oracles, probe};
use percuss::model::{Facts, Quirk, Quirks};
use percuss::program::Program;
use percuss::tree::Tree;

// There are two trees for each variant, and an image is built for each pair: with more programs the tests take minutes.
const PROGRAMS: u64 = 300;

/// Each variant with the quirks that it adds to those of a tree, and the quirks that it removes. docs/check.md shows
/// the same table.
const VARIANTS: [(&str, &[Quirk], &[Quirk]); 8] = [
    ("pre-9a5b183", &[Quirk::B03, Quirk::B03b], &[]),
    ("scopes", &[Quirk::CallerScopes], &[]),
    ("noio-mask", &[], &[Quirk::B06]),
    ("noio-mask-nofail", &[Quirk::BackingNofail], &[Quirk::B06]),
    ("v4", &[], &[Quirk::B04, Quirk::B05, Quirk::B06]),
    ("v4-nofail", &[Quirk::BackingNofail], &[Quirk::B04, Quirk::B05, Quirk::B06]),
    ("v4-scope", &[Quirk::NoreclaimScope], &[Quirk::B04, Quirk::B05, Quirk::B06]),
    ("unlocked", &[], &[Quirk::BackingUnderMutex]),
];

fn build(tree: &str, variant: &str, config: Config) -> Image {
    let spec = ImageSpec { tree: tree.into(), variant: Some(variant.into()), config, ..ImageSpec::default() };
    Image::build(&spec).unwrap()
}

#[test]
fn all_are_here() {
    let all = Edit::all().unwrap();
    let names: BTreeSet<&str> =
        all.iter().filter(|edit| edit.purpose == Purpose::Variant).map(|edit| edit.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(VARIANTS.map(|(name, ..)| name)));
    // What the files say of their quirks decides whether a tree is like a variant already.
    for (name, gains, loses) in VARIANTS {
        let edit = Edit::variant(name).unwrap();
        assert_eq!((edit.gains.as_slice(), edit.loses.as_slice()), (gains, loses), "{name}");
    }
}

#[test]
fn the_documentation_lists_them() {
    // The page says what a variant is for; its quirks are what a reader compares a patch with, so both are taken from
    // here.
    let text = std::fs::read_to_string(common::checkout().join("docs/check.md")).unwrap();
    let table = text.split("<!-- variants -->").nth(1).unwrap().split("<!-- end of").next().unwrap();
    let rows = VARIANTS.map(|(name, on, off)| {
        let title = Edit::variant(name).unwrap().title;
        let title = title.strip_prefix("our variant: ").unwrap();
        let signed = [("-", off), ("+", on)].into_iter().filter(|(_, quirks)| !quirks.is_empty());
        let names = |quirks: &[Quirk]| quirks.iter().map(|quirk| quirk.name()).collect::<Vec<_>>().join(" ");
        let quirks: Vec<_> = signed.map(|(sign, quirks)| format!("{sign} {}", names(quirks))).collect();
        format!("| `{name}` | {title} | {} |", quirks.join(", "))
    });
    assert_eq!(table.trim().lines().skip(2).collect::<Vec<_>>(), rows);
}

/// Asserts for every variant on one tree that probing finds the tree's quirks with those of the variant added and
/// removed, and leaves none undecided. An undecided quirk would be guessed, and a wrong guess is a false finding.
fn quirks(tree: &str, of_tree: Quirks, config: Config) {
    if !common::has_trees() {
        return;
    }
    for (variant, on, off) in VARIANTS {
        let image = build(tree, variant, config);
        let with = on.iter().copied().fold(of_tree, Quirks::with);
        let mut expected = off.iter().copied().fold(with, Quirks::without);
        // Without cgroups no area has a vector of them, so B41 makes no difference.
        if config != Config::Smp {
            expected = expected.without(Quirk::B41);
        }
        assert_eq!((image.quirks, image.undecided.as_slice()), (expected, &[][..]), "{variant} on {tree}");
        assert!(image.applied.iter().all(|name| name.starts_with("our variant ")), "{:?}", image.applied);
    }
}

#[test]
fn quirks_on_6_12() {
    quirks("6.12", Quirks::v6_12(), Config::Smp);
}

#[test]
fn quirks_on_6_12_without_memcg() {
    quirks("6.12", Quirks::v6_12(), Config::SmpNomemcg);
}

#[test]
fn quirks_on_6_1() {
    quirks("6.1", Quirks::v6_1(), Config::Smp);
}

fn agrees(tree: &str, variant: &str) {
    if !common::has_trees() {
        return;
    }
    let image = build(tree, variant, Config::Smp);
    let mut setup = image.setup(1, Oracles::default());
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    // Known quirks show here as well; only a finding without one means that the Model does not follow the variant.
    let batch = generated(&setup, Extent::Programs(PROGRAMS), 1, &Progress::default()).unwrap();
    assert_eq!((batch.programs, batch.hung, batch.not_run), (PROGRAMS, 0, 0));
    let new: Vec<_> = batch.found.iter().filter(|f| f.finding.quirk.is_none()).collect();
    let program = new.first().map(|f| Program::decode(&f.program).to_string());
    assert!(new.is_empty(), "{variant} on {tree}: {new:#?}\n{}", program.unwrap_or_default());
    assert_eq!(batch.tally.unattributed, 0, "{variant} on {tree}");
}

/// The change of the variant noio-mask as a reviewer gets to see it: quoted twice in an answer, with neither the blank
/// in front of context lines nor the empty ones. The change is our own; the lines around it are the tree's at test time.
fn quoted_mail(tree: &str) -> String {
    let tree = Tree::resolve(tree, &common::checkout()).unwrap();
    let old = std::fs::read_to_string(tree.path("mm/percpu.c")).unwrap();
    let change = &Edit::variant("noio-mask").unwrap().changes[0];
    let new = old.replace(&change.anchors()[0], &change.text);
    assert_ne!(old, new);
    let diff = diffy::create_patch(&old, &new).to_string().replace("--- original", "--- a/mm/percpu.c");
    let quoted = |line: &str| format!(">> {}\n", line.strip_prefix(' ').unwrap_or(line));
    let diff = diff.replace("+++ modified", "+++ b/mm/percpu.c");
    let diff: String = diff.lines().filter(|line| !line.trim().is_empty()).map(quoted).collect();
    format!(
        "From: R <r@example.invalid>\nSubject: Re: [PATCH v3 3/3] mm: masks\nMessage-ID: <2@example.invalid>\n\n\
         On Friday A wrote:\n> On Thursday B wrote:\n>> No I/O under the mutex.\n>> ---\n>>  mm/percpu.c | 2 +-\n>>\n{diff}\n\
         > Is that all?\n\nLooks right to me,\nR\n"
    )
}

#[test]
fn a_quoted_mail_makes_the_image_of_its_variant() {
    if !common::has_trees() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for tree in common::TREES {
        let mail = dir.path().join(format!("{tree}.txt"));
        std::fs::write(&mail, quoted_mail(tree)).unwrap();
        let patches = vec![mail.clone()];
        let spec = ImageSpec { tree: tree.into(), patches, lenient: true, ..ImageSpec::default() };
        let image = Image::build(&spec).unwrap();
        let variant = build(tree, "noio-mask", Config::Smp);
        assert_eq!((image.quirks, &image.undecided), (variant.quirks, &variant.undecided), "{tree}");
        assert_eq!(image.facts, variant.facts);
        // All that the variant adds is its mark.
        let text = |image: &Image, name: &str| {
            let dir = dir.path().join(name);
            image.write_changed(&dir).unwrap();
            std::fs::read_to_string(dir.join("mm/percpu.c")).unwrap().replace("/* percuss noio-mask */ ", "")
        };
        assert!(text(&image, &format!("{tree}-mail")) == text(&variant, &format!("{tree}-variant")));
    }
    let mail = dir.path().join("6.12.txt");
    let check = ["check", "--patch", mail.to_str().unwrap(), "--programs", "20"];
    // Without the option nothing is guessed, and the error says that there is one.
    let done = common::percuss(&check);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("--patch-lenient"), "{}", done.err);
    let done = common::percuss(&[&check[..], &["--patch-lenient"]].concat());
    assert!(done.code < 2, "{}", done.err);
}

#[test]
fn combinations_of_mask_quirks_are_found() {
    // A patch in development may do anything with masks, so every combination has to be told apart, not only those of
    // the variants. Building an image for each would take hours: here Models stand in for the trees.
    const MASKS: [Quirk; 8] = [
        Quirk::B03,
        Quirk::B03b,
        Quirk::B04,
        Quirk::B05,
        Quirk::B06,
        Quirk::BackingNofail,
        Quirk::CallerScopes,
        Quirk::NoreclaimScope,
    ];
    // All 256 take a minute. The step of 13 is odd, so each quirk is still on and off beside every other.
    for combination in (0..1 << MASKS.len()).step_by(13) {
        let mut quirks = MASKS.into_iter().fold(Quirks::v6_12(), Quirks::without);
        quirks =
            (0..MASKS.len()).filter(|bit| combination >> bit & 1 != 0).map(|bit| MASKS[bit]).fold(quirks, Quirks::with);
        let facts = Facts::default();
        let found = probe(&mut ModelRun::new(facts, quirks).unwrap().session, facts, None).unwrap();
        // With B03 no caller without all of GFP_KERNEL gets to where a scope would be.
        if quirks.has(Quirk::B03) {
            quirks = quirks.without(Quirk::CallerScopes);
        }
        assert_eq!(found, (quirks, vec![]));
    }
}

macro_rules! agree {
    ($($test:ident: $variant:literal;)*) => {
        $(
            #[test]
            fn $test() {
                agrees("6.12", $variant);
                agrees("6.1", $variant);
            }
        )*
    };
}

// Not `unlocked`: two of its tasks may populate one page, and what they break then is not the Model's.
agree! {
    pre_9a5b183_agrees: "pre-9a5b183";
    scopes_agrees: "scopes";
    noio_mask_agrees: "noio-mask";
    noio_mask_nofail_agrees: "noio-mask-nofail";
    v4_agrees: "v4";
    v4_nofail_agrees: "v4-nofail";
    v4_scope_agrees: "v4-scope";
}

#[test]
fn reports_call_it_ours() {
    // Variants are named after patch series on the list but are not those patches. A report that says "v4" alone would
    // blame the author of the series for our edits.
    if common::tree().is_none() {
        return;
    }
    let shown = common::percuss(&["tree", "--variant", "v4"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("  with  our variant v4\n"), "{}", shown.out);
    assert!(shown.out.contains("\nour variant v4\n  Our edits after "), "{}", shown.out);
    for quirk in ["B04", "B05", "B06"] {
        assert!(shown.out.contains(&format!("  not here   {quirk}  ")), "{}", shown.out);
    }
    let none = common::percuss(&["check", "--variant", "B04"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""), "{}", none.err);
    assert!(none.err.contains("unknown variant `B04`\n  help: known variants are "), "{}", none.err);
}
