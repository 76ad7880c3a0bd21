// SPDX-License-Identifier: GPL-2.0-only
//! The truth about a bitmap, found the plain way: oracles must not share the Model's shortcuts.

/// True when bits `[from, to)` are all clear.
pub fn all_clear(map: &[u64], from: u32, to: u32) -> bool {
    if from >= to {
        return true;
    }
    let (first, last) = ((from / 64) as usize, ((to - 1) / 64) as usize);
    let head = u64::MAX << (from % 64);
    let tail = u64::MAX >> (63 - (to - 1) % 64);
    if first == last {
        return map[first] & head & tail == 0;
    }
    let (strides, rest) = map[first + 1..last].as_chunks::<8>();
    map[first] & head == 0
        && map[last] & tail == 0
        && strides.iter().all(|s| s.iter().fold(0, |any, w| any | w) == 0)
        && rest.iter().all(|w| *w == 0)
}

/// Number of set bits in `[0, bits)`.
pub fn count(map: &[u64], bits: u32) -> u32 {
    let whole = (bits / 64) as usize;
    let rest = if bits.is_multiple_of(64) { 0 } else { (map[whole] & ((1 << (bits % 64)) - 1)).count_ones() };
    map[..whole].iter().map(|w| w.count_ones()).sum::<u32>() + rest
}

/// What is free in `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Free {
    /// Longest run and where it starts, relative to `from`; the first of equals.
    pub longest: u32,
    /// See `longest`.
    pub longest_at: u32,
    /// Run at the left edge.
    pub left: u32,
    /// Run at the right edge.
    pub right: u32,
    /// First free bit relative to `from`, or the length when none is.
    pub first: u32,
    /// Free bits.
    pub total: u32,
}

/// Measures the free runs of whole words `[from, to)`; both are multiples of 64.
pub fn free_runs(map: &[u64], from: u32, to: u32) -> Free {
    let len = to - from;
    let mut out = Free { first: len, ..Free::default() };
    let mut run = 0u32;
    let mut run_at = 0u32;
    let close = |run: u32, at: u32, out: &mut Free| {
        if run > out.longest {
            (out.longest, out.longest_at) = (run, at);
        }
        if run > 0 && at == 0 {
            out.left = run;
        }
    };
    for (i, word) in map[(from / 64) as usize..(to / 64) as usize].iter().enumerate() {
        let base = i as u32 * 64;
        // Most words are all free or all taken.
        if *word == 0 {
            if run == 0 {
                run_at = base;
            }
            run += 64;
            out.total += 64;
            continue;
        }
        if *word == u64::MAX {
            close(run, run_at, &mut out);
            run = 0;
            continue;
        }
        let mut at = 0;
        while at < 64 {
            let rest = word >> at;
            let clear = rest.trailing_zeros().min(64 - at);
            if clear > 0 {
                if run == 0 {
                    run_at = base + at;
                }
                run += clear;
                out.total += clear;
                at += clear;
            }
            if at == 64 {
                break;
            }
            close(run, run_at, &mut out);
            run = 0;
            at += (!(word >> at)).trailing_zeros().min(64 - at);
        }
    }
    close(run, run_at, &mut out);
    out.right = if run > 0 { run } else { 0 };
    out.first = if out.total == 0 { len } else { first_clear(map, from, to) - from };
    out
}

fn first_clear(map: &[u64], from: u32, to: u32) -> u32 {
    (from..to)
        .step_by(64)
        .find_map(|at| {
            let word = map[(at / 64) as usize];
            (word != u64::MAX).then(|| at + (!word).trailing_zeros())
        })
        .unwrap_or(to)
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
            if out.total == 0 {
                out.first = b - from;
            }
            out.total += 1;
            run += 1;
            if run > out.longest {
                (out.longest, out.longest_at) = (run, b + 1 - run - from);
            }
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
