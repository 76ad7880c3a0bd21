// SPDX-License-Identifier: GPL-2.0-only
//! From files to patches.
//!
//! The user saves what a web archive or a mail program offers and gives it to percuss: a diff, one message, or an mbox
//! of a whole thread with answers and older versions. What is chosen from it, and what is missing, is noted for the
//! report.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use percuss_shim::compile::COMPILED;

use super::mbox::{is_mail, messages};
use super::series::{Member, choose};
use super::{Patch, PatchError, lenient};

/// Largest file that is read, in bytes. A thread has some hundred kilobytes; a file beyond this is an archive of a
/// whole list or a device that never ends.
const FILE_MAX: u64 = 64 << 20;

/// Patches in the order in which they are applied.
#[derive(Debug, Clone, Default)]
pub struct Series {
    pub patches: Vec<Patch>,
    /// What a person should know, in whole sentences: versions that are left out, numbers that are missing.
    pub notes: Vec<String>,
}

/// Reads patch files: each a diff, a message, or an mbox; `lenient` takes damaged ones.
///
/// # Errors
/// A file cannot be read or is no patch of anything that percuss compiles.
pub fn load(paths: &[PathBuf], lenient: bool) -> Result<Series, PatchError> {
    let mut series = Series::default();
    for path in paths {
        let name = path.display().to_string();
        // Each file is chosen from by itself: two files may both hold a patch 1/2.
        let one = parse(&name, &read(path, &name)?, lenient)?;
        series.patches.extend(one.patches);
        series.notes.extend(one.notes);
    }
    Ok(series)
}

/// The patches of a file called `name` that has been read. Patches that come from elsewhere than a file, as in tests
/// and fuzzing, use this.
///
/// # Errors
/// It is no patch of anything that percuss compiles.
pub fn parse(name: &str, bytes: &[u8], lenient: bool) -> Result<Series, PatchError> {
    let wrong = |detail: &str| PatchError::Format { patch: name.to_owned(), detail: detail.to_owned() };
    if bytes.trim_ascii().is_empty() {
        return Err(wrong("it is empty"));
    }
    // Text has no NUL: this is an object file or a compressed one.
    if bytes.contains(&0) {
        return Err(wrong("it is binary"));
    }
    let (patches, notes) = file(name, bytes, lenient)?;
    something_compiled(name, &patches)?;
    Ok(Series { patches, notes })
}

fn read(path: &Path, name: &str) -> Result<Vec<u8>, PatchError> {
    let fail = |source| PatchError::Read { patch: name.to_owned(), source };
    let wrong = |detail: &str| PatchError::Format { patch: name.to_owned(), detail: detail.to_owned() };
    let mut bytes = Vec::new();
    // Files may grow, and devices have no size: what is read is what counts, and one byte more shows that there is
    // more.
    File::open(path).map_err(fail)?.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(wrong("it is larger than 64 MiB"));
    }
    Ok(bytes)
}

fn file(name: &str, bytes: &[u8], lenient: bool) -> Result<(Vec<Patch>, Vec<String>), PatchError> {
    let cleaned;
    let mut bytes = bytes;
    if lenient && !is_mail(bytes) {
        // A whole message may have been quoted, with its headers: it is mail only once the quoting is gone.
        cleaned = lenient::clean(&String::from_utf8_lossy(bytes)).into_bytes();
        bytes = &cleaned;
    }
    if !is_mail(bytes) {
        return Ok((vec![Patch::new(name, &String::from_utf8_lossy(bytes), lenient)], Vec::new()));
    }
    let mut messages = messages(bytes);
    if lenient {
        // Each body by itself: messages of a thread are quoted to different depths.
        messages.iter_mut().for_each(|message| message.body = lenient::clean(&message.body));
    }
    let (members, notes) = choose(name, messages, lenient)?;
    let only = members.len() == 1;
    let patch = |member: Member| {
        let name = match member.number {
            // A single patch is called as its file; in a series each needs its number.
            _ if only => name.to_owned(),
            Some((number, of)) => format!("{name} {number}/{of}: {}", member.title),
            None => format!("{name}: {}", member.title),
        };
        let title = if member.title.is_empty() { name.clone() } else { member.title };
        Patch { name, title, text: member.text, lenient }
    };
    Ok((members.into_iter().map(patch).collect(), notes))
}

/// Checks that at least one of a file's patches changes what an image may be made of. Otherwise the wrong file was
/// given, and a run would check the unpatched tree and find nothing.
fn something_compiled(name: &str, patches: &[Patch]) -> Result<(), PatchError> {
    let mut others: Vec<String> = Vec::new();
    for patch in patches {
        // An error of the patch itself is reported when it is applied, with the file and the hunk.
        let Ok((compiled, other)) = patch.compiled() else { return Ok(()) };
        // A path that leaves the tree is an error of its own, which must not hide after this one.
        if !compiled.is_empty() || other.iter().any(|path| path.starts_with('/') || path.contains("..")) {
            return Ok(());
        }
        others.extend(other.into_iter().filter(|file| !others.contains(file)).collect::<Vec<_>>());
    }
    // A list of files by name is easier to compare with the patch.
    others.sort();
    others.dedup();
    let (patch, files) = (name.to_owned(), others.join(", "));
    Err(PatchError::NotCompiled { patch, files, compiled: COMPILED.to_owned() })
}
