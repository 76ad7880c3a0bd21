// SPDX-License-Identifier: GPL-2.0-only
//! Kinds of operands: how a value looks in text and in bytes, and where the generator gets one.
//!
//! The table in [`op`](super::op) names a kind for each field of an op. Everything that depends on the kind stands here
//! once, so a new op needs no parser, printer or encoder of its own.

use super::call::Call;
use super::codes::{ALIGNS, GFPS, SIZES};
use super::draw::Draw;
use super::error::TextError;
use super::lock::{HeldLock, LOCKS};
use super::words::{Words, task_name};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Scope, Var};

/// A visitor of the variables of an op; it may replace them.
pub type VarVisitor<'a> = dyn FnMut(&mut Var) + 'a;

/// Alignment in bytes of an `alloc` that names none: `__alignof__(unsigned long)`, what `alloc_percpu(long)` asks for.
pub const DEFAULT_ALIGN: u32 = 8;

pub const SCOPES: [(Scope, &str); 3] = [(Scope::Noio, "noio"), (Scope::Nofs, "nofs"), (Scope::Memalloc, "memalloc")];

/// A kind of operand.
///
/// A *short* form may exist for common values only and takes 1 or 2 bytes; the *long* form exists for all values. The
/// two `from` functions accept every code, because the decoder has to make a program of any bytes; they give back what
/// [`Operand::short`] and [`Operand::long`] wrote.
pub(super) trait Operand {
    /// Type of the op's field.
    type Value: Copy;
    /// How the reference in docs/programs.md shows the operand.
    const SYNTAX: &'static str;
    /// True if the operand stands before the op's name, as the `x =` of an allocation does.
    const LEADS: bool = false;
    /// Bytes of the short form, 1 or 2.
    ///
    /// Those of all operands of an op must fit a record.
    const SHORT: usize;
    /// Bytes of the long form, 1 to 4.
    const LONG: usize;
    /// Takes the operand from the words of a line.
    ///
    /// Kinds with a default succeed when it is absent.
    fn parse(words: &mut Words<'_, '_>) -> Result<Self::Value, TextError>;
    /// Appends the operand to a line, after the op's name with a blank first, or before the name if it leads.
    fn print(value: Self::Value, out: &mut String);
    /// The short form; None if the value must be written in long form.
    fn short(value: Self::Value) -> Option<u16>;
    fn from_short(code: u16) -> Self::Value;
    fn long(value: Self::Value) -> u32;
    fn from_long(code: u32) -> Self::Value;
    fn draw(draw: &mut Draw<'_>) -> Self::Value;
    /// Calls the visitor if the operand is a variable.
    fn visit_var(_value: &mut Self::Value, _f: &mut VarVisitor<'_>) {}
}

/// Operands that are small numbers: both byte forms are the number itself.
// The two closures differ between kinds; the rest is the same for all numbers that are their own code.
macro_rules! number {
    ($(#[$doc:meta])* $kind:ident: $ty:ty, $bytes:literal, $syntax:literal, parse $parse:expr, print $print:expr, draw $draw:expr) => {
        $(#[$doc])*
        pub(super) struct $kind;
        impl Operand for $kind {
            type Value = $ty;
            const SYNTAX: &'static str = $syntax;
            const SHORT: usize = $bytes;
            const LONG: usize = $bytes;
            fn parse(words: &mut Words<'_, '_>) -> Result<$ty, TextError> {
                let parse: fn(&mut Words<'_, '_>) -> Result<u32, TextError> = $parse;
                parse(words).map(|n| n as $ty) // the parser checked the range
            }
            fn print(value: $ty, out: &mut String) {
                let print: fn($ty) -> String = $print;
                out.push_str(&print(value));
            }
            fn short(value: $ty) -> Option<u16> {
                Some(u16::from(value))
            }
            // A code may be larger than the kind allows. Repair brings it into range, since only it knows the program.
            fn from_short(code: u16) -> $ty {
                code as $ty
            }
            fn long(value: $ty) -> u32 {
                u32::from(value)
            }
            fn from_long(code: u32) -> $ty {
                code as $ty
            }
            fn draw(draw: &mut Draw<'_>) -> $ty {
                let value: fn(&mut Draw<'_>) -> u32 = $draw;
                value(draw) as $ty
            }
        }
    };
}

number! {
    MemcgId: u8, 1, "ID", parse |w| w.number("a memcg, 0 to 3", 0..=3), print |n| format!(" {n}"), draw |d| d.rng.below(4)
}
number! {
    /// Seed of the pattern that `write` fills an area with; two seeds differ in every word of it.
    Seed: u8, 1, "SEED", parse |w| w.number("a seed, 0 to 255", 0..=255), print |n| format!(" {n}"),
    draw |d| d.rng.below(256)
}
number! {
    /// The CPU whose copy of an area is meant; the first possible CPU if the line names none.
    Cpu: u8, 1, "[cpu N]",
    parse |w| if w.keyword("cpu") { w.number("a CPU, 0 to 63", 0..=63) } else { Ok(w.first_cpu()) },
    print |n| format!(" cpu {n}"), draw |d| d.cpu()
}
number! {
    /// Offset in bytes from the start of a CPU's copy.
    ///
    /// It may lie outside the area: the address queries accept any address.
    Delta: u16, 2, "[+N]", parse |w| w.delta(), print |n| format!(" +{n}"), draw |d| d.delta()
}

macro_rules! variable {
    ($(#[$doc:meta])* $kind:ident, leads $leads:literal, $syntax:literal, parse $parse:expr, print $form:literal, draw $draw:expr) => {
        $(#[$doc])*
        pub(super) struct $kind;
        impl Operand for $kind {
            type Value = Var;
            const SYNTAX: &'static str = $syntax;
            const LEADS: bool = $leads;
            const SHORT: usize = 1;
            const LONG: usize = 1;
            fn parse(words: &mut Words<'_, '_>) -> Result<Var, TextError> {
                let parse: fn(&mut Words<'_, '_>) -> Result<Var, TextError> = $parse;
                parse(words)
            }
            fn print(value: Var, out: &mut String) {
                out.push_str(&format!($form, value.0));
            }
            fn short(value: Var) -> Option<u16> {
                Some(u16::from(value.0))
            }
            fn from_short(code: u16) -> Var {
                Var(code as u8)
            }
            fn long(value: Var) -> u32 {
                u32::from(value.0)
            }
            fn from_long(code: u32) -> Var {
                Var(code as u8)
            }
            fn draw(draw: &mut Draw<'_>) -> Var {
                let value: fn(&mut Draw<'_>) -> Var = $draw;
                value(draw)
            }
            fn visit_var(value: &mut Var, f: &mut VarVisitor<'_>) {
                f(value);
            }
        }
    };
}

variable! {
    /// The variable an op assigns.
    Dst, leads true, "x =", parse |w| w.assigned(), print "v{} = ", draw |d| d.fresh_var()
}
variable! {
    /// A variable an op uses.
    VarRef, leads false, "x", parse |w| w.variable(), print " v{}", draw |d| d.used_var()
}

/// The variable that a call assigns, if it assigns one.
pub(super) struct OptionalDst;

impl Operand for OptionalDst {
    type Value = Option<Var>;
    const SYNTAX: &'static str = "[x =]";
    const LEADS: bool = true;
    const SHORT: usize = 1;
    const LONG: usize = 1;
    fn parse(words: &mut Words<'_, '_>) -> Result<Option<Var>, TextError> {
        words.assigned_if_any()
    }
    fn print(value: Option<Var>, out: &mut String) {
        if let Some(var) = value {
            out.push_str(&format!("v{} = ", var.0));
        }
    }
    fn short(_: Option<Var>) -> Option<u16> {
        None
    }
    fn from_short(_: u16) -> Option<Var> {
        None
    }
    fn long(value: Option<Var>) -> u32 {
        value.map_or(0, |var| u32::from(var.0))
    }
    fn from_long(code: u32) -> Option<Var> {
        Some(Var(code as u8))
    }
    fn draw(_: &mut Draw<'_>) -> Option<Var> {
        None
    }
    fn visit_var(value: &mut Option<Var>, f: &mut VarVisitor<'_>) {
        value.iter_mut().for_each(f);
    }
}

/// A function and its arguments. The byte form has records of their own for it, as names have no fixed length, and the
/// generator knows no names.
pub(super) struct Invocation;

impl Operand for Invocation {
    type Value = Call;
    const SYNTAX: &'static str = "NAME ARG…";
    const SHORT: usize = 1;
    const LONG: usize = 1;
    fn parse(words: &mut Words<'_, '_>) -> Result<Call, TextError> {
        words.call()
    }
    fn print(value: Call, out: &mut String) {
        out.push_str(&format!(" {value}"));
    }
    fn short(_: Call) -> Option<u16> {
        None
    }
    fn from_short(_: u16) -> Call {
        Call::new("none", &[])
    }
    fn long(_: Call) -> u32 {
        0
    }
    fn from_long(_: u32) -> Call {
        Call::new("none", &[])
    }
    fn draw(_: &mut Draw<'_>) -> Call {
        Call::new("none", &[])
    }
    fn visit_var(value: &mut Call, f: &mut VarVisitor<'_>) {
        value.visit_vars(f);
    }
}

/// Bytes to allocate.
pub(super) struct Size;

impl Operand for Size {
    type Value = u32;
    const SYNTAX: &'static str = "SIZE";
    const SHORT: usize = 2;
    const LONG: usize = 4;
    fn parse(words: &mut Words<'_, '_>) -> Result<u32, TextError> {
        words.size("a size in bytes, such as 512 or 8K")
    }
    fn print(value: u32, out: &mut String) {
        out.push_str(&format!(" {value}"));
    }
    fn short(value: u32) -> Option<u16> {
        SIZES.code(value)
    }
    fn from_short(code: u16) -> u32 {
        SIZES.value(code)
    }
    fn long(value: u32) -> u32 {
        value
    }
    fn from_long(code: u32) -> u32 {
        code
    }
    fn draw(draw: &mut Draw<'_>) -> u32 {
        draw.size()
    }
}

/// Alignment.
pub(super) struct Align;

impl Operand for Align {
    type Value = u32;
    const SYNTAX: &'static str = "[align N]";
    const SHORT: usize = 1;
    const LONG: usize = 4;
    fn parse(words: &mut Words<'_, '_>) -> Result<u32, TextError> {
        if words.keyword("align") { words.size("an alignment in bytes") } else { Ok(DEFAULT_ALIGN) }
    }
    fn print(value: u32, out: &mut String) {
        out.push_str(&format!(" align {value}"));
    }
    fn short(value: u32) -> Option<u16> {
        // An alignment that is not in the table needs the long form.
        ALIGNS.iter().position(|&a| a == value).map(|i| i as u16)
    }
    fn from_short(code: u16) -> u32 {
        // Any byte is an alignment, so that a mutation of it is another program and no error.
        ALIGNS[usize::from(code) % ALIGNS.len()]
    }
    fn long(value: u32) -> u32 {
        value
    }
    fn from_long(code: u32) -> u32 {
        code
    }
    fn draw(draw: &mut Draw<'_>) -> u32 {
        draw.align()
    }
}

/// Whether the area comes from the reserved chunk.
pub(super) struct Reserved;

impl Operand for Reserved {
    type Value = bool;
    const SYNTAX: &'static str = "[reserved]";
    const SHORT: usize = 1;
    const LONG: usize = 1;
    fn parse(words: &mut Words<'_, '_>) -> Result<bool, TextError> {
        Ok(words.keyword("reserved"))
    }
    fn print(value: bool, out: &mut String) {
        if value {
            out.push_str(" reserved");
        }
    }
    fn short(value: bool) -> Option<u16> {
        Some(u16::from(value))
    }
    fn from_short(code: u16) -> bool {
        // One in sixteen of random bytes; modules are few.
        code & 0xf == 1
    }
    fn long(value: bool) -> u32 {
        u32::from(value)
    }
    fn from_long(code: u32) -> bool {
        Reserved::from_short(code as u16)
    }
    fn draw(draw: &mut Draw<'_>) -> bool {
        draw.reserved()
    }
}

/// A gfp mask.
pub(super) struct Mask;

impl Operand for Mask {
    type Value = Gfp;
    const SYNTAX: &'static str = "[gfp MASK]";
    const SHORT: usize = 1;
    const LONG: usize = 4;
    fn parse(words: &mut Words<'_, '_>) -> Result<Gfp, TextError> {
        // Most callers in the kernel pass GFP_KERNEL, so a line without a mask means that.
        if words.keyword("gfp") { words.gfp() } else { Ok(Gfp::KERNEL) }
    }
    fn print(value: Gfp, out: &mut String) {
        out.push_str(&format!(" gfp {value}"));
    }
    fn short(value: Gfp) -> Option<u16> {
        GFPS.iter().position(|&g| g == value).map(|i| i as u16)
    }
    fn from_short(code: u16) -> Gfp {
        GFPS[usize::from(code) % GFPS.len()]
    }
    fn long(value: Gfp) -> u32 {
        value.0
    }
    fn from_long(code: u32) -> Gfp {
        Gfp(code)
    }
    fn draw(draw: &mut Draw<'_>) -> Gfp {
        draw.gfp()
    }
}

/// Operands that are one of a table of names.
macro_rules! choice {
    ($(#[$doc:meta])* $kind:ident: $ty:ty, $syntax:literal, $what:literal, $table:expr, draw $draw:expr) => {
        $(#[$doc])*
        pub(super) struct $kind;
        impl Operand for $kind {
            type Value = $ty;
            const SYNTAX: &'static str = $syntax;
            const SHORT: usize = 1;
            const LONG: usize = 1;
            fn parse(words: &mut Words<'_, '_>) -> Result<$ty, TextError> {
                words.one_of($what, &$table)
            }
            fn print(value: $ty, out: &mut String) {
                out.push(' ');
                out.push_str($table[usize::from($kind::index(value))].1);
            }
            fn short(value: $ty) -> Option<u16> {
                Some($kind::index(value))
            }
            fn from_short(code: u16) -> $ty {
                // Any code names one of the table, as a decoder has no errors.
                $table[usize::from(code) % $table.len()].0
            }
            fn long(value: $ty) -> u32 {
                u32::from($kind::index(value))
            }
            fn from_long(code: u32) -> $ty {
                $kind::from_short((code & 0xff) as u16)
            }
            fn draw(draw: &mut Draw<'_>) -> $ty {
                let value: fn(&mut Draw<'_>) -> $ty = $draw;
                value(draw)
            }
        }
        impl $kind {
            // Every value is in the table, so the default is never taken.
            fn index(value: $ty) -> u16 {
                $table.iter().position(|(v, _)| *v == value).unwrap_or(0) as u16
            }
        }
    };
}

/// Names of the two kinds of interrupts in text programs.
pub(super) const HARDNESS: [(bool, &str); 2] = [(true, "hard"), (false, "soft")];

choice! {
    /// An external lock.
    LockName: HeldLock, "freeze|submit|blkcg|shrinker|fs|io|spin|irq-spin", "a lock", LOCKS, draw |d| d.lock()
}
choice! {
    /// Whether an interrupt is a hard one.
    Hardness: bool, "hard|soft", "a kind of interrupt", HARDNESS, draw |d| d.rng.chance(1, 2)
}

/// A task that an op is done to; the running one when none is named.
pub(super) struct Target;

impl Operand for Target {
    type Value = Option<u8>;
    const SYNTAX: &'static str = "[TASK]";
    const SHORT: usize = 1;
    const LONG: usize = 1;
    fn parse(words: &mut Words<'_, '_>) -> Result<Option<u8>, TextError> {
        words.task()
    }
    fn print(value: Option<u8>, out: &mut String) {
        if let Some(task) = value {
            out.extend([' ', task_name(task)]);
        }
    }
    fn short(value: Option<u8>) -> Option<u16> {
        Some(value.map_or(0, |task| u16::from(task) + 1))
    }
    fn from_short(code: u16) -> Option<u8> {
        (code as u8).checked_sub(1)
    }
    fn long(value: Option<u8>) -> u32 {
        value.map_or(0, |task| u32::from(task) + 1)
    }
    fn from_long(code: u32) -> Option<u8> {
        Target::from_short(code as u16)
    }
    fn draw(draw: &mut Draw<'_>) -> Option<u8> {
        draw.target()
    }
}

/// A gfp scope.
pub(super) struct ScopeName;

impl Operand for ScopeName {
    type Value = Scope;
    const SYNTAX: &'static str = "noio|nofs|memalloc";
    const SHORT: usize = 1;
    const LONG: usize = 1;
    fn parse(words: &mut Words<'_, '_>) -> Result<Scope, TextError> {
        words.one_of("a scope", &SCOPES)
    }
    fn print(value: Scope, out: &mut String) {
        out.push(' ');
        out.push_str(SCOPES[value as usize].1);
    }
    fn short(value: Scope) -> Option<u16> {
        Some(value as u16)
    }
    fn from_short(code: u16) -> Scope {
        SCOPES[usize::from(code) % SCOPES.len()].0
    }
    fn long(value: Scope) -> u32 {
        value as u32
    }
    fn from_long(code: u32) -> Scope {
        ScopeName::from_short((code & 0xff) as u16)
    }
    fn draw(draw: &mut Draw<'_>) -> Scope {
        draw.scope()
    }
}
