// SPDX-License-Identifier: GPL-2.0-only
//! Calls in the byte form: wide records of a kind of their own, which random bytes hardly ever are.
//!
//! ```text
//! WIDE WIDE c a l l  assigns variable name:1 arguments:1  name  (0 variable | 1 number:8)*
//! ```

use super::super::Op;
use super::super::call::{ARGS, Arg, Call, NAME, is_name};
use percuss_kernel::Var;

/// What a record begins with after its codes. Four bytes that no fuzzer guesses, and that a person sees in a dump.
const MARK: &[u8] = b"call";

/// Appends a record without its codes.
pub(super) fn put(dst: Option<Var>, call: Call, out: &mut Vec<u8>) {
    out.extend(MARK);
    out.extend([u8::from(dst.is_some()), dst.map_or(0, |var| var.0)]);
    out.extend([call.name().len() as u8, call.args().len() as u8]);
    out.extend(call.name().as_bytes());
    for arg in call.args() {
        match arg {
            Arg::Var(var) => out.extend([0, var.0]),
            Arg::Int(n) => {
                out.push(1);
                out.extend(n.to_le_bytes());
            }
        }
    }
}

/// The op of a record, by the bytes after its two codes, and how many of them it takes; None for bytes that are no call.
pub(super) fn get(bytes: &[u8]) -> Option<(Op, usize)> {
    let rest = bytes.strip_prefix(MARK)?;
    let (&[assigns, var, len, count], rest) = rest.split_first_chunk()?;
    let (name, mut rest) = rest.split_at_checked(usize::from(len))?;
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME && is_name(name))?;
    let mut args = Vec::new();
    for _ in 0..usize::from(count).min(ARGS) {
        let (&tag, after) = rest.split_first()?;
        let (arg, after) = if tag == 0 {
            let (&var, after) = after.split_first()?;
            (Arg::Var(Var(var)), after)
        } else {
            let (n, after) = after.split_first_chunk()?;
            (Arg::Int(i64::from_le_bytes(*n)), after)
        };
        args.push(arg);
        rest = after;
    }
    let dst = (assigns != 0).then_some(Var(var));
    Some((Op::Call { dst, call: Call::new(name, &args) }, bytes.len() - rest.len()))
}
