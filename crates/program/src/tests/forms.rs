// SPDX-License-Identifier: GPL-2.0-only
//! The three forms say the same, and repair makes anything legal.

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

use super::super::codes::SIZES;
use super::super::{BytesError, Generator, Op, Program, TABLE, VERSION};
use super::{any_geometry, any_program, any_repaired};
use percuss_kernel::{First, Geometry, Scope, limits};

proptest! {
    #[test]
    fn text_gives_the_program_back(program in any_repaired()) {
        let text = program.to_string();
        let parsed: Program = text.parse().unwrap();
        prop_assert_eq!(&parsed, &program);
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn bytes_give_the_program_back(program in any_repaired()) {
        let bytes = program.encode();
        // The strict decoder reads at least what the encoder writes.
        let decoded = Program::decode_strict(&bytes);
        prop_assert_eq!(decoded.as_ref(), Ok(&program));
        // text -> bytes -> text
        let text = program.to_string();
        let parsed: Program = text.parse().unwrap();
        prop_assert_eq!(Program::decode(&parsed.encode()).to_string(), text);
    }

    #[test]
    fn all_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let program = Program::decode(&bytes);
        prop_assert!(program.is_repaired());
        prop_assert!(program.boot.check().is_ok());
        prop_assert_eq!(&Program::decode(&program.encode()), &program);
        let fuzzed = Program::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap();
        // A fuzzer must not be able to blame the tree for a caller's error.
        prop_assert!(!fuzzed.unsafe_caller);
        prop_assert!(fuzzed.violations().is_empty());
        prop_assert_eq!(Program::arbitrary(&mut Unstructured::new(&bytes)).unwrap(), fuzzed);
    }

    #[test]
    fn repair_is_idempotent_and_legal(mut program in any_program()) {
        program.repair();
        let once = program.clone();
        program.repair();
        prop_assert_eq!(&program, &once);
        prop_assert!(program.unsafe_caller || program.violations().is_empty());
        prop_assert!(program.nr_ops() <= limits::OPS);
    }

    #[test]
    fn repair_leaves_legal_programs_alone(mut program in any_repaired()) {
        // What broke no rule before the mark was taken away needs no repair.
        let legal = program.violations().is_empty();
        program.unsafe_caller = false;
        prop_assert_eq!(program.is_repaired(), legal);
    }

    #[test]
    fn geometry_repair_makes_possible_ones(mut geometry in any_geometry()) {
        let before = geometry;
        geometry.repair();
        prop_assert!(geometry.check().is_ok(), "{:?}", geometry.check());
        if before.check().is_ok() {
            prop_assert_eq!(geometry, before);
        }
        let once = geometry;
        geometry.repair();
        prop_assert_eq!(geometry, once);
    }

    #[test]
    fn any_text_parses_or_says_where(text in "(boot|task|alloc|v0|x|=| |\n|cpus|free|0-3|,|K|é|#|\\*|:|schedule|a|fault|nth|gfp|\\||enter|noio){0,40}") {
        if let Err(e) = text.parse::<Program>() {
            prop_assert!(text.get(e.span()).is_some());
        }
    }
}

#[test]
fn short_sizes_are_lossless_where_they_exist() {
    // Miri would take minutes for all.
    let step = if cfg!(miri) { 61 } else { 1 };
    for size in (0..70_000).step_by(step) {
        if let Some(code) = SIZES.code(size) {
            assert_eq!(SIZES.value(code), size);
        }
    }
    for code in (0..=u16::MAX).step_by(step) {
        SIZES.value(code);
    }
    assert!((0..=0x3fff).step_by(step).chain([32768, 32767, 32772]).all(|s| SIZES.code(s).is_some()));
}

#[test]
fn nothing_is_the_default_program() {
    assert_eq!(Program::decode(&[]), Program::default());
    assert_eq!(Program::decode_strict(&Program::default().encode()), Ok(Program::default()));
}

#[test]
#[cfg_attr(miri, ignore = "needs a system call that Miri does not have")]
fn files_say_what_is_wrong_with_them() {
    let mut bytes = Program::default().encode();
    assert_eq!(Program::decode_strict(&[]), Err(BytesError::Empty));
    assert_eq!(Program::decode_strict(&bytes[..9]), Err(BytesError::Header { found: 9, expected: 14 }));
    bytes.extend([1, 2]);
    insta::assert_snapshot!(Program::decode_strict(&bytes).unwrap_err(), @"2 bytes of trailing garbage at offset 14");
    bytes[0] = 7;
    insta::assert_snapshot!(Program::decode_strict(&bytes).unwrap_err(), @"the version is 0x07, expected 0x02: written by another percuss, or no program");
    assert_eq!(Program::decode(&bytes).encode()[0], VERSION);
}

#[test]
#[cfg_attr(miri, ignore = "many ops, which take minutes there")]
fn programs_of_64_ops_are_small() {
    let mut generator = Generator::new(1);
    let sizes: Vec<usize> = (0..2000)
        .map(|i| generator.program(i))
        .filter(|p| p.nr_ops() == 64 && p.tasks.len() == 1)
        .map(|p| p.encode().len())
        .collect();
    assert!(!sizes.is_empty());
    assert!(sizes.iter().all(|n| (440..=620).contains(n)), "{sizes:?}");
}

#[test]
#[cfg_attr(miri, ignore = "many ops, which take minutes there")]
fn random_bytes_hold_every_op() {
    let bytes: Vec<u8> = {
        let mut rng = super::super::rng::Rng::new(3, 3);
        (0..70_000).map(|_| rng.bits() as u8).collect()
    };
    let program = Program::decode(&bytes);
    let mut seen = vec![0; TABLE.len()];
    program.tasks.iter().flatten().for_each(|op| seen[op.row()] += 1);
    // The scheduler allocates in programs of unsafe callers only.
    let legal = |(row, n): (usize, &usize)| matches!(TABLE[row].name, "sched-probe" | "call") || *n > 10;
    assert!(seen.iter().enumerate().all(legal), "{seen:?}");
}

#[test]
#[cfg_attr(miri, ignore = "many ops, which take minutes there")]
fn limits_cut() {
    // Sections need room for their ends, at the limit, too.
    let enter = Op::Enter { scope: Scope::Noio };
    let mut ops = vec![Op::NrPages; limits::OPS - 1];
    ops.extend([enter, enter]);
    let mut program = Program { tasks: vec![ops], ..Program::default() };
    program.repair();
    assert_eq!(program.nr_ops(), limits::OPS - 1);
    assert!(program.violations().is_empty() && program.is_repaired());
}

#[test]
fn nodes_are_dealt_as_documented() {
    let mut g = Geometry { cpus: 0xff, groups: 2, ..Geometry::default() };
    assert_eq!(g.possible().map(|c| g.node(c)).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1]);
    g.interleaved = true;
    assert_eq!(g.possible().map(|c| g.node(c)).collect::<Vec<_>>(), [0, 1, 0, 1, 0, 1, 0, 1]);
}

#[test]
#[cfg_attr(miri, ignore = "needs a system call that Miri does not have")]
fn names_are_free_and_numbers_stay() {
    let text = "# names\nboot cpus=0-3,6 groups=2 interleaved first=info unit=64K\n\
                task main\n  x=alloc 8K gfp GFP_NOFS | __GFP_NOWARN align 64\n  v1 = alloc 64 reserved\n\
                task irq\n y =alloc 4 # third\n atomic-begin\n atomic-end\n\
                task main\n free x\n is-static y cpu 6 +12\n phys nothing\n\
                fault pages nth=3 times=all\nschedule irq*3 main irq:17*2 kswapd main:1\n";
    let program: Program = text.parse().unwrap();
    assert_eq!(program.boot.first, First::Info);
    insta::assert_snapshot!(program, @"
    boot cpus=0-3,6 groups=2i static=8K reserved=0 dyn=20K atom=2M unit=64K first=info kmem=on pages=4096
    task a
      v0 = alloc 8192 align 64 gfp GFP_NOFS|__GFP_NOWARN
      v1 = alloc 64 align 8 reserved gfp GFP_KERNEL
      free v0
      is-static v2 cpu 6 +12
      phys v3 cpu 0 +0
    task b
      v2 = alloc 4 align 8 gfp GFP_KERNEL
      atomic-begin
      atomic-end
    fault pages nth=3 times=all
    schedule b*3 a b:17*2 kswapd a:1
    ");
}

#[test]
fn calls_have_both_forms_and_no_fuzzer_makes_them() {
    let text = "task a\n  r = call pcpu_charge v0 64 -1 0xffffffffffffffff 4K GFP_KERNEL\n  call f\n  free v0\n";
    let program: Program = text.parse().unwrap();
    let printed = program.to_string();
    assert!(printed.contains("  v1 = call pcpu_charge v0 64 -1 -1 4096 3264\n  call f\n"), "{printed}");
    assert_eq!(printed.parse().as_ref(), Ok(&program));
    let bytes = program.encode();
    assert_eq!(Program::decode_strict(&bytes).as_ref(), Ok(&program));
    // Cut short, it is some other program.
    (0..bytes.len()).for_each(|len| drop(Program::decode(&bytes[..len])));
    let fuzzed = Program::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap();
    assert!(!fuzzed.has_calls() && program.has_calls() && fuzzed.nr_ops() == 1);
    let mut renamed = program.tasks[0][0];
    renamed.visit_vars(&mut |var| var.0 += 7);
    assert!(renamed.to_string().starts_with("v8 = call pcpu_charge v7 64 "), "{renamed}");
    let error = "task a\n call f 1 2 3 4 5 6 7\n".parse::<Program>().unwrap_err().to_string();
    assert!(error.contains("more than 6 arguments"), "{error}");
}
