// SPDX-License-Identifier: GPL-2.0-only
//! Lockstep: image and Model agree on both trees, live bugs are told apart and go with their fixes, and nothing of a
//! program reaches the next.

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};

use percuss::campaign::{Extent, Progress, generated, one};
use percuss::image::{Config, Image, ImageSpec};
use percuss::judge::{Batch, ModelRun, Oracles, image_session, probe_program};
use percuss::kernel::Tenant;
use percuss::model::{Facts, Quirk, Quirks};
use percuss::oracle::OracleKind;
use percuss::program::{Generator, Op, Program};
use percuss::run::{Ended, Session, Unwatched};
use percuss::worker::Setup;

const TREES: [&str; 2] = common::TREES;

fn image(tree: &str, edits: &[&str], config: Config) -> (Image, Setup) {
    let edits = edits.iter().map(|e| (*e).to_owned()).collect();
    let image = Image::build(&ImageSpec { tree: tree.into(), edits, config, ..ImageSpec::default() }).unwrap();
    let mut setup = image.setup(1, Oracles::default());
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    (image, setup)
}

fn campaign(setup: &Setup, programs: u64) -> Batch {
    let batch = generated(setup, Extent::Programs(programs), 1, &Progress::default()).unwrap();
    assert_eq!((batch.programs, batch.hung, batch.not_run), (programs, 0, 0));
    batch
}

fn nothing_new(batch: &Batch, of: &str) {
    let new: Vec<_> = batch.found.iter().filter(|f| f.finding.quirk.is_none()).collect();
    let program = new.first().map(|f| Program::decode(&f.program).to_string());
    assert!(new.is_empty(), "{of}: {new:#?}\n{}", program.unwrap_or_default());
    assert_eq!(batch.tally.unattributed, 0, "{of}");
}

fn accounted(batch: &Batch, quirk: Quirk) -> usize {
    batch.found.iter().filter(|f| f.finding.quirk == Some(quirk)).count()
}

fn corpus(name: &str) -> Program {
    let path = common::checkout().join("corpora/lockstep").join(name);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn agree(tree: &str, config: Config) {
    if !common::has_trees() {
        return;
    }
    let (_image, setup) = image(tree, &[], config);
    nothing_new(&campaign(&setup, 400), &format!("{tree}, {config:?}"));
}

#[test]
fn tree_6_12_agrees() {
    agree("6.12", Config::Smp);
}

#[test]
fn tree_6_12_without_memcg_agrees() {
    agree("6.12", Config::SmpNomemcg);
}

#[test]
fn tree_6_1_agrees() {
    agree("6.1", Config::Smp);
}

#[test]
fn tree_6_1_without_memcg_agrees() {
    agree("6.1", Config::SmpNomemcg);
}

/// Asserts that the fix of a quirk ends it, with the quirks in `gone`, and everything that they accounted for. With
/// `shows`, the quirk also has to be seen in programs on the tree without the fix; the others are too rare for a test.
fn fixed(quirk: Quirk, gone: &[Quirk], shows: bool) {
    if !common::has_trees() {
        return;
    }
    const PROGRAMS: u64 = 300;
    let (base, base_setup) = image("6.12", &[], Config::default());
    let (fixed, setup) = image("6.12", &[&format!("fix-{quirk}")], Config::default());
    let expected = gone.iter().copied().fold(base.quirks, Quirks::without);
    assert_eq!((fixed.quirks, fixed.undecided.as_slice()), (expected, &[][..]));
    let batch = campaign(&setup, PROGRAMS);
    nothing_new(&batch, quirk.name());
    gone.iter().for_each(|q| assert_eq!(accounted(&batch, *q), 0, "{q} with fix-{quirk}"));
    // Some are seen in one program of hundreds, so the tree without the fix gets five times as many.
    assert!(
        !shows || accounted(&campaign(&base_setup, 5 * PROGRAMS), quirk) > 0,
        "{quirk} is not seen without its fix"
    );
}

#[test]
fn b24_goes_with_its_fix() {
    fixed(Quirk::B24, &[Quirk::B24], true);
}

#[test]
fn b25_goes_with_its_fix() {
    fixed(Quirk::B25, &[Quirk::B25], false);
}

#[test]
fn b26_goes_with_its_fix() {
    fixed(Quirk::B26, &[Quirk::B26], false);
}

#[test]
fn b50_goes_with_its_fix() {
    fixed(Quirk::B50, &[Quirk::B50], false);
}

#[test]
fn b51_goes_with_its_fix_and_takes_others_along() {
    // The fix of B51 promotes no scan hint. With nothing promoted there is no right edge to lose (B50), nor an
    // old start to compare with (B26).
    fixed(Quirk::B51, &[Quirk::B51, Quirk::B50, Quirk::B26], true);
}

#[test]
fn b15_is_known_on_6_12_only() {
    // The probe's program fails often enough for the kernel to print an eleventh warning, one more than its limit. Only
    // 6.12 counts them without a lock.
    if !common::has_trees() {
        return;
    }
    let program = probe_program(Quirk::B15);
    for (tree, edits, known) in [("6.12", &[][..], 1), ("6.12", &["fix-B15"], 0), ("6.1", &[], 0)] {
        let (_image, setup) = image(tree, edits, Config::default());
        let batch = one(&setup, &program).unwrap();
        nothing_new(&batch, tree);
        assert_eq!(accounted(&batch, Quirk::B15), known, "{tree} with {edits:?}: {:#?}", batch.found);
    }
}

#[test]
fn b24_in_five_ops() {
    // The smallest program known for B24. The finding is the failure of the last op, so any other op would be a wrong
    // report.
    if !common::has_trees() {
        return;
    }
    let program = corpus("chunk-hint-after-free.percuss");
    let room = |setup: &Setup| {
        let batch = one(setup, &program).unwrap();
        nothing_new(&batch, "five ops");
        batch.found.into_iter().map(|f| f.finding).filter(|f| f.oracle == OracleKind::Room).collect::<Vec<_>>()
    };
    for tree in TREES {
        let (_base, base) = image(tree, &[], Config::default());
        let [finding] = &room(&base)[..] else { panic!("{tree}: one finding") };
        assert_eq!(finding.title, "percuss: allocation fails although there is room");
        assert_eq!((finding.quirk, finding.op), (Some(Quirk::B24), 4));
        let (_fixed, fixed) = image(tree, &["fix-B24"], Config::default());
        assert_eq!(one(&fixed, &program).unwrap().found, [], "{tree} with its fix");
    }
}

#[test]
fn b36_is_known_on_6_1_only() {
    // 6.12 has the fix of B36. The program must be silent there, and on 6.1 with our edit that does the same.
    if !common::has_trees() {
        return;
    }
    let program = corpus("B36.percuss");
    let found = |tree, edits: &[&str]| {
        let (_image, setup) = image(tree, edits, Config::default());
        let batch = one(&setup, &program).unwrap();
        nothing_new(&batch, tree);
        assert_eq!(batch.boot_failed, 0);
        batch.found.into_iter().map(|f| f.finding).collect::<Vec<_>>()
    };
    let known = found("6.1", &[]);
    let by_b36 = |f: &&percuss::oracle::Finding| {
        f.quirk == Some(Quirk::B36) && matches!(f.oracle, OracleKind::Mapping | OracleKind::Ledger)
    };
    assert!(known.iter().any(|f| by_b36(&f)), "{known:#?}");
    assert_eq!(found("6.1", &["fix-B36"]), []);
    assert_eq!(found("6.12", &[]), []);
}

fn log<T: Tenant + 'static>(session: &mut Session<T>, program: &Program) -> (u64, Ended) {
    let ended = session.run(program, &mut Unwatched).unwrap();
    let mut hasher = DefaultHasher::new();
    for event in session.shared().host.world().events() {
        format!("{event:?}").hash(&mut hasher);
    }
    (hasher.finish(), ended)
}

/// Runs the same programs in two orders and asserts that each gives the same events. A finding can be reproduced from
/// its program alone only as long as nothing of earlier programs reaches it.
fn order_does_not_matter<T: Tenant + 'static>(mut new: impl FnMut() -> Session<T>) {
    const PROGRAMS: u64 = 1000;
    // No divisor in common with the number of programs, so that every program comes once; and far from 1, so that each
    // has another program before it.
    const STRIDE: u64 = 383;
    let mut generator = Generator::new(1);
    let mut session = new();
    let in_order: Vec<_> = (0..PROGRAMS).map(|i| log(&mut session, &generator.program(i))).collect();
    let mut session = new();
    for i in (0..PROGRAMS).map(|i| (i * STRIDE + 7) % PROGRAMS) {
        assert_eq!(log(&mut session, &generator.program(i)), in_order[i as usize], "program {i}");
    }
}

#[test]
fn the_order_of_programs_does_not_matter_to_an_image() {
    if !common::has_trees() {
        return;
    }
    let (image, _) = image("6.12", &[], Config::default());
    order_does_not_matter(|| image_session(&image.path, "C").unwrap().0);
}

#[test]
fn the_order_of_programs_does_not_matter_to_the_model() {
    order_does_not_matter(|| ModelRun::new(Facts::default(), Quirks::v6_12()).unwrap().session);
}

/// When contents are looked at whole, memory that is not allocated is poisoned. Poison beyond it would
/// destroy what an owner wrote, and be reported as the tree's fault.
#[test]
fn poison_stays_out_of_static_areas() {
    if !common::has_trees() {
        return;
    }
    let (image, _) = image("6.12", &[], Config::default());
    let mut session = image_session(&image.path, "C").unwrap().0;
    let mut generator = Generator::new(3);
    let generated = (0..200).map(|i| Program { faults: Vec::new(), ..generator.program(i) });
    let regression = include_str!("../corpora/boot/page-takes-no-dyn.percuss").parse().unwrap();
    for program in std::iter::once(regression).chain(generated) {
        let boot = program.boot;
        session.power_off();
        session.run(&program, &mut Unwatched).unwrap();
        assert_eq!(session.shared().host.world().static_damage(), None, "{boot}");
    }
}

#[test]
fn every_probe_tells_its_quirk_apart() {
    // A probe whose log is the same with and without its quirk could decide nothing, and every tree would seem to have
    // it or not by chance. It must also work beside the other quirks of a tree.
    for base in [Quirks::v6_12(), Quirks::v6_1()] {
        for quirk in Quirk::ALL {
            let program = probe_program(*quirk);
            let logs = [base.without(*quirk), base.with(*quirk)]
                .map(|quirks| log(&mut ModelRun::new(Facts::default(), quirks).unwrap().session, &program).0);
            let occasion = match quirk {
                // Sleeping callers warn under the mutex, one at a time.
                Quirk::B15 => !base.has(Quirk::WarnLimitSleepable),
                Quirk::QueueUnderLock => !base.has(Quirk::B14),
                _ => true,
            };
            assert_eq!(logs[0] != logs[1], occasion, "{quirk} beside {base}");
        }
    }
}

#[test]
fn images_have_the_quirks_of_their_trees() {
    // What the Model is built with for the two trees is stated in its sources; images must show the same when probed.
    if !common::has_trees() {
        return;
    }
    for (tree, quirks) in [("6.12", Quirks::v6_12()), ("6.1", Quirks::v6_1())] {
        for config in [Config::Smp, Config::SmpNomemcg] {
            let (image, _) = image(tree, &[], config);
            // Without cgroups no area has a vector of them, so B41 makes no difference.
            let expected = if config == Config::Smp { quirks } else { quirks.without(Quirk::B41) };
            assert_eq!((image.quirks, image.undecided.as_slice()), (expected, &[][..]), "{tree}, {config:?}");
        }
    }
}

#[test]
fn a_stopped_program_leaves_nothing_behind() {
    // The World stops a program in the middle of a call, with locks held and work queued. What is left must not reach
    // the next.
    if !common::has_trees() {
        return;
    }
    let (image, _) = image("6.12", &["crash-bug"], Config::default());
    let mut session = image_session(&image.path, "C").unwrap().0;
    let mut generator = Generator::new(1);
    // The edit stops the machine at an allocation of 160 bytes: here after all that the program did.
    let bug: Program = "task a\nx = alloc 160\n".parse().unwrap();
    let bug: Op = bug.tasks[0][0];
    let mut stopped = 0;
    for i in 0..64 {
        let after = generator.program(i);
        let mut program = after.clone();
        program.tasks[0].push(bug);
        stopped += u32::from(log(&mut session, &program).1 == Ended::Stopped);
        let mut fresh = image_session(&image.path, "C").unwrap().0;
        assert_eq!(log(&mut session, &after), log(&mut fresh, &after), "program {i}");
    }
    // Programs that end earlier than the added op test nothing.
    assert!(stopped > 32, "{stopped} programs were stopped");
}
