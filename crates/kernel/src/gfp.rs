// SPDX-License-Identifier: GPL-2.0-only
//! gfp masks: the kernel's bits, names and the two rules every tenant needs.

use std::fmt;

/// A `gfp_t`: allocation flags, in the bit numbering of v6.12 (an image with other numbers is refused at load).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Gfp(pub u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $bits:expr;)*) => {
        impl Gfp {
            $($(#[$doc])* pub const $name: Gfp = Gfp($bits);)*
            /// Single-bit and compound names, widest first: the order in which [`fmt::Display`] takes them out.
            pub const NAMES: &'static [(&'static str, Gfp)] = &[$(($text, Gfp($bits)),)*];
        }
    };
}

const IO: u32 = 1 << 6;
const FS: u32 = 1 << 7;
const DIRECT: u32 = 1 << 10;
const KSWAPD: u32 = 1 << 11;

flags! {
    /// Kernel allocation with full reclaim, charged to the current memcg.
    KERNEL_ACCOUNT = "GFP_KERNEL_ACCOUNT", DIRECT | KSWAPD | IO | FS | 1 << 22;
    /// Full reclaim, may sleep.
    KERNEL = "GFP_KERNEL", DIRECT | KSWAPD | IO | FS;
    /// May sleep, must not enter a file system.
    NOFS = "GFP_NOFS", DIRECT | KSWAPD | IO;
    /// May sleep, must not start IO.
    NOIO = "GFP_NOIO", DIRECT | KSWAPD;
    /// Must not sleep, may use reserves.
    ATOMIC = "GFP_ATOMIC", 1 << 5 | KSWAPD;
    /// Must not sleep, fails quietly.
    NOWAIT = "GFP_NOWAIT", KSWAPD | 1 << 13;
    /// High memory is welcome.
    HIGHMEM = "__GFP_HIGHMEM", 1 << 1;
    /// High priority.
    HIGH = "__GFP_HIGH", 1 << 5;
    /// Reclaim may start IO.
    IO = "__GFP_IO", IO;
    /// Reclaim may enter file systems.
    FS = "__GFP_FS", FS;
    /// Zeroed memory.
    ZERO = "__GFP_ZERO", 1 << 8;
    /// The caller may sleep in reclaim.
    DIRECT_RECLAIM = "__GFP_DIRECT_RECLAIM", DIRECT;
    /// Wake kswapd when low.
    KSWAPD_RECLAIM = "__GFP_KSWAPD_RECLAIM", KSWAPD;
    /// Fail quietly.
    NOWARN = "__GFP_NOWARN", 1 << 13;
    /// Try hard, may fail.
    RETRY_MAYFAIL = "__GFP_RETRY_MAYFAIL", 1 << 14;
    /// Must not fail.
    NOFAIL = "__GFP_NOFAIL", 1 << 15;
    /// One light attempt.
    NORETRY = "__GFP_NORETRY", 1 << 16;
    /// Charge to the current memcg.
    ACCOUNT = "__GFP_ACCOUNT", 1 << 22;
}

impl Gfp {
    /// No flag at all.
    pub const NONE: Gfp = Gfp(0);
    /// `__GFP_NOLOCKDEP` of a kernel with lockdep: the allocation makes no dependency. Not for programs to use.
    pub const NOLOCKDEP: Gfp = Gfp(1 << 24);

    /// True when every bit of `other` is set.
    #[inline]
    pub const fn contains(self, other: Gfp) -> bool {
        self.0 & other.0 == other.0
    }

    /// True when any bit of `other` is set.
    #[inline]
    pub const fn intersects(self, other: Gfp) -> bool {
        self.0 & other.0 != 0
    }

    /// `gfpflags_allow_blocking`: the caller may sleep.
    #[inline]
    pub const fn allows_blocking(self) -> bool {
        self.intersects(Gfp::DIRECT_RECLAIM)
    }

    /// `self` with the bits of `other`.
    #[inline]
    pub const fn with(self, other: Gfp) -> Gfp {
        Gfp(self.0 | other.0)
    }

    /// `self` without the bits of `other`.
    #[inline]
    pub const fn without(self, other: Gfp) -> Gfp {
        Gfp(self.0 & !other.0)
    }
}

impl std::ops::BitOr for Gfp {
    type Output = Gfp;
    #[inline]
    fn bitor(self, o: Gfp) -> Gfp {
        self.with(o)
    }
}

impl std::ops::BitAnd for Gfp {
    type Output = Gfp;
    #[inline]
    fn bitand(self, o: Gfp) -> Gfp {
        Gfp(self.0 & o.0)
    }
}

impl fmt::Display for Gfp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let mut rest = self.0;
        let mut sep = "";
        for (name, bits) in Gfp::NAMES {
            if rest & bits.0 == bits.0 {
                write!(f, "{sep}{name}")?;
                rest &= !bits.0;
                sep = "|";
            }
        }
        if rest != 0 {
            write!(f, "{sep}{rest:#x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gfp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The word that is neither a gfp name nor a number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a gfp flag; use names such as GFP_KERNEL|__GFP_NOWARN or a hexadecimal mask")]
pub struct UnknownGfp(pub String);

impl std::str::FromStr for Gfp {
    type Err = UnknownGfp;

    fn from_str(s: &str) -> Result<Gfp, UnknownGfp> {
        let mut out = 0;
        for word in s.split('|').map(str::trim) {
            let named = Gfp::NAMES.iter().find(|(n, _)| *n == word).map(|(_, g)| g.0);
            let number = || match word.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => word.parse().ok(),
            };
            out |= named.or_else(number).ok_or_else(|| UnknownGfp(word.to_owned()))?;
        }
        Ok(Gfp(out))
    }
}
