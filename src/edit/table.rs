// SPDX-License-Identifier: GPL-2.0-only
//! The files of `bugs/`, compiled in; a test compares the list with the directory.

macro_rules! table {
    ($($name:literal)*) => {
        const TABLE: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../bugs/", $name, ".toml"))),)*];
    };
}

table! {
    "B01" "B02" "B03a" "B03b" "B04" "B05" "B06" "B07a" "B07b" "B09" "B09b" "B11" "B11b" "B13" "B15" "B17" "B18" "B21" "B23" "B28" "B28b"
    "B30" "B30b" "B30c" "B32" "B32b" "B33a" "B33b" "B33d" "B33e" "B33f" "B34" "B35" "B36" "B38" "B40" "B40b" "B41" "B43"
    "B46" "B70" "B71"
    "chunk-reclaims" "depopulate-allocates" "held-lock-freed" "irq-unsafe-lock" "locks-cross" "lost-wakeup"
    "zero-cpu-short" "zero-unit-short" "zero-unit-long" "stray-edge" "stray-inside"
    "fix-B14" "fix-B15" "fix-B24" "fix-B25" "fix-B26" "fix-B36" "fix-B50" "fix-B51"
    "crash-null" "crash-bug" "crash-recursion" "crash-loop" "crash-resched"
    "pre-9a5b183" "scopes" "noio-mask" "noio-mask-nofail" "v4" "v4-nofail" "v4-scope"
}

/// The names of all edits.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

pub(super) fn find(name: &str) -> Option<(&'static str, &'static str)> {
    TABLE.iter().copied().find(|(known, _)| known.eq_ignore_ascii_case(name))
}
