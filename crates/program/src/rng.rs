// SPDX-License-Identifier: GPL-2.0-only
//! A small deterministic generator of random numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
//! number generators", OOPSLA 2014).
//!
//! It is written here rather than taken from a crate: program `i` of seed `s` must stay the same program for as long as
//! the byte form has this version, whatever a dependency decides.

#[derive(Clone, Debug)]
pub struct Rng(u64);

// The finalizer of SplitMix64: every input bit changes about half of the output bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream of one index under a seed.
    ///
    /// Streams of different indices are unrelated, so each program can be made alone.
    pub fn new(seed: u64, index: u64) -> Rng {
        // Mixed twice, so that neighbouring indices or seeds start far apart. The constant is the golden ratio, 2^64 /
        // phi.
        Rng(mix(seed ^ mix(index.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// 64 uniformly random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `n`, which must not be 0.
    ///
    /// Takes the upper half of a product instead of a remainder: no division, and the bias is below n / 2^32.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.bits() as u32) * u64::from(n)) >> 32) as u32
    }

    /// A number from `low` to `high`, both included.
    ///
    /// The range must not be all of `u32`.
    pub fn range(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// True with probability `n` in `of`.
    pub fn chance(&mut self, n: u32, of: u32) -> bool {
        self.below(of) < n
    }

    /// One of the values, equally likely.
    ///
    /// Panics if there are none.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }

    /// An index, drawn in proportion to its weight.
    ///
    /// At least one weight must be above 0, and their sum must fit `u32`.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut at = self.below(weights.clone().sum());
        for (i, w) in weights.enumerate() {
            if at < w {
                return i;
            }
            at -= w;
        }
        unreachable!("below() stays below the sum")
    }

    /// A number from `low` to `high`, both at least 1, with each power of two about as likely as another.
    ///
    /// For lengths and sizes: small values stay common, large ones occur.
    pub fn log_range(&mut self, low: u32, high: u32) -> u32 {
        // Integer arithmetic only: floating point need not be the same everywhere.
        // A power of two is drawn first, then a number up to the next one.
        let octaves = (high / low).ilog2();
        let base = low << self.below(octaves + 1);
        self.range(base, high.min(base.saturating_mul(2) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_stable() {
        // A change here changes every generated program: campaign results stop being comparable.
        let mut rng = Rng::new(1, 0);
        let first: Vec<u32> = (0..4).map(|_| rng.below(1000)).collect();
        assert_eq!(first, (0..4).scan(Rng::new(1, 0), |r, _| Some(r.below(1000))).collect::<Vec<_>>());
        assert_ne!(Rng::new(1, 0).bits(), Rng::new(1, 1).bits());
        assert_ne!(Rng::new(1, 0).bits(), Rng::new(2, 0).bits());
    }

    #[test]
    fn bounds_hold() {
        let mut rng = Rng::new(7, 7);
        for _ in 0..10_000 {
            assert!((8..=400).contains(&rng.log_range(8, 400)));
            assert!(rng.below(3) < 3);
            assert!((5..=6).contains(&rng.range(5, 6)));
            assert!(rng.weighted([1, 0, 3].into_iter()) != 1);
        }
    }
}
