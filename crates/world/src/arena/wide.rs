// SPDX-License-Identifier: GPL-2.0-only
//! Loops for the wide vectors of newer processors.

use std::sync::atomic::{AtomicU8, Ordering};

/// Calls `f`, compiled for x86-64-v3 if the processor is one. Rust compiles for the oldest x86-64 otherwise, whose
/// vectors are half as wide. Only code that is inlined into `f` gains, which are loops over bytes and bits.
#[inline]
pub fn wide<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn level3<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // Asked in each call, which is one load and one comparison.
        if level3_runs() {
            // SAFETY: level3_runs() found every feature that level3() is compiled for.
            return unsafe { level3(f) };
        }
    }
    f()
}

/// Whether the processor has what [`wide`] compiles for, asked once.
#[cfg(target_arch = "x86_64")]
#[inline]
fn level3_runs() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    #[cold]
    fn ask() -> bool {
        let yes = std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("bmi1")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("lzcnt")
            && std::is_x86_feature_detected!("popcnt");
        // Threads that ask at once store the same answer, so no order is needed.
        ANSWER.store(if yes { YES } else { YES + 1 }, Ordering::Relaxed);
        yes
    }
    match ANSWER.load(Ordering::Relaxed) {
        UNKNOWN => ask(),
        answer => answer == YES,
    }
}
