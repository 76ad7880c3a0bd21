// SPDX-License-Identifier: GPL-2.0-only
//! A second image in the program: of the tree or the files that `PERCUSS_PATCHED` named when it was built, else once more
//! of the tree that the first image is of. A crate of its own, so that only programs that use it have it linked.

use percuss_shim::{Image, LoadError};

/// The second image. There is one set of statics, so one instance at a time.
///
/// # Errors
/// It was built without a tree, or is in use.
pub fn image() -> Result<Image, LoadError> {
    #[cfg(percuss_static)]
    {
        use std::sync::atomic::AtomicBool;

        unsafe extern "C" {
            fn percuss_image_patched() -> *const percuss_shim::abi::percuss_image;
        }
        static TAKEN: AtomicBool = AtomicBool::new(false);
        // SAFETY: the entry of an image under another name, of which only this function makes instances.
        unsafe { Image::linked_at(percuss_image_patched, &TAKEN) }
    }
    #[cfg(not(percuss_static))]
    Err(LoadError::NotLinked)
}
