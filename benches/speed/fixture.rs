// SPDX-License-Identifier: GPL-2.0-only
//! Allocators in every setting, from the bare C to lockstep under every oracle, and the programs they run. All settings
//! run the same programs, so that the ratio of two of them is what one costs more than the other.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use percuss::image::{Config, Image, ImageSpec};
use percuss::judge::{Examiner, ModelRun, Oracles, image_session};
use percuss::kernel::{Geometry, Tenant, VARS};
use percuss::model::{Facts, Quirks};
use percuss::program::{Generator, Op, Program};
use percuss::run::{Session, Unwatched};
use percuss::tenant::{KernelC, boot_params};
use percuss::world::sample::Contents;
use percuss_shim::{CompileRequest, Instance, compile};

#[path = "../../shim/tests/common/mod.rs"]
mod common;
use common::TestHost;

// An ordinary machine, and the largest one that percuss can boot: much of the work is done once for each CPU.
pub const CPUS: [u32; 2] = [4, 64];
pub const OPS: usize = 64;
/// Programs taken in turn, each of [`OPS`] ops. A single one would be measured with caches and branches that know it.
pub const PROGRAMS: usize = 64;

pub fn tree() -> Result<PathBuf, percuss::tree::TreeError> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    percuss::tree::Tree::resolve("6.12", &root).map(|t| t.dir)
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE
        .get_or_init(|| Image::build(&ImageSpec { tree: "6.12".to_owned(), ..ImageSpec::default() }).expect("an image"))
}

/// The allocator with nothing of percuss in it but the shim's headers: what everything else is compared with. Without
/// the digest of its state, which is an oracle's.
fn bare_image() -> &'static PathBuf {
    static BARE: OnceLock<PathBuf> = OnceLock::new();
    BARE.get_or_init(|| {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bare");
        let request = CompileRequest {
            tree: tree().expect("checked at the start"),
            overlay: None,
            config: Config::default(),
            output: dir.join("image.so"),
            scratch: dir.join("scratch"),
            flags: vec!["-DPERCUSS_NO_DIGEST=1".into()],
            launcher: Vec::new(),
        };
        compile(&request).expect("an image").path
    })
}

/// One session of each setting at one number of CPUs, booted once, and the programs for it.
pub struct Fixture {
    programs: Vec<Program>,
    nothing: Program,
    bare: Instance<TestHost>,
    vars: [u64; VARS],
    live: Vec<u64>,
    c: Session<KernelC>,
    model: ModelRun,
    examiner: Examiner,
}

impl Fixture {
    pub fn new(cpus: u32) -> Fixture {
        let boot = Geometry { cpus: u64::MAX >> (64 - cpus), ..Geometry::default() };
        let image = image();
        let (facts, quirks): (Facts, Quirks) = (image.facts, image.quirks);
        let session = || image_session(&image.path, "C").expect("loads").0;
        let c = session();
        // Checking contents is an oracle's work; only the lockstep setting pays for it.
        c.shared().contents.set(Contents::Ignored);
        let model = ModelRun::new(facts, quirks).expect("memory");
        model.session.shared().contents.set(Contents::Ignored);
        let examiner = Examiner::new(session(), facts, quirks, Oracles::default()).expect("memory");
        // The bare allocator runs on the small host of the shim's own tests, which records nothing.
        let bare = percuss_shim::Image::load(bare_image()).expect("loads");
        let bare = common::boot(bare, &boot_params(&boot)).0;
        Fixture {
            programs: programs(boot),
            nothing: Program { boot, ..Program::default() },
            bare,
            vars: [0; VARS],
            live: Vec::new(),
            c,
            model,
            examiner,
        }
    }

    /// Runs the allocations, frees and work items of a program straight on the allocator, and frees what is left. Its
    /// chunks stay from program to program, since there is no World that could be reset.
    pub fn bare(&mut self, n: usize) {
        let bare = &self.bare;
        self.vars.fill(0);
        for op in &self.programs[n % PROGRAMS].tasks[0] {
            match *op {
                Op::Alloc { dst, size, align, reserved, gfp } => {
                    let ptr = bare.alloc(size as u64, align as u64, reserved, gfp.0);
                    self.vars[dst.0 as usize] = ptr;
                    if ptr != 0 {
                        self.live.push(ptr);
                    }
                }
                Op::Free { var } => {
                    let ptr = std::mem::take(&mut self.vars[var.0 as usize]);
                    bare.free(ptr);
                    if let Some(i) = self.live.iter().rposition(|p| *p == ptr) {
                        self.live.swap_remove(i);
                    }
                }
                Op::Balance if bare.host().work.replace(false) => bare.balance(),
                _ => {}
            }
        }
        while let Some(ptr) = self.live.pop() {
            bare.free(ptr);
        }
        // What is queued at the end belongs to this program; the World runs it as well.
        while bare.host().work.replace(false) {
            bare.balance();
        }
        // Warnings would pile up over millions of programs.
        bare.host().diags.borrow_mut().clear();
    }

    pub fn c_alone(&mut self, n: usize) {
        self.c.run(&self.programs[n % PROGRAMS], &mut Unwatched).expect("memory");
    }

    pub fn model_alone(&mut self, n: usize) {
        self.model.session.run(&self.programs[n % PROGRAMS], &mut Unwatched).expect("memory");
    }

    pub fn lockstep(&mut self, n: usize) {
        let verdict = self.examiner.examine(&self.programs[n % PROGRAMS]).expect("memory");
        std::hint::black_box(verdict);
    }

    /// A program without ops on the C, with or without a boot: what is paid whatever the program is.
    pub fn empty(&mut self, boot: bool) {
        if boot {
            self.c.power_off();
        }
        self.c.run(&self.nothing, &mut Unwatched).expect("memory");
    }

    /// Runs a program, then resets, and returns the time of the reset alone. The program is needed for there to be
    /// something to reset.
    pub fn reset(&mut self, n: usize) -> Duration {
        self.c_alone(n);
        let shared = self.c.shared();
        let start = Instant::now();
        shared.host.world_mut().reset(&[]);
        shared.tenant.restore();
        start.elapsed()
    }
}

/// Programs of exactly [`OPS`] ops of one task without faults, as the generator makes them, cut to length. A program
/// that no longer keeps the contract after the cut is left out, so that repairing it does not change its length.
fn programs(boot: Geometry) -> Vec<Program> {
    let mut generator = Generator::new(1);
    let long = (0..).map(|i| generator.program(i)).filter(|p| p.tasks.len() == 1 && p.nr_ops() >= OPS);
    let cut = long.filter_map(|mut p| {
        p.boot = boot;
        p.faults.clear();
        p.tasks[0].truncate(OPS);
        let before = p.clone();
        p.repair();
        (p == before).then_some(p)
    });
    cut.take(PROGRAMS).collect()
}
