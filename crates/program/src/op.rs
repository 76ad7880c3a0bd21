// SPDX-License-Identifier: GPL-2.0-only
//! The op alphabet as one table: a row gives an op its variant, documentation, text form, byte form and share of
//! generated programs.
//!
//! A new op is a row here and its meaning in the runner. Give it byte codes that no other op has: the codes of existing
//! ops are part of the byte form, and moving them changes what every stored corpus means.

use super::call::Call;
use super::codes::{Long, Short};
use super::draw::Draw;
use super::error::TextError;
use super::lock::HeldLock;
use super::operand::{
    Align, Cpu, Delta, Dst, Hardness, Invocation, LockName, Mask, MemcgId, Operand, OptionalDst, Reserved, ScopeName,
    Seed, Size, Target, VarRef, VarVisitor,
};
use super::words::Words;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Scope, Var};

/// A row of [`TABLE`]: what is known of an op apart from its operands' types.
#[derive(Clone, Debug)]
pub struct OpInfo {
    pub name: &'static str,
    /// First and last code in the byte form; an op whose last is before its first has a form of its own.
    ///
    /// The encoder writes the first, the decoder accepts all. A wide range makes the op frequent in random bytes, which
    /// is why `alloc` has 20 of the codes and `nr-pages` one.
    pub codes: (u8, u8),
    /// Share of the generator's draws, relative to the sum over the table; 0 for an op that only hand-written programs
    /// have.
    pub weight: u32,
    /// Syntax of each operand, as the documentation shows it; one that ends in `=` stands before the name.
    pub operands: &'static [&'static str],
    /// One sentence for the reference in docs/programs.md.
    pub doc: &'static str,
}

impl OpInfo {
    /// The syntax of the op, such as `x = alloc SIZE [align N] [reserved] [gfp MASK]`.
    pub fn syntax(&self) -> String {
        let (lead, rest): (Vec<&str>, Vec<&str>) =
            self.operands.iter().partition(|o| o.trim_end_matches(']').ends_with('='));
        [lead, vec![self.name], rest].concat().join(" ")
    }
}

macro_rules! ops {
    ($(
        // One row of the table: documentation, variant with its operands as `field: type as kind`, name in text, byte
        // codes and weight. The kind is a type of `operand` that knows all forms of the value.
        $(#[doc = $doc:literal])+
        $variant:ident $({ $($field:ident: $ty:ty as $kind:ident),+ })? = $name:literal, codes $low:literal..=$high:literal,
        weight $weight:literal;
    )+) => {
        /// One step of a task, shrinker or handler.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Op {
            $($(#[doc = $doc])+ $variant $({ $($field: $ty),+ })?,)+
        }

        /// All ops, in the order of [`Op`]'s variants.
        pub const TABLE: &[OpInfo] = &[$(OpInfo {
            name: $name,
            codes: ($low, $high),
            weight: $weight,
            operands: &[$($($kind::SYNTAX),+)?],
            doc: concat!($($doc),+),
        }),+];

        // Rows in the order of the table, as the functions below want them.
        #[allow(clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        enum Row { $($variant),+ }

        // `TABLE` and `ROWS` have the same order, so a row number picks the variant to construct.
        const ROWS: &[Row] = &[$(Row::$variant),+];

        impl Op {
            /// Index of the op in [`TABLE`].
            pub fn row(&self) -> usize {
                match self { $(Op::$variant { .. } => Row::$variant as usize,)+ }
            }

            /// Parses the operands of the op in a row.
            ///
            /// The name of the op has been taken from `words` already.
            pub(super) fn parse(row: usize, words: &mut Words<'_, '_>) -> Result<Op, TextError> {
                Ok(match ROWS[row] { $(Row::$variant => Op::$variant $({ $($field: $kind::parse(words)?),+ })?,)+ })
            }

            /// Appends the op in its canonical text form.
            pub(super) fn print(&self, out: &mut String) {
                match *self { $(Op::$variant $({ $($field),+ })? => {
                    // An operand that leads (`x =`) is printed before the name although it stands among the others in
                    // the table.
                    $($(if $kind::LEADS { $kind::print($field, out); })+)?
                    out.push_str($name);
                    $($(if !$kind::LEADS { $kind::print($field, out); })+)?
                })+ }
            }

            /// Appends the operands in short form; false when a value has none and the op must be written wide.
            ///
            /// After false, `out` holds some of the operands and is of no use.
            pub(super) fn put_short(&self, out: &mut Short) -> bool {
                match *self { $(Op::$variant $({ $($field),+ })? => {
                    // Ops without operands leave the parameter unused.
                    let _ = &out;
                    true $($(&& out.put($kind::SHORT, $kind::short($field)))+)?
                })+ }
            }

            pub(super) fn get_short(row: usize, from: &mut Short) -> Op {
                match ROWS[row] { $(Row::$variant => {
                    let _ = &from;
                    Op::$variant $({ $($field: $kind::from_short(from.get($kind::SHORT))),+ })?
                })+ }
            }

            pub(super) fn put_long(&self, out: &mut Vec<u8>) {
                match *self { $(Op::$variant $({ $($field),+ })? => {
                    let _ = &out;
                    $($(out.extend_from_slice(&$kind::long($field).to_le_bytes()[..$kind::LONG]);)+)?
                })+ }
            }

            /// Reads operands in long form.
            ///
            /// Never fails: bytes that are missing are 0.
            pub(super) fn get_long(row: usize, from: &mut Long<'_>) -> Op {
                match ROWS[row] { $(Row::$variant => {
                    let _ = &from;
                    Op::$variant $({ $($field: $kind::from_long(from.get($kind::LONG))),+ })?
                })+ }
            }

            pub(super) fn draw(row: usize, draw: &mut Draw<'_>) -> Op {
                match ROWS[row] { $(Row::$variant => Op::$variant $({ $($field: $kind::draw(draw)),+ })?,)+ }
            }

            /// Calls `f` with every variable operand; `f` may replace it.
            ///
            /// Renaming and the search for users of a variable need no knowledge of ops this way.
            pub fn visit_vars(&mut self, f: &mut VarVisitor<'_>) {
                match self { $(Op::$variant $({ $($field),+ })? => {
                    let _ = &f;
                    $($($kind::visit_var($field, f);)+)?
                })+ }
            }
        }
    };
}

ops! {
    /// `dst = pcpu_alloc(size, align, reserved, gfp)`; what `dst` held before, if live, stays allocated and is lost.
    Alloc { dst: Var as Dst, size: u32 as Size, align: u32 as Align, reserved: bool as Reserved, gfp: Gfp as Mask }
        = "alloc", codes 0..=19, weight 440;
    /// `free_percpu(var)`; NULL is legal; the variable is NULL afterwards.
    Free { var: Var as VarRef } = "free", codes 20..=33, weight 330;
    /// Enters a gfp scope (at most 8 deep).
    Enter { scope: Scope as ScopeName } = "enter", codes 41..=41, weight 14;
    /// Leaves the innermost gfp scope.
    Leave = "leave", codes 42..=42, weight 16;
    /// `preempt_disable()`: atomic context (nests, at most 8 deep).
    AtomicBegin = "atomic-begin", codes 43..=43, weight 10;
    /// `preempt_enable()`
    AtomicEnd = "atomic-end", codes 44..=44, weight 16;
    /// `local_irq_disable()` (does not nest)
    IrqOff = "irq-off", codes 45..=45, weight 7;
    /// `local_irq_enable()`
    IrqOn = "irq-on", codes 46..=46, weight 12;
    /// Runs the balance work item if it is pending.
    Balance = "balance", codes 34..=36, weight 45;
    /// The task moves to memcg `id`; 0 is none (accounting goes nowhere), at most 3.
    Memcg { id: u8 as MemcgId } = "memcg", codes 47..=47, weight 20;
    /// Writes a pattern made from `seed` to every CPU's copy; the area is then checked at verify, free and the end.
    Write { var: Var as VarRef, seed: u8 as Seed } = "write", codes 37..=38, weight 45;
    /// Checks every CPU's copy against what was written (zero after alloc).
    Verify { var: Var as VarRef } = "verify", codes 39..=40, weight 25;
    /// `__is_kernel_percpu_address(per_cpu_ptr(var, cpu) + delta)`; NULL var asks about the static area.
    IsStatic { var: Var as VarRef, cpu: u8 as Cpu, delta: u16 as Delta } = "is-static", codes 48..=48, weight 8;
    /// `per_cpu_ptr_to_phys(per_cpu_ptr(var, cpu) + delta)`; NULL var asks about the static area.
    Phys { var: Var as VarRef, cpu: u8 as Cpu, delta: u16 as Delta } = "phys", codes 49..=49, weight 8;
    /// `pcpu_nr_pages()`
    NrPages = "nr-pages", codes 50..=50, weight 5;
    /// A fatal signal becomes pending for the task itself, or for the task named: its killable wait ends.
    Signal { task: Option<u8> as Target } = "signal", codes 51..=51, weight 3;
    /// Takes an external lock, waiting for it; `submit` is the shared side of `freeze` and stands for IO in flight.
    Lock { lock: HeldLock as LockName } = "lock", codes 52..=52, weight 14;
    /// Releases an external lock.
    Unlock { lock: HeldLock as LockName } = "unlock", codes 53..=53, weight 18;
    /// The scheduler allocates: `dst = pcpu_alloc(size, 8, false, GFP_NOWAIT)` under its run queue's lock.
    SchedProbe { dst: Var as Dst, size: u32 as Size } = "sched-probe", codes 54..=54, weight 0;
    /// A hard or soft interrupt starts on top of the task; the ops up to `interrupt-end` are its handler's.
    Interrupt { hard: bool as Hardness } = "interrupt", codes 55..=55, weight 5;
    /// The interrupt handler returns.
    InterruptEnd = "interrupt-end", codes 56..=56, weight 9;
    /// Calls a function of the tree; arguments are variables and numbers, also as `4K` or a gfp mask. See [below](#calls).
    Call { dst: Option<Var> as OptionalDst, call: Call as Invocation } = "call", codes 57..=56, weight 0;
}

impl Op {
    /// Makes `draw` take note of this op, which was written.
    ///
    /// Call it for every op in the order of writing; otherwise the variables drawn as live are not the live ones.
    pub(super) fn note(&self, draw: &mut Draw<'_>) {
        match *self {
            Op::Alloc { dst, .. } | Op::SchedProbe { dst, .. } => draw.noted(dst, true),
            Op::Free { var } => draw.noted(var, false),
            _ => {}
        }
    }

    /// The op's row in [`TABLE`].
    pub fn info(&self) -> &'static OpInfo {
        &TABLE[self.row()]
    }
}
