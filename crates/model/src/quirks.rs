// SPDX-License-Identifier: GPL-2.0-only
//! Behaviours that some trees have and others lack, live bugs included.

use std::fmt;

/// One behaviour: its name, its story, and what ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quirk {
    /// Name in reports and on the command line.
    pub name: &'static str,
    /// What the tree does, and what a caller can see of it.
    pub story: &'static str,
    /// Title of the change that ends it, when one is known.
    pub fix: Option<&'static str>,
}

/// The name that is no quirk's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a quirk; `percuss tree` lists them")]
pub struct UnknownQuirk(pub String);

macro_rules! quirks {
    ($($field:ident = $name:literal, v6_12: $new:literal, v6_1: $old:literal, fix: $fix:expr, $story:literal;)*) => {
        /// Which quirks a tree has. A quirk that is off shows the behaviour we hold to be right.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct Quirks {
            $(#[doc = $story] pub $field: bool,)*
        }

        impl Quirks {
            /// Every quirk, in the order of the fields.
            pub const ALL: &'static [Quirk] = &[$(Quirk { name: $name, story: $story, fix: $fix },)*];

            /// What `linux-source-6.12` does.
            pub const fn v6_12() -> Quirks {
                Quirks { $($field: $new,)* }
            }

            /// What `linux-source-6.1` does.
            pub const fn v6_1() -> Quirks {
                Quirks { $($field: $old,)* }
            }

            /// No quirk at all.
            pub const fn none() -> Quirks {
                Quirks { $($field: false,)* }
            }

            /// Whether the quirk of this name is on.
            pub fn get(&self, name: &str) -> Result<bool, UnknownQuirk> {
                match name {
                    $($name => Ok(self.$field),)*
                    _ => Err(UnknownQuirk(name.to_owned())),
                }
            }

            /// Turns the quirk of this name on or off.
            pub fn set(&mut self, name: &str, on: bool) -> Result<(), UnknownQuirk> {
                match name {
                    $($name => self.$field = on,)*
                    _ => return Err(UnknownQuirk(name.to_owned())),
                }
                Ok(())
            }
        }
    };
}

quirks! {
    b24 = "B24", v6_12: true, v6_1: true,
    fix: Some("percpu: fix wrong chunk hints update"),
    "A free that stays inside one block tells the chunk about the freed area with a start counted from the chunk and an \
     end counted from the block. In every block but the first the length comes out negative and the chunk learns \
     nothing: it keeps saying that it is full, atomic allocations fail beside free space, and sleeping ones create \
     chunks.";
    b25 = "B25", v6_12: true, v6_1: true,
    fix: Some("percpu: fix hint invariant breakage"),
    "When a free area as large as the contig hint turns up, the loser of the two may become the scan hint although it \
     lies before the winner, or an equally large scan hint stays before a better aligned winner. Equal hints are \
     promised to stand the other way round, and scans that rely on it skip free areas.";
    b26 = "B26", v6_12: true, v6_1: true,
    fix: Some("percpu: do not trust hint starts when they are not set"),
    "A hint whose length is 0 has no start, but the old one is still compared. A full refresh of a chunk begins with \
     contig hint 0 and an untouched scan hint, which survives or not depending on where the contig hint used to be.";
    b50 = "B50", v6_12: true, v6_1: true,
    fix: None,
    "A block refresh that promotes a scan hint clears right_free and looks only behind the promoted area. When that \
     area ends at the block's right edge nothing sets right_free again, and the chunk no longer sees the space.";
    b51 = "B51", v6_12: true, v6_1: true,
    fix: None,
    "A scan hint used up by an allocation is replaced by a smaller, later area; when the contig hint breaks, that one \
     is promoted and everything before it is forgotten until a free, and searches start behind it. Blocks and whole \
     chunks alike. The kernel \
     documents it as a limit.";
    b36 = "B36", v6_12: false, v6_1: true,
    fix: Some("percpu: clean up all mappings when pcpu_map_pages() fails"),
    "When mapping fails for a CPU, the CPUs before it are unmapped but the pages already mapped for the failing one are \
     not. They are freed while still mapped, and the next attempt finds the entries present.";
    warn_limit_sleepable = "warn-limit-sleepable", v6_12: false, v6_1: true,
    fix: Some("mm/percpu.c: print error message too if atomic alloc failed"),
    "Only sleeping callers are told that an allocation failed, and only they use up the limit of warnings.";
    b41 = "B41", v6_12: false, v6_1: true,
    fix: Some("mm: percpu: fix incorrect size in pcpu_obj_full_size()"),
    "The size of an area counts its obj_cgroup pointers although kmem accounting is disabled and there are none.";
    b14 = "B14", v6_12: true, v6_1: true,
    fix: Some("percpu: fix data race with pcpu_nr_empty_pop_pages"),
    "Whether too few empty pages are left is asked after pcpu_lock and the mutex were dropped. Later trees ask, and \
     schedule the work, before the lock is released: earlier, and before the pages of this allocation are there.";
    queue_under_lock = "queue-under-lock", v6_12: false, v6_1: false,
    fix: None,
    "Who finds under pcpu_lock that too few empty pages are left queues the balance work there, as trees without B14 do. \
     Queueing takes locks of the work queue and of the scheduler, and percpu memory is allocated under the latter: what \
     \"percpu: remove spurious lock dependency between percpu and sched\" did away with for frees.";
    b15 = "B15", v6_12: true, v6_1: false,
    fix: Some("percpu: fix race on alloc failed warning limit"),
    "A warning of a failed allocation is counted against the limit once it is written. Two atomic callers that write the \
     last one at once both count it: the limit becomes negative, and from there on there is none. Trees that warn \
     sleeping callers only do so under pcpu_alloc_mutex.";
    b03 = "B03", v6_12: false, v6_1: false,
    fix: Some("mm, percpu: do not consider sleepable allocations atomic"),
    "An allocation is atomic unless its mask has all of GFP_KERNEL. GFP_NOFS and GFP_NOIO callers could sleep, but get \
     NULL when no populated area is at hand.";
    b03b = "B03b", v6_12: false, v6_1: false,
    fix: Some("mm, percpu: do not consider sleepable allocations atomic"),
    "The balance worker allocates without a NOIO scope while it holds pcpu_alloc_mutex. Reclaim that it enters may wait \
     for a file system or a device whose owner waits for the mutex.";
    b04 = "B04", v6_12: true, v6_1: true,
    fix: Some("mm/vmalloc: honor GFP constraints in pcpu_get_vm_areas()"),
    "The vm areas of a new chunk are reserved with GFP_KERNEL whatever the caller's mask, under pcpu_alloc_mutex.";
    b05 = "B05", v6_12: true, v6_1: true,
    fix: Some("mm/percpu: honor GFP constraints when populating chunks"),
    "Populating ignores the caller's mask where it does not get pages: the array that page frames pass through, made at \
     the first populate, and page tables are allocated with GFP_KERNEL.";
    b06 = "B06", v6_12: true, v6_1: true,
    fix: Some("mm/percpu: avoid IO/FS reclaim in backing allocations"),
    "What backs an allocation is got with the caller's __GFP_IO and __GFP_FS. A GFP_KERNEL caller thus enters reclaim of \
     file systems and devices with pcpu_alloc_mutex held, for which a NOFS or NOIO caller may be waiting.";
    backing_nofail = "backing-nofail", v6_12: false, v6_1: false,
    fix: None,
    "What backs an allocation is got with the caller's __GFP_NOFAIL. Without it the bit only makes the wait for \
     pcpu_alloc_mutex uninterruptible.";
    caller_scopes = "caller-scopes", v6_12: false, v6_1: false,
    fix: None,
    "A sleeping caller without __GFP_IO creates and populates chunks in a NOIO scope, one that lacks only __GFP_FS in a \
     NOFS scope. All others keep full reclaim under pcpu_alloc_mutex.";
    noreclaim_scope = "noreclaim-scope", v6_12: false, v6_1: false,
    fix: None,
    "Page tables are made in the scope that memalloc_apply_gfp_scope() picks: with __GFP_NORETRY, as the balance worker \
     has it, or __GFP_RETRY_MAYFAIL, a noreclaim scope. They come from the reserves then, and nothing is reclaimed.";
    backing_under_mutex = "backing-under-mutex", v6_12: true, v6_1: true,
    fix: None,
    "Backing memory is allocated with pcpu_alloc_mutex held, whatever the mask. Whoever could free memory and waits for \
     the mutex, or for a lock whose holder waits for it, waits for a task that waits for memory: kswapd, too.";
}

/// Which of the quirks that only choose masks made a difference in a run. One that made none could as well have been
/// off: the run would have been the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Felt {
    /// B04 was.
    pub b04: bool,
    /// B05 was.
    pub b05: bool,
}

impl Felt {
    /// The quirk of this name certainly made no difference.
    pub fn idle(&self, name: &str) -> bool {
        match name {
            "B04" => !self.b04,
            "B05" => !self.b05,
            _ => false,
        }
    }
}

impl Default for Quirks {
    fn default() -> Quirks {
        Quirks::v6_12()
    }
}

impl fmt::Display for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        for quirk in Quirks::ALL {
            if self.get(quirk.name) == Ok(true) {
                write!(f, "{sep}{}", quirk.name)?;
                sep = " ";
            }
        }
        if sep.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}
