// SPDX-License-Identifier: GPL-2.0-only
//! Away from the network: an empty network namespace.

use nix::sched::{CloneFlags, unshare};

/// Leaves for a namespace without interfaces.
pub(super) fn leave() -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    // Whoever is not root needs a namespace in which to be it. Root would lose the right to read others' files there.
    if !nix::unistd::geteuid().is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(|error| format!("the system refuses namespaces to this user ({error})"))
}
