// SPDX-License-Identifier: GPL-2.0-only
//! The table of gfp flags: the one place that gives them their bits.
//!
//! A row becomes a constant of [`Gfp`](crate::gfp::Gfp) and an entry of `PERCUSS_GFP_FLAGS`, through which an image
//! reports the value that its tree gives the flag; the two are compared when the image is loaded. Like `services.rs`
//! this file is also a module of the shim's build scripts, so it holds the macro and nothing else.

/// Calls macro `$callback` with all rows: `$callback! { named { rows } hidden { rows } }`.
///
/// Programs may use named flags. Hidden ones are known so that masks of a tree are printed by name.
#[macro_export]
macro_rules! for_each_gfp_flag {
    ($callback:ident) => {
        $callback! {
            named {
                HIGHMEM = __GFP_HIGHMEM, 1;
                /// The allocation may use reserves, since the caller cannot wait for reclaim.
                HIGH = __GFP_HIGH, 5;
                IO = __GFP_IO, 6;
                FS = __GFP_FS, 7;
                ZERO = __GFP_ZERO, 8;
                DIRECT_RECLAIM = __GFP_DIRECT_RECLAIM, 10;
                KSWAPD_RECLAIM = __GFP_KSWAPD_RECLAIM, 11;
                NOWARN = __GFP_NOWARN, 13;
                /// Reclaim is tried several times, and the allocation may fail all the same.
                RETRY_MAYFAIL = __GFP_RETRY_MAYFAIL, 14;
                NOFAIL = __GFP_NOFAIL, 15;
                /// Reclaim is tried once and lightly.
                NORETRY = __GFP_NORETRY, 16;
                /// The allocation is charged to the current memcg.
                ACCOUNT = __GFP_ACCOUNT, 22;
            }
            hidden {
                /// The allocation makes no lock dependency. A tree without CONFIG_LOCKDEP, which is how images are
                /// compiled, has 0 for it.
                NOLOCKDEP = __GFP_NOLOCKDEP, 24;
            }
        }
    };
}
