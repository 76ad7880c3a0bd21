// SPDX-License-Identifier: GPL-2.0-only
//! SHA-256 in the lower-case hexadecimal form of `sha256sum`, so that a user can check by hand what a report or the
//! manifest says of a file.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::TreeError;

pub fn sha256_bytes(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub fn sha256_file(path: &Path) -> Result<String, TreeError> {
    let bytes = std::fs::read(path).map_err(|source| TreeError::Read { path: path.to_owned(), source })?;
    Ok(sha256_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_sha256sum() {
        assert_eq!(super::sha256_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
