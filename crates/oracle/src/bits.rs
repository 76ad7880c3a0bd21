// SPDX-License-Identifier: GPL-2.0-only
//! The truth about a bitmap, found the plain way: oracles must not share the Model's shortcuts.
//!
//! A set bit is an allocation unit of four bytes in use, a clear bit a free one. Everything is counted from the words
//! of the map at each call.

use percuss_world::arena::wide;

/// True when bits `[from, to)` are all clear; an empty range is.
#[inline(always)]
pub fn all_clear(map: &[u64], from: u32, to: u32) -> bool {
    if from >= to {
        return true;
    }
    // The masks keep the bits of the first and the last word that are inside the range.
    let (first, last) = ((from / 64) as usize, ((to - 1) / 64) as usize);
    let head = u64::MAX << (from % 64);
    let tail = u64::MAX >> (63 - (to - 1) % 64);
    if first == last {
        return map[first] & head & tail == 0;
    }
    map[first] & head == 0 && map[last] & tail == 0 && all_zero(&map[first + 1..last])
}

fn all_zero(words: &[u64]) -> bool {
    // Equal to its neighbour and the first is 0: comparing memory is what the C library does with the widest registers.
    words.first().is_none_or(|w| *w == 0) && (words.len() < 2 || words[1..] == words[..words.len() - 1])
}

/// Number of set bits in `[0, bits)`.
#[inline(always)]
pub fn count(map: &[u64], bits: u32) -> u32 {
    // The last word may not be there when it would count for nothing.
    let whole = (bits / 64) as usize;
    let rest = if bits.is_multiple_of(64) { 0 } else { (map[whole] & ((1 << (bits % 64)) - 1)).count_ones() };
    map[..whole].iter().map(|w| w.count_ones()).sum::<u32>() + rest
}

/// What is free in `[from, to)`, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Free {
    pub longest: u32,
    pub left: u32,
    pub right: u32,
    /// First free bit relative to `from`, or the length when none is.
    pub first: u32,
}

/// Measures the free runs of whole words `[from, to)`; both are multiples of 64.
pub fn free_runs(map: &[u64], from: u32, to: u32) -> Free {
    wide(|| measure(map, from, to))
}

/// [`free_runs`], for callers that are [`wide`] themselves.
#[inline(always)]
pub fn measure(map: &[u64], from: u32, to: u32) -> Free {
    let len = to - from;
    let mut out = Free { first: len, left: len, ..Free::default() };
    // The run that reaches up to the word looked at.
    let mut run = 0;
    for (base, &word) in (0..).step_by(64).zip(&map[(from / 64) as usize..(to / 64) as usize]) {
        if word != u64::MAX && out.first == len {
            out.first = base + (!word).trailing_zeros();
        }
        if word == 0 {
            // Such a word only makes the run longer: neither an edge nor a longest run is known before it ends.
            run += 64;
            continue;
        }
        run += word.trailing_zeros();
        out.longest = out.longest.max(run);
        // Up to here everything was free, so the run ends the left edge.
        if out.left == len {
            out.left = run;
        }
        // Bits the runs inside the word, which end in it, could have at most. As a rule a longer run is known already.
        let inside = 62u32.saturating_sub(word.trailing_zeros() + word.leading_zeros());
        if word != u64::MAX && inside > out.longest {
            out.longest = out.longest.max(longest_inside(word));
        }
        // What follows the last set bit may go on in the next word.
        run = word.leading_zeros();
    }
    out.longest = out.longest.max(run);
    out.right = run;
    out
}

/// The longest run of clear bits that has set bits on both sides.
fn longest_inside(word: u64) -> u32 {
    let mut rest = word >> word.trailing_zeros();
    let mut longest = 0;
    while rest != 0 {
        // The lowest bit of what is left is set.
        rest = rest.checked_shr((!rest).trailing_zeros()).unwrap_or(0);
        let clear = if rest == 0 { 0 } else { rest.trailing_zeros() };
        longest = longest.max(clear);
        rest >>= clear;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow(map: &[u64], from: u32, to: u32) -> Free {
        let set = |b: u32| map[(b / 64) as usize] >> (b % 64) & 1 == 1;
        let mut out = Free { first: to - from, ..Free::default() };
        let mut run = 0;
        for b in from..to {
            if set(b) {
                run = 0;
                continue;
            }
            out.first = out.first.min(b - from);
            run += 1;
            out.longest = out.longest.max(run);
            if run == b + 1 - from {
                out.left = run;
            }
        }
        out.right = run;
        out
    }

    proptest! {
        #[test]
        fn runs_are_what_counting_says(map in proptest::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 16)) {
            prop_assert_eq!(free_runs(&map, 128, 1024), slow(&map, 128, 1024));
            prop_assert_eq!(count(&map, 1000), (0..1000).filter(|b| map[b / 64] >> (b % 64) & 1 == 1).count() as u32);
            for (a, b) in [(0, 64), (3, 200), (64, 128), (1000, 1024)] {
                let plain = (a..b).all(|i: u32| map[(i / 64) as usize] >> (i % 64) & 1 == 0);
                prop_assert_eq!(all_clear(&map, a, b), plain);
            }
        }
    }
}
