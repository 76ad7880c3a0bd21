// SPDX-License-Identifier: GPL-2.0-only
//! Calls of functions that percuss does not know: new entry points of a patch, by name.
//!
//! An op is small and copied all the time, and a call has a name and a list. So the calls of a process are kept for ever,
//! each once, and an op refers to its own: there are as many as texts name.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use percuss_kernel::Var;

/// Arguments of a call, at most: those that x86-64 passes in registers. No function of percpu has more.
pub const ARGS: usize = 6;

/// Length of a name, at most. The kernel's own limit for symbols, `KSYM_NAME_LEN`, is larger, and no such name is typed.
pub const NAME: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Arg {
    /// What the variable holds: the pointer of an area, or the result of an earlier call.
    Var(Var),
    /// A number as it is; the function takes as many of its bits as it has room for.
    Int(i64),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Parts {
    name: String,
    args: Vec<Arg>,
}

/// A function's name with arguments.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call(&'static Parts);

impl Call {
    /// `args` beyond [`ARGS`] are left out.
    pub fn new(name: &str, args: &[Arg]) -> Call {
        static KNOWN: Mutex<BTreeSet<&'static Parts>> = Mutex::new(BTreeSet::new());
        let parts = Parts { name: name.to_owned(), args: args.iter().copied().take(ARGS).collect() };
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parts) = known.get(&parts) {
            return Call(parts);
        }
        let parts = Box::leak(Box::new(parts));
        known.insert(parts);
        Call(parts)
    }

    pub fn name(self) -> &'static str {
        &self.0.name
    }

    pub fn args(self) -> &'static [Arg] {
        &self.0.args
    }

    /// Calls `f` with every variable among the arguments; `f` may replace it.
    pub(super) fn visit_vars(&mut self, f: &mut dyn FnMut(&mut Var)) {
        let mut args = self.args().to_vec();
        for arg in &mut args {
            if let Arg::Var(var) = arg {
                f(var);
            }
        }
        if args != self.args() {
            *self = Call::new(self.name(), &args);
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        for arg in self.args() {
            match arg {
                Arg::Var(var) => write!(f, " v{}", var.0)?,
                Arg::Int(n) => write!(f, " {n}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({self})")
    }
}

/// Whether a word can be the name of a function in C.
pub(super) fn is_name(word: &str) -> bool {
    let part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    word.len() <= NAME && word.chars().all(part) && word.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_calls_are_one() {
        let call = |n| Call::new("f", &[Arg::Int(n), Arg::Var(Var(3))]);
        assert_eq!(call(1), call(1));
        assert!(std::ptr::eq(call(1).0, call(1).0));
        assert_ne!(call(1), call(2));
        let mut renamed = call(1);
        renamed.visit_vars(&mut |var| var.0 += 1);
        assert_eq!((renamed.to_string(), call(1).to_string()), ("f 1 v4".to_owned(), "f 1 v3".to_owned()));
        assert!(is_name("_f1") && !is_name("1f") && !is_name("a-b") && !is_name(""));
    }
}
