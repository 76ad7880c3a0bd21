// SPDX-License-Identifier: GPL-2.0-only
//! Which system calls a process may not make: seccomp, which holds where Landlock and namespaces are not available.
//!
//! The lists name what is forbidden. A list of what is allowed would be stricter, but compilers and C libraries change
//! their calls with every version, and an image that does not build on a new distribution helps no user.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// Calls that neither a compiler nor a worker makes: they reach the network, other processes or the system. `unshare`
/// is among them, so the namespaces are left before.
const FOREIGN: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
];

/// Calls that start or end processes, which a worker does not. A compiler driver starts the compiler proper, the
/// assembler and the linker, so it may.
const PROCESSES: &[i64] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_clone3, libc::SYS_clone, libc::SYS_kill];

/// Calls that change files and directories, other than by opening them. Landlock forbids the same where there is one.
const CHANGES: &[i64] = &[
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_fchmodat,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
];

/// The calls of [`PROCESSES`] and of [`CHANGES`] that only x86-64 has: newer architectures left out those that a call
/// with more arguments replaces.
#[cfg(target_arch = "x86_64")]
const OLD: [&[i64]; 2] = [
    &[libc::SYS_fork, libc::SYS_vfork],
    &[
        libc::SYS_creat,
        libc::SYS_unlink,
        libc::SYS_rename,
        libc::SYS_renameat,
        libc::SYS_mkdir,
        libc::SYS_rmdir,
        libc::SYS_symlink,
        libc::SYS_link,
        libc::SYS_chmod,
    ],
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [&[i64]; 2] = [&[], &[]];

/// Calls that open a file, with the index of the argument that has the flags.
#[cfg(target_arch = "x86_64")]
const OPEN: &[(i64, u8)] = &[(libc::SYS_open, 1), (libc::SYS_openat, 2)];
#[cfg(not(target_arch = "x86_64"))]
const OPEN: &[(i64, u8)] = &[(libc::SYS_openat, 2)];

/// A compiler's forbidden calls fail with EACCES, and it goes on: a wrapper around it may try a
/// socket first, and a build must not fail for that.
pub(super) fn compiler() -> Result<(), String> {
    filter(plain(&[FOREIGN]), SeccompAction::Errno(libc::EACCES as u32))
}

/// A worker's forbidden calls end it, which is a finding: an allocator has no reason to make them.
pub(super) fn worker() -> Result<(), String> {
    filter(plain(&[FOREIGN, PROCESSES, OLD[0]]), SeccompAction::KillProcess)
}

/// From here on, those that change files or open one for writing end the worker as well.
pub(super) fn no_writes() -> Result<(), String> {
    let mut rules = plain(&[CHANGES, OLD[1]]);
    for (call, flags) in OPEN {
        let write = |mode: i32| {
            // The access mode is a number in two bits and not a flag for each, so both writing modes are compared.
            let masked = SeccompCmpOp::MaskedEq(libc::O_ACCMODE as u64);
            // Flags are an `int`: the upper half of the register is not looked at by the kernel either.
            let condition = SeccompCondition::new(*flags, SeccompCmpArgLen::Dword, masked, mode as u64);
            condition.and_then(|condition| SeccompRule::new(vec![condition]))
        };
        let modes: Result<Vec<SeccompRule>, _> = [libc::O_WRONLY, libc::O_RDWR].into_iter().map(write).collect();
        rules.insert(*call, modes.map_err(|error| error.to_string())?);
    }
    // The flags of openat2 are in memory, where a filter cannot look, so it is forbidden as a whole; nothing here uses
    // it.
    rules.insert(libc::SYS_openat2, Vec::new());
    filter(rules, SeccompAction::KillProcess)
}

/// All of these calls, whatever their arguments.
fn plain(calls: &[&[i64]]) -> BTreeMap<i64, Vec<SeccompRule>> {
    calls.iter().copied().flatten().map(|call| (*call, Vec::new())).collect()
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, forbidden: SeccompAction) -> Result<(), String> {
    // Numbers of calls differ between architectures; a call by another one's table ends the process.
    let arch = std::env::consts::ARCH.try_into().map_err(|error| format!("{error}"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, forbidden, arch).map_err(|error| error.to_string())?;
    let program: BpfProgram = filter.try_into().map_err(|error| format!("{error}"))?;
    apply_filter(&program).map_err(|error| error.to_string())
}
