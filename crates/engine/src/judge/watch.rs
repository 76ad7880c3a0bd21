// SPDX-License-Identifier: GPL-2.0-only
//! Asking a bench of oracles while a program runs.
//!
//! The session calls a [`Watch`] after each op; this one passes the question on to every oracle.

use std::cell::RefCell;

use percuss_kernel::{DRAIN, Tenant};
use percuss_model::Facts;
use percuss_oracle::{Bench, Scene};
use percuss_program::Program;
use percuss_run::{Shared, Watch};

pub(super) struct Asking<'a> {
    bench: &'a RefCell<Bench>,
    program: &'a Program,
    objcg_objects: u32,
    /// Ops that ended, the drain apart.
    pub ops: u64,
}

impl<'a> Asking<'a> {
    /// Begins with a program: the bench forgets the last one.
    pub fn start(bench: &'a RefCell<Bench>, program: &'a Program, objcg_objects: u32) -> Asking<'a> {
        bench.borrow_mut().start();
        Asking { bench, program, objcg_objects, ops: 0 }
    }
}

impl<T: Tenant> Watch<T> for Asking<'_> {
    fn op_done(&mut self, shared: &Shared<T>, op: u32) {
        // The drain is percuss's own and counts as no op of the program.
        self.ops += (op != DRAIN) as u64;
        self.bench.borrow_mut().op_ended(&scene(shared, self.program, self.objcg_objects, false), op);
    }
}

/// Metadata objects that a chunk has for its object cgroups: the ledger counts them where the tree accounts to them.
pub(super) fn objcg_objects(facts: Facts) -> u32 {
    (facts.obj_ext_size > 0).into()
}

/// What oracles may look at; `whole`: the program came to its end.
pub(super) fn scene<'a, T: Tenant>(
    shared: &'a Shared<T>,
    program: &'a Program,
    objcg_objects: u32,
    whole: bool,
) -> Scene<'a> {
    Scene {
        program,
        host: &shared.host,
        tenant: &shared.tenant,
        first_pages: shared.first_pages.get(),
        contents: shared.contents.get(),
        wrong: &shared.content,
        objcg_objects,
        whole,
    }
}
