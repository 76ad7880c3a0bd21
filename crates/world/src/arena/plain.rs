// SPDX-License-Identifier: GPL-2.0-only
//! Filling and copying without AddressSanitizer's checks: the World may touch what it forbids its tenant. The library's
//! functions would be intercepted, so with AddressSanitizer these are instructions.

/// # Safety
/// As for [`std::ptr::write_bytes`].
#[inline(always)]
pub unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    #[cfg(all(percuss_asan, target_arch = "x86_64"))]
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        std::arch::asm!(
            "rep stosb",
            inout("rcx") len => _, inout("rdi") dst => _, in("al") byte,
            options(nostack, preserves_flags)
        );
    }
    #[cfg(not(all(percuss_asan, target_arch = "x86_64")))]
    // SAFETY: the caller's promise.
    unsafe {
        std::ptr::write_bytes(dst, byte, len);
    }
}

/// # Safety
/// As for [`std::ptr::copy_nonoverlapping`].
#[inline(always)]
pub unsafe fn copy(src: *const u8, dst: *mut u8, len: usize) {
    #[cfg(all(percuss_asan, target_arch = "x86_64"))]
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _, inout("rsi") src => _, inout("rdi") dst => _,
            options(nostack, preserves_flags)
        );
    }
    #[cfg(not(all(percuss_asan, target_arch = "x86_64")))]
    // SAFETY: the caller's promise.
    unsafe {
        std::ptr::copy_nonoverlapping(src, dst, len);
    }
}
