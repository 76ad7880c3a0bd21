// SPDX-License-Identifier: GPL-2.0-only
//! Files that are whole or not there: written beside their place, then renamed; and what they are called.
//!
//! Campaigns, corpora and reports write with this, so a process that is killed leaves no half a file, and two processes
//! that write to the same directory at once do not see each other's unfinished work.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Hexadecimal digits of a name made from content: 160 bits, as in git's names. A collision is out of the question, and
/// the name is shorter than the whole SHA-256.
const DIGITS: usize = 40;

/// A name that says what is in a file: the first 40 hexadecimal digits of the content's SHA-256.
///
/// Files named so can be merged from several directories: equal names are equal files.
pub fn name_of(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(2 * DIGITS);
    for byte in Sha256::digest(bytes) {
        name += &format!("{byte:02x}");
    }
    name.truncate(DIGITS);
    name
}

/// Characters of a name made from a title. File systems take 255 bytes; suffixes and temporary names need some of them.
const NAME: usize = 80;

/// Writes a file by way of a temporary one in `beside`, a directory of the same file system, which is then renamed.
/// A reader sees the whole new file or the old one at any moment.
///
/// # Errors
/// The file cannot be written: the old one, if any, is as it was.
pub fn write_whole(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Temporary files are for their owner alone by default; the umask narrows this as for any other file.
    let permissions = PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(beside)?;
    file.write_all(bytes)?;
    // A rename within one file system is atomic.
    file.persist(path)?;
    Ok(())
}

/// Copies what is in a directory, and below it, into another, which is created if need be. Symbolic links are followed.
///
/// # Errors
/// A file cannot be read or written; what was copied before stays.
pub fn copy_below(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy_below(&from, &to)? } else { fs::copy(from, to).map(drop)? }
    }
    Ok(())
}

/// A file or directory name made from a title: lower case, at most 80 characters, and never empty.
///
/// Runs of other characters become one dash, so that the name needs no quoting in a shell.
pub fn slug(title: &str) -> String {
    let mut out = String::new();
    // Our own reports all begin with this; it would make every name begin alike.
    for c in title.trim_start_matches("percuss: ").chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    // Only ASCII is in it, so it may be cut anywhere.
    out.truncate(NAME);
    match out.trim_matches('-') {
        "" => "finding".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_slugs() {
        assert_eq!(name_of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a3");
        assert_eq!(slug("percuss: area granted twice"), "area-granted-twice");
        assert_eq!(slug("BUG: x in y+0x1/2"), "bug-x-in-y-0x1-2");
        assert_eq!(slug(&"ä/".repeat(300)), "finding");
        assert!(slug(&"ab ".repeat(300)).len() <= NAME);
    }

    #[test]
    fn files_are_replaced_whole() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("file");
        write_whole(dir.path(), &path, b"old")?;
        assert!(write_whole(&dir.path().join("missing"), &path, b"new").is_err());
        assert_eq!(std::fs::read(&path)?, b"old");
        write_whole(dir.path(), &path, b"new")?;
        assert_eq!(std::fs::read(&path)?, b"new");
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 1, "nothing is left beside it");
        Ok(())
    }
}
