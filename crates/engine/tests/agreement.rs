// SPDX-License-Identifier: GPL-2.0-only
//! The Model beside images of several kinds, in this process and on fixed programs: what a change of the Model that
//! matters does not get past. `scripts/mutants` runs it for each of a great many changes, so it is made to be quick;
//! with `PERCUSS_IMAGES` naming a directory, images are kept there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use percuss_engine::image::{Config, Image, ImageSpec};
use percuss_engine::judge::{Examiner, Oracles, image_session};
use percuss_kernel::{Quirk, Quirks};
use percuss_program::{Generator, Program};
use percuss_source::tree::{Tree, find_checkout};

/// Most pages this process may use; a Model that does not end writes its log at gigabytes a second. More than 4 GiB
/// were seen with tests side by side in one process; probably the logs of Models that follow an image into a loop.
const PAGES: u64 = (8 << 30) / 4096;

/// Ends the process when it uses too much memory.
fn guard() {
    static ONCE: Once = Once::new();
    let watch = || loop {
        let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        // The second number of the file is the resident set in pages.
        if text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).is_some_and(|pages: u64| pages > PAGES) {
            eprintln!("too much memory: the Model does not end");
            std::process::abort();
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    ONCE.call_once(|| drop(std::thread::spawn(watch)));
}

/// An image, and how its quirks differ from its tree's. They are not found out by probing, since that takes the Model.
struct Kind {
    name: &'static str,
    tree: &'static str,
    edits: &'static [&'static str],
    config: Config,
    on: &'static [Quirk],
    off: &'static [Quirk],
}

impl Kind {
    fn quirks(&self) -> Quirks {
        let quirks = if self.tree == "6.1" { Quirks::v6_1() } else { Quirks::v6_12() };
        // First what the edits bring, then what they take away.
        let quirks = self.on.iter().copied().fold(quirks, Quirks::with);
        self.off.iter().copied().fold(quirks, Quirks::without)
    }

    /// The shared object: that of the directory for images, or one made in `scratch`; None without the tree.
    fn image(&self, scratch: &Path) -> Option<PathBuf> {
        let kept = std::env::var_os("PERCUSS_IMAGES").map(|dir| PathBuf::from(dir).join(format!("{}.so", self.name)));
        if let Some(path) = kept.clone().filter(|path| path.is_file()) {
            return Some(path);
        }
        if let Err(e) = Tree::resolve(self.tree, &find_checkout()?) {
            eprintln!("skipped: {e}");
            return None;
        }
        let edits = self.edits.iter().map(|e| (*e).to_owned()).collect();
        let spec = ImageSpec { tree: self.tree.into(), edits, config: self.config, ..ImageSpec::default() };
        let image = Image::build(&spec).unwrap();
        let path = kept.unwrap_or_else(|| scratch.join("image.so"));
        // Copied beside its place and renamed into it, as several test processes may make the same image at once.
        let beside = path.with_extension(format!("{}", std::process::id()));
        fs::copy(&image.path, &beside).unwrap();
        fs::rename(beside, &path).unwrap();
        Some(path)
    }

    /// Every finding has a quirk that accounts for it, and so has every hint that is too low.
    fn agrees(&self, programs: u64) {
        guard();
        let scratch = tempfile::tempdir().unwrap();
        let Some(path) = self.image(scratch.path()) else { return };
        let (session, facts) = image_session(&path, "C").unwrap();
        let mut examiner = Examiner::new(session, facts, self.quirks(), Oracles::default()).unwrap();
        // Any seed would do, but a mutant has to meet the same programs each time.
        let mut generator = Generator::new(7);
        let generated = (0..programs).map(|i| (format!("program {i}"), generator.program(i)));
        for (name, program) in corpora().into_iter().chain(generated) {
            let verdict = examiner.examine(&program).unwrap();
            // What an unsafe caller provokes is its own fault.
            let new = verdict.findings.iter().find(|f| f.quirk.is_none() && !program.unsafe_caller);
            assert!(new.is_none(), "{} in {name}: {new:#?}\n{program}", self.name);
            assert_eq!(verdict.tally.unattributed, 0, "{} in {name}", self.name);
        }
    }
}

/// All text programs there are.
fn corpora() -> Vec<(String, Program)> {
    let root = find_checkout().expect("tests run in the checkout").join("corpora");
    let mut all = Vec::new();
    for dir in ["lockstep", "quirks", "scenarios"] {
        for entry in fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let program = fs::read_to_string(&path).unwrap().parse();
            all.push((path.display().to_string(), program.unwrap_or_else(|e| panic!("{}: {e}", path.display()))));
        }
    }
    // The order in which a file system lists files differs between machines.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

const PLAIN: Kind = Kind { name: "plain", tree: "6.12", edits: &[], config: Config::Smp, on: &[], off: &[] };

#[test]
fn on_6_12() {
    PLAIN.agrees(250);
}

#[test]
fn on_6_1_without_memcg() {
    // Without cgroups no area has a vector of them.
    let config = Config::SmpNomemcg;
    Kind { name: "old", tree: "6.1", config, off: &[Quirk::B41], ..PLAIN }.agrees(100);
}

#[test]
fn on_6_1() {
    Kind { name: "old-memcg", tree: "6.1", ..PLAIN }.agrees(100);
}

#[test]
fn on_a_tree_that_asks_and_backs_as_it_should() {
    let edits = &["v4-nofail", "fix-B24", "fix-B25", "fix-B26", "fix-B50"];
    let off = &[Quirk::B04, Quirk::B05, Quirk::B06, Quirk::B24, Quirk::B25, Quirk::B26, Quirk::B50];
    Kind { name: "fixed", edits, on: &[Quirk::BackingNofail], off, ..PLAIN }.agrees(100);
}

#[test]
fn on_a_tree_that_promotes_no_hints() {
    let (edits, off) = (&["scopes", "fix-B51"], &[Quirk::B51, Quirk::B50, Quirk::B26]);
    Kind { name: "scopes", edits, on: &[Quirk::CallerScopes], off, ..PLAIN }.agrees(100);
}

#[test]
fn on_a_tree_where_few_may_sleep() {
    Kind { name: "few", edits: &["pre-9a5b183"], on: &[Quirk::B03, Quirk::B03b], ..PLAIN }.agrees(60);
}
