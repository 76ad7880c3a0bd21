// SPDX-License-Identifier: GPL-2.0-only
//! Away from the network: an empty network namespace, and one for System V IPC, so that nothing of the machine answers.

use nix::sched::{CloneFlags, unshare};

/// Leaves for namespaces of the process's own, without interfaces.
///
/// # Errors
/// The system refuses: some distributions and most containers forbid user namespaces.
pub(super) fn leave() -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    // Other users than root need a user namespace, which gives them the right to make the others. Root would lose the
    // right to read files of other users there.
    if !nix::unistd::geteuid().is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(|error| format!("the system refuses namespaces to this user ({error})"))
}
