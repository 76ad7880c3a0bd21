// SPDX-License-Identifier: GPL-2.0-only
//! How much of the content of per-CPU memory a run clears, writes and compares.

use percuss_kernel::Addr;

/// How closely a run looks at contents. To clear, write and compare every byte costs more
/// time than the allocator itself takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contents {
    /// The run neither writes nor compares any.
    Ignored,
    /// An area counts as cleared when the World saw exactly its range cleared on every possible CPU. A [`Sample`] of
    /// its bytes is cleared, written and compared. When that does not suffice to tell right from wrong, the run is in
    /// doubt and has to be repeated with [`Contents::Whole`].
    Sampled,
    /// The run compares every byte of every copy, after an allocation and before a free, and poisons memory outside of
    /// live areas.
    #[default]
    Whole,
}

/// One area in this many is looked at whole, chosen by a hash of its address and its zeroing. So a fault that only hits
/// the middle of areas shows in some areas, too. The number is a choice, not a measurement.
const SHARE: u32 = 8;

/// Bytes looked at on both ends of every copy: a cache line, which is where a wrong offset or length shows.
const EDGE: u32 = 64;

/// The parts of an area's copies that are looked at: the ends of each copy, and the whole copy of the last CPU, where
/// loops over CPUs go wrong, and of one more. Small areas, and one in `SHARE`, are looked at whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    whole: bool,
    last: u32,
    /// Rank of the other CPU whose copy is looked at whole.
    more: u32,
}

impl Sample {
    pub const WHOLE: Sample = Sample { whole: true, last: 0, more: 0 };

    /// The sample of the area whose first copy is at `addr`, on `cpus` CPUs. The address and `nth`, the number of the
    /// zeroing, decide, so samples differ between areas, yet a repeated program has the same ones.
    pub fn new(addr: Addr, nth: u32, cpus: u32) -> Sample {
        // Products with odd constants, of which the upper bits are taken: areas next to each other get unrelated
        // numbers.
        let turn = (nth.wrapping_mul(0x9e37_79b1) ^ (addr >> 2) as u32).wrapping_mul(0x85eb_ca6b) >> 12;
        Sample { whole: turn.is_multiple_of(SHARE), last: cpus - 1, more: turn / SHARE % cpus }
    }

    /// First byte and length of each part of the copy for the CPU of this rank, in an area of `size` bytes.
    #[inline]
    pub fn parts(self, rank: u32, size: u32) -> impl Iterator<Item = (u32, u32)> {
        let all = self.whole || rank == self.last || rank == self.more || size <= 2 * EDGE;
        let (first, second) = if all { ((0, size), None) } else { ((0, EDGE), Some((size - EDGE, EDGE))) };
        std::iter::once(first).chain(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cpu_has_its_turn_and_one_area_in_eight_is_whole() {
        let samples: Vec<Sample> = (0..8000).map(|n| Sample::new(0x1_0000_0000 + n as u64 % 7 * 256, n, 64)).collect();
        let whole = samples.iter().filter(|s| s.whole).count();
        assert!((800..1200).contains(&whole), "{whole}");
        for rank in 0..64 {
            assert!(samples.iter().filter(|s| s.more == rank).count() > 60, "{rank}");
        }
    }

    #[test]
    fn ends_of_all_and_all_of_the_last() {
        let sample = Sample { whole: false, last: 3, more: 1 };
        let parts = |rank, size| sample.parts(rank, size).collect::<Vec<_>>();
        assert_eq!(parts(0, 4096), [(0, 64), (4032, 64)]);
        assert_eq!(parts(1, 4096), [(0, 4096)]);
        assert_eq!(parts(3, 4096), [(0, 4096)]);
        assert_eq!(parts(0, 128), [(0, 128)]);
        assert_eq!(Sample::WHOLE.parts(2, 4096).collect::<Vec<_>>(), [(0, 4096)]);
    }
}
