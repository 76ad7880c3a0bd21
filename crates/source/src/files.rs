// SPDX-License-Identifier: GPL-2.0-only
//! Files that are whole or not there: written beside their place, then renamed; and what they are called.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Hexadecimal digits of a name made from content.
const DIGITS: usize = 40;

/// A name that says what is in a file.
pub fn name_of(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(2 * DIGITS);
    for byte in Sha256::digest(bytes) {
        name += &format!("{byte:02x}");
    }
    name.truncate(DIGITS);
    name
}

/// Longest name made from a title.
const NAME: usize = 80;

/// Writes a file by way of one in `beside`, a directory of the same file system. Whoever looks sees all of it or nothing,
/// and an old one stays until then.
///
/// # Errors
/// The file cannot be written: it, or the old one, is as it was.
pub fn write_whole(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let permissions = PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(beside)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Copies what is in a directory, and below it, into another.
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
pub fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.trim_start_matches("percuss: ").chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
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
