// SPDX-License-Identifier: GPL-2.0-only
//! Which files a process may use: Landlock, which needs no privilege.
//!
//! Each call restricts further: a process that restricts itself twice may do only what both allow. Files that are open
//! stay usable, which is how a worker keeps its pipes.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// The newest rules that are used; older kernels know fewer, and enforce those.
const RULES: ABI = ABI::V6;

/// Where compilers, linkers and what they load are, on Debian, Fedora, NixOS and Guix. What does not exist is skipped.
const SYSTEM: [&str; 14] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/dev/urandom",
];

/// A compiler reads the system's files and those of its workshop, and writes to the workshop's scratch directory. Home
/// directories are not among them.
pub(super) fn compiler(shop: &super::Workshop, program: &Path) -> Result<(), String> {
    // A compiler that a user installed brings headers and libraries beside its bin/; links lead to where it really is.
    // Were one of them the root directory, everything would be readable.
    let beside = |path: &Path| path.parent().and_then(Path::parent).map(Path::to_owned);
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let own = [beside(program), beside(&real)].into_iter().flatten().filter(|dir| dir.components().count() > 1);
    let system = SYSTEM.iter().map(PathBuf::from).chain(own);
    restrict(&system.chain(shop.read.iter().cloned()).collect::<Vec<_>>(), &shop.write)
}

/// A worker reads and writes where its image is.
pub(super) fn worker(dir: &Path) -> Result<(), String> {
    restrict(&[], &[dir.to_owned()])
}

pub(super) fn none() -> Result<(), String> {
    restrict(&[], &[])
}

fn restrict(read: &[PathBuf], write: &[PathBuf]) -> Result<(), String> {
    let status = rules(read, write).map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) => Ok(()),
        (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            // What older kernels lack is about devices, truncation and signals; opening files is restricted by all.
            if effective_abi >= ABI::V3 {
                Ok(())
            } else {
                Err("this kernel's Landlock is old: partly in force".to_owned())
            }
        }
        (_, LandlockStatus::NotEnabled) => Err("Landlock is not enabled in this kernel".to_owned()),
        _ => Err("this kernel has no Landlock (Linux 5.13 has)".to_owned()),
    }
}

fn rules(read: &[PathBuf], write: &[PathBuf]) -> Result<landlock::RestrictionStatus, RulesetError> {
    let everything = AccessFs::from_all(RULES);
    // A compiler may be run with its output to /dev/null. A worker has no such rule.
    let device: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::WriteFile;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        .handle_access(AccessNet::from_all(RULES))?
        // Abstract sockets and signals to processes outside.
        .scope(Scope::from_all(RULES))?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(RULES)))?
        .add_rules(path_beneath_rules(write, everything))?
        .add_rules(path_beneath_rules((!read.is_empty()).then_some("/dev/null"), device))?
        .restrict_self()
}
