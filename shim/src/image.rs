// SPDX-License-Identifier: GPL-2.0-only
//! A loaded image and the snapshot of its writable state.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use percuss_kernel::gfp::Gfp;

use crate::abi::{self, percuss_image};

/// Facts of the tree and configuration an image was compiled from; documented in percuss_abi.h.
pub type Facts = abi::percuss_facts;

/// Why an image cannot be used.
///
/// An image that was compiled by another version is refused rather than misread, as all its records are plain memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The private copy could not be made; the dynamic linker needs one per instance.
    #[error("copying the image {}: {error}", path.display())]
    Copy { path: PathBuf, error: std::io::Error },
    #[error("loading the image {}: {error}", path.display())]
    Link { path: PathBuf, error: libloading::Error },
    /// The image was made by a percuss with other structs, which this one would read wrongly.
    #[error("the image has ABI version {found}, this program needs {needed}; compile it again")]
    Version { found: u32, needed: u32 },
    /// The image was made by a percuss with another table of services: it would call one function for another.
    #[error("the image was compiled for another list of kernel services; compile it again")]
    Services,
    /// The tree gives a gfp flag another bit than the World. Masks cross as plain numbers, so each would be misread.
    #[error("the tree's {name} is {found:#x}, the simulated kernel's is {needed:#x}")]
    Gfp { name: &'static str, found: u32, needed: u32 },
    /// The program was built without the feature, or without a tree to compile.
    #[error("no image is linked into this program; build with a kernel tree (PERCUSS_TREE) and feature static-image")]
    NotLinked,
    /// The linked image has one set of statics, so a second instance would share its state with the first.
    #[error("the linked image is in use; it has only one instance")]
    InUse,
}

/// A function that programs call by its name.
#[repr(transparent)]
pub(crate) struct CallTarget(pub abi::percuss_call);

impl CallTarget {
    pub fn name(&self) -> &str {
        // SAFETY: a literal of the image, which is mapped as long as this is.
        unsafe { std::ffi::CStr::from_ptr(self.0.name) }.to_str().unwrap_or_default()
    }
}

/// An image with statics of its own: one allocator, whose state is copied out and in by an
/// [`Instance`](crate::Instance).
pub struct Image {
    /// A copy, because the original lies in the writable state, which is overwritten at each restore.
    raw: percuss_image,
    ranges: Vec<abi::percuss_range>,
    /// Writable state as it was before anything ran.
    pristine: Box<[u8]>,
    _origin: Origin,
}

#[allow(dead_code)] // held for their Drop
enum Origin {
    Library(libloading::Library),
    Linked(LinkedGuard),
}

// SAFETY: functions and facts do not change once it is loaded. Its writable state is the image's own business while
// several threads call it; it is saved and restored by the one instance it was given to.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    /// Loads a shared object made by [`compile`](crate::compile()).
    ///
    /// Each call gets statics of its own, for which the file is copied: the dynamic linker maps one file once.
    pub fn load(path: &Path) -> Result<Image, LoadError> {
        // The dynamic linker shares one mapping per inode, so every instance gets a file of its own. It can go as soon
        // as it is mapped.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("percuss-{}-{}.so", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let copy = std::env::temp_dir().join(name);
        std::fs::copy(path, &copy).map_err(|error| LoadError::Copy { path: path.into(), error })?;
        // SAFETY: an image has no initialisers of its own; the file was made by compile().
        let library = unsafe { libloading::Library::new(&copy) };
        let _ = std::fs::remove_file(&copy);
        let library = library.map_err(|error| LoadError::Link { path: path.into(), error })?;
        // SAFETY: the type of the one entry point is fixed by percuss_abi.h and its version is checked below.
        let entry: Result<libloading::Symbol<'_, unsafe extern "C" fn() -> *const percuss_image>, _> =
            unsafe { library.get(c"percuss_image") };
        let entry = *entry.map_err(|error| LoadError::Link { path: path.into(), error })?;
        // SAFETY: the entry returns a static of the image, which is mapped.
        let raw = unsafe { *entry() };
        Image::new(raw, Origin::Library(library))
    }

    /// The image that is linked into this program. There is one set of statics, so one instance at a time.
    pub fn linked() -> Result<Image, LoadError> {
        #[cfg(percuss_static)]
        {
            static TAKEN: AtomicBool = AtomicBool::new(false);
            // SAFETY: the entry of the image that this crate links, of which only this function makes instances.
            unsafe { Image::linked_at(abi::percuss_image, &TAKEN) }
        }
        #[cfg(not(percuss_static))]
        Err(LoadError::NotLinked)
    }

    /// An image that is linked into this program and entered at `entry`. `taken` is true as long as it has an instance.
    ///
    /// # Safety
    /// `entry` is what `percuss_image` is in an image, and `taken` the same for every call with this entry.
    pub unsafe fn linked_at(
        entry: unsafe extern "C" fn() -> *const percuss_image,
        taken: &'static AtomicBool,
    ) -> Result<Image, LoadError> {
        let guard = LinkedGuard::take(taken).ok_or(LoadError::InUse)?;
        // SAFETY: the caller's promise; it returns a static of the image.
        let raw = unsafe { *entry() };
        Image::new(raw, Origin::Linked(guard))
    }

    fn new(raw: percuss_image, origin: Origin) -> Result<Image, LoadError> {
        if raw.abi_version != abi::PERCUSS_ABI_VERSION {
            return Err(LoadError::Version { found: raw.abi_version, needed: abi::PERCUSS_ABI_VERSION });
        }
        if raw.services_hash != abi::PERCUSS_SERVICES_HASH {
            return Err(LoadError::Services);
        }
        check_gfp(&raw.facts)?;
        // SAFETY: the image says how many there are.
        let ranges = unsafe { std::slice::from_raw_parts(raw.ranges, raw.nr_ranges as usize) }.to_vec();
        let mut image = Image { raw, ranges, pristine: Box::new([]), _origin: origin };
        let mut pristine = Vec::new();
        image.save(&mut pristine);
        image.pristine = pristine.into();
        Ok(image)
    }

    pub fn facts(&self) -> &Facts {
        &self.raw.facts
    }

    pub(crate) fn raw(&self) -> &percuss_image {
        &self.raw
    }

    /// The writable ranges, address and length in bytes: all memory outside the arena that the image ever changes.
    pub fn ranges(&self) -> Vec<(usize, usize)> {
        self.ranges.iter().map(|r| (r.start as usize, r.len as usize)).collect()
    }

    /// Functions that programs call by name, of an image that is compiled with some.
    pub(crate) fn calls(&self) -> &[CallTarget] {
        if self.raw.nr_calls == 0 {
            return &[];
        }
        // SAFETY: the image says how many there are, in a constant of its own.
        unsafe { std::slice::from_raw_parts(self.raw.calls.cast(), self.raw.nr_calls as usize) }
    }

    /// How often each counted part ran since the last [`Image::forget_counts`]; nothing for an image that does not count.
    pub fn counts(&self) -> Vec<u64> {
        // SAFETY: the image says how many there are, and no code of it runs while this thread is here.
        (0..self.raw.nr_counters as usize).map(|i| unsafe { self.raw.counters.add(i).read_volatile() }).collect()
    }

    /// Sets all counts to 0. They are no part of the writable state, which is restored without them.
    pub fn forget_counts(&self) {
        for i in 0..self.raw.nr_counters as usize {
            // SAFETY: as above; no Rust reference to a counter exists.
            unsafe { self.raw.counters.add(i).write_volatile(0) };
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        let total = self.ranges.iter().map(|r| r.len as usize).sum();
        out.clear();
        out.resize(total, 0);
        let mut at = 0;
        for r in &self.ranges {
            // SAFETY: the range is memory of the image and `out` has room for the sum of all.
            unsafe { copy(r.start.cast(), out.as_mut_ptr().add(at), r.len as usize) };
            at += r.len as usize;
        }
    }

    pub(crate) fn restore(&self, saved: &[u8]) {
        let mut at = 0;
        for r in &self.ranges {
            let len = r.len as usize;
            // The ranges have fixed lengths, so a snapshot that is too short is not one of this image.
            assert!(at + len <= saved.len(), "snapshot of another image");
            // SAFETY: the range is writable memory of the image, to which no Rust reference exists.
            unsafe { copy(saved.as_ptr().add(at), r.start.cast(), len) };
            at += len;
        }
    }

    pub(crate) fn restore_pristine(&self) {
        self.restore(&self.pristine);
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The linked image is taken again by the next instance.
        if !self.pristine.is_empty() {
            self.restore_pristine();
        }
    }
}

/// Copies bytes without calling memcpy: a sanitizer's version would see the red zones between an image's variables.
///
/// # Safety
/// As for [`std::ptr::copy_nonoverlapping`].
unsafe fn copy(src: *const u8, dst: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _, inout("rsi") src => _, inout("rdi") dst => _,
            options(nostack, preserves_flags)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..len {
        // SAFETY: the caller's promise.
        unsafe { dst.add(i).write_volatile(src.add(i).read_volatile()) };
    }
}

/// Compares the tree's bits with the World's. A flag that the tree's configuration lacks is 0 in the tree; of those
/// that percuss knows only __GFP_NOLOCKDEP may be missing, because images are compiled without CONFIG_LOCKDEP.
fn check_gfp(facts: &Facts) -> Result<(), LoadError> {
    for ((name, flag), found) in Gfp::FLAGS.iter().copied().zip(facts.gfp) {
        let missing = flag == Gfp::NOLOCKDEP && found == 0;
        if found != flag.0 && !missing {
            return Err(LoadError::Gfp { name, found, needed: flag.0 });
        }
    }
    Ok(())
}

const _: () = assert!(Gfp::FLAGS.len() == abi::PERCUSS_NR_GFP as usize);

struct LinkedGuard(&'static AtomicBool);

impl LinkedGuard {
    fn take(taken: &'static AtomicBool) -> Option<LinkedGuard> {
        (!taken.swap(true, Ordering::AcqRel)).then_some(LinkedGuard(taken))
    }
}

impl Drop for LinkedGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
