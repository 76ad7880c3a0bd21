// SPDX-License-Identifier: GPL-2.0-only
//! gfp masks: the kernel's bits and names, and how masks are read and printed.

use std::fmt;

/// A `gfp_t`: allocation flags in the bit numbering of v6.12. An image whose tree numbers them otherwise is refused
/// when it is loaded, because masks cross between tenants as plain numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Gfp(pub u32);

macro_rules! flags {
    (named { $($(#[doc = $doc:literal])* $name:ident = $text:ident, $bit:literal;)* }
     hidden { $($(#[doc = $hidden_doc:literal])* $hidden:ident = $hidden_text:ident, $hidden_bit:literal;)* }) => {
        impl Gfp {
            $($(#[doc = $doc])* pub const $name: Gfp = Gfp(1 << $bit);)*
            $($(#[doc = $hidden_doc])* pub const $hidden: Gfp = Gfp(1 << $hidden_bit);)*

            /// Every flag with its name in C, in the order of `percuss_facts.gfp`: an image says there what its tree
            /// has for each.
            pub const FLAGS: &'static [(&'static str, Gfp)] =
                &[$((stringify!($text), Gfp::$name),)* $((stringify!($hidden_text), Gfp::$hidden),)*];

            /// Names that programs may use. Wider masks come first, because [`fmt::Display`] takes the names out of a
            /// mask in this order and would else never print the name of a compound one.
            pub const NAMES: &'static [(&'static str, Gfp)] = &[
                ("GFP_KERNEL_ACCOUNT", Gfp::KERNEL_ACCOUNT),
                ("GFP_KERNEL", Gfp::KERNEL),
                ("GFP_NOFS", Gfp::NOFS),
                ("GFP_NOIO", Gfp::NOIO),
                ("GFP_ATOMIC", Gfp::ATOMIC),
                ("GFP_NOWAIT", Gfp::NOWAIT),
                $((stringify!($text), Gfp::$name),)*
            ];
        }
    };
}

crate::for_each_gfp_flag!(flags);

impl Gfp {
    pub const NONE: Gfp = Gfp(0);
    // The kernel's compound masks. NOWAIT fails quietly, except that in 6.1 it lacks __GFP_NOWARN.
    pub const ATOMIC: Gfp = Gfp::HIGH.with(Gfp::KSWAPD_RECLAIM);
    pub const NOWAIT: Gfp = Gfp::KSWAPD_RECLAIM.with(Gfp::NOWARN);
    pub const NOIO: Gfp = Gfp::DIRECT_RECLAIM.with(Gfp::KSWAPD_RECLAIM);
    pub const NOFS: Gfp = Gfp::NOIO.with(Gfp::IO);
    pub const KERNEL: Gfp = Gfp::NOFS.with(Gfp::FS);
    pub const KERNEL_ACCOUNT: Gfp = Gfp::KERNEL.with(Gfp::ACCOUNT);

    #[inline]
    pub const fn contains(self, other: Gfp) -> bool {
        self.0 & other.0 == other.0
    }

    #[inline]
    pub const fn intersects(self, other: Gfp) -> bool {
        self.0 & other.0 != 0
    }

    /// `gfpflags_allow_blocking()`: the caller may sleep. The allocator calls all other allocations atomic.
    #[inline]
    pub const fn allows_blocking(self) -> bool {
        self.intersects(Gfp::DIRECT_RECLAIM)
    }

    #[inline]
    pub const fn with(self, other: Gfp) -> Gfp {
        Gfp(self.0 | other.0)
    }

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
            // Not an empty string, which would not read back.
            return f.write_str("0");
        }
        // Each name takes its bits out, so that no flag is printed twice.
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
            // Bits without a name: a mask from a fuzzer, or a flag that the allocator never looks at.
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

/// A word of a mask in a program that is neither a name of [`Gfp::NAMES`] nor a number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a gfp flag; use names such as GFP_KERNEL|__GFP_NOWARN or a hexadecimal mask")]
pub struct UnknownGfp(pub String);

impl std::str::FromStr for Gfp {
    type Err = UnknownGfp;

    fn from_str(s: &str) -> Result<Gfp, UnknownGfp> {
        let mut out = 0;
        // As in C, names and numbers may be mixed; a bit that occurs twice counts once.
        for word in s.split('|').map(str::trim) {
            let named = Gfp::NAMES.iter().find(|(n, _)| *n == word).map(|(_, g)| g.0);
            // Numbers are for masks that were printed with bits that have no name.
            let number = || match word.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => word.parse().ok(),
            };
            out |= named.or_else(number).ok_or_else(|| UnknownGfp(word.to_owned()))?;
        }
        Ok(Gfp(out))
    }
}
