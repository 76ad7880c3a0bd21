// SPDX-License-Identifier: GPL-2.0-only
//! A reset leaves nothing of a program in the World: everything is used first, then compared with a fresh World.

use crate::arena::PAGE;
use crate::host::Host;
use crate::state::areas::Area;
use crate::state::locks::Take;
use crate::state::log::CallSite;
use crate::state::run::Run;
use crate::state::sample::Sample;
use crate::world::World;
use percuss_kernel::event::{Ext, Site, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Geometry, Kernel, Layout, Lock, Scope, Var};
use percuss_program::Program;

const PROGRAM: &str = "memory free=9\ntask a\nfree b\nshrinker gated objects=3\nfree b\nfault kmalloc nth=3";

/// A World that has booted: the boot used memory, named a lock and queued the work item, which a reset must all go back
/// to.
fn booted(program: &Program) -> (Host, Addr) {
    let mut world = World::new(64).unwrap();
    world.power_on(&Geometry::default(), &program.faults);
    let host = Host::new(world);
    let metadata = host.memblock_alloc(4 * PAGE, 64);
    host.world().space.arena.write(metadata + PAGE, b"what boot wrote");
    let early = host.vm_area_early(PAGE, PAGE);
    host.populate_pte(early);
    assert!(host.map_pages(early, &[7], Gfp::KERNEL));
    host.world_mut().name_lock(metadata);
    host.schedule_work();
    host.world_mut().booted(Ok(Layout { unit_size: 64 << 10, ..Layout::default() }));
    (host, metadata)
}

/// Leaves every field of [`Run`] in a state that a program does not start in.
fn dirty_run(host: &Host, program: &Program) {
    host.world_mut().press(program);
    host.scope_save(Scope::Noio);
    host.world_mut().name_lock(0x7777);
    assert!(host.memcg_charge(1, Gfp::KERNEL, 64));
    let mut w = host.world_mut();
    assert!(w.work_begin().is_some());
    w.switch_to(1);
    w.op_begin(5);
    assert_eq!(w.try_mutex(Lock::AllocMutex, false), Take::Taken);
    assert_eq!(w.try_ext(Ext::Fs, false, false), Take::Taken);
    w.note_retry(1);
    w.kill(None);
    w.switch_to(2);
    assert_eq!(w.try_mutex(Lock::AllocMutex, false), Take::Wait);
    w.waits_for_ext(Ext::Io, false, true);
    w.set_alone([true; 2]);
    w.end(Stop::Bug);
    w.zero(crate::arena::addresses::LINEAR, 64);
}

fn dirty_buffers(host: &Host, metadata: Addr) {
    let objects = [64, 64, 64].map(|size| host.kzalloc(size, Gfp::KERNEL));
    assert_eq!(objects[2], 0, "the plan makes the third fail");
    host.kvfree(objects[0]);
    let page = host.alloc_page(0, Gfp::KERNEL).unwrap();
    host.free_page(host.alloc_page(0, Gfp::KERNEL).unwrap());
    let (_, base) = host.get_vm_areas(&[0], &[4 * PAGE], PAGE, Gfp::KERNEL, 64).unwrap();
    assert!(host.map_pages(base, &[page], Gfp::KERNEL));
    host.unmap_pages(base, 1);
    host.world().space.arena.write(metadata + 2 * PAGE, b"what the program wrote");
    host.diag(Diag::Warn, &[1], "a text");
    let mut w = host.world_mut();
    let site = CallSite { function: "f".into(), file: "mm/percpu.c".into(), line: 1 };
    w.set_site(Some(site));
    w.areas_mut().set(Var(1), base);
    w.areas_mut().add(Area { ptr: base, size: 4, seed: None, sample: Sample::WHOLE });
}

/// Fails for each field that `dirty_run` leaves as it was; a new field does not compile until it is named here.
fn assert_all_dirty(run: &Run, clean: &Run) {
    let Run {
        tasks,
        current,
        ops,
        work_pending,
        working,
        owner,
        named,
        ext,
        waits,
        waits_ext,
        released,
        alone,
        looking,
        pool,
        pressure,
        gated,
        memcg,
        zeroing,
        clearings,
        stopped,
    } = run;
    assert_ne!(tasks, &clean.tasks);
    assert_ne!(*current, clean.current);
    assert_ne!(ops, &clean.ops);
    assert_ne!(*work_pending, clean.work_pending);
    assert_ne!(*working, clean.working);
    assert_ne!(owner, &clean.owner);
    assert_ne!(named, &clean.named);
    assert_ne!(ext, &clean.ext);
    assert_ne!(waits, &clean.waits);
    assert_ne!(waits_ext, &clean.waits_ext);
    assert_ne!(*released, clean.released);
    assert_ne!(alone, &clean.alone);
    assert_ne!(*looking, clean.looking);
    assert_ne!(pool, &clean.pool);
    assert_ne!(pressure, &clean.pressure);
    assert_ne!(gated, &clean.gated);
    assert_ne!(memcg, &clean.memcg);
    assert_ne!(zeroing, &clean.zeroing);
    assert_ne!(*clearings, clean.clearings);
    assert_ne!(stopped, &clean.stopped);
}

#[test]
fn a_reset_leaves_nothing_of_the_program_before() {
    let program: Program = PROGRAM.parse().unwrap();
    assert_eq!(program.faults[0].site, Site::Kmalloc);
    let (host, metadata) = booted(&program);
    let (fresh, same) = booted(&program);
    assert_eq!(metadata, same);
    dirty_buffers(&host, metadata);
    dirty_run(&host, &program);
    assert_all_dirty(&host.world().run, &fresh.world().run);

    host.world_mut().reset(&program.faults);

    let (world, fresh) = (host.world(), fresh.world());
    assert_eq!(world.run, fresh.run);
    assert_eq!(world.events(), fresh.events());
    // Not assert_eq: the tables of frames and pages would fill the screen.
    assert!(world.buffers == fresh.buffers);
    let bytes = |world: &World| world.space.arena.bytes(metadata, 4 * PAGE).to_vec();
    assert!(bytes(&world) == bytes(&fresh));
}

#[test]
fn power_on_leaves_nothing_of_the_boot_before() {
    let program: Program = PROGRAM.parse().unwrap();
    let (host, metadata) = booted(&program);
    dirty_buffers(&host, metadata);
    dirty_run(&host, &program);
    let mut fresh = World::new(64).unwrap();
    for world in [&mut *host.world_mut(), &mut fresh] {
        world.power_on(&Geometry::default(), &[]);
    }
    let world = host.world();
    assert_eq!(world.run, fresh.run);
    assert_eq!(format!("{:?}", world.boot), format!("{:?}", fresh.boot));
    assert!(world.buffers == fresh.buffers);
}
