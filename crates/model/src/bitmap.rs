// SPDX-License-Identifier: GPL-2.0-only
//! Bitmaps of 64-bit words, searched a word at a time. Results equal `size` when nothing is found, as in the kernel.

const WORD: usize = 64;

/// Words that hold `bits` bits (`BITS_TO_LONGS`).
pub(super) const fn words(bits: usize) -> usize {
    bits.div_ceil(WORD)
}

/// First bit at or after `start` and below `size` in the words xor `flip`.
#[inline]
fn next(map: &[u64], size: usize, start: usize, flip: u64) -> usize {
    if start >= size {
        return size;
    }
    let mut at = start / WORD;
    // Bits below the start do not count in its word; all later words are whole.
    let mut word = (map[at] ^ flip) & (!0 << (start % WORD));
    while word == 0 {
        at += 1;
        if at * WORD >= size {
            return size;
        }
        word = map[at] ^ flip;
    }
    // The last word may have bits beyond the end.
    (at * WORD + word.trailing_zeros() as usize).min(size)
}

/// First set bit in `start..size` (`find_next_bit`).
#[inline]
pub(super) fn next_set(map: &[u64], size: usize, start: usize) -> usize {
    next(map, size, start, 0)
}

/// First clear bit in `start..size` (`find_next_zero_bit`).
#[inline]
pub(super) fn next_zero(map: &[u64], size: usize, start: usize) -> usize {
    next(map, size, start, !0)
}

/// Last set bit below `size` (`find_last_bit`, but `None` when there is none).
#[inline]
pub(super) fn last_set(map: &[u64], size: usize) -> Option<usize> {
    let full = size / WORD;
    let rest = size % WORD;
    // The map ends within a word, whose bits from there on are no part of it.
    if rest != 0 {
        let word = map[full] & !(!0 << rest);
        if word != 0 {
            return Some(full * WORD + word.ilog2() as usize);
        }
    }
    let at = map[..full].iter().rposition(|&word| word != 0)?;
    Some(at * WORD + map[at].ilog2() as usize)
}

/// Whether a bit is set.
#[inline]
pub(super) fn test(map: &[u64], bit: usize) -> bool {
    map[bit / WORD] >> (bit % WORD) & 1 == 1
}

/// Applies `f` to every word that holds bits of `start..start + len`, with the mask of those bits.
#[inline]
fn each(map: &mut [u64], start: usize, len: usize, f: impl Fn(&mut u64, u64)) {
    // There is no last bit then, and `start` may be the end of the map.
    if len == 0 {
        return;
    }
    let (first, last) = (start / WORD, (start + len - 1) / WORD);
    // Masks of the bits from `start` on in the first word, and up to the last bit in the last.
    let head = !0 << (start % WORD);
    let tail = !0 >> (WORD - 1 - (start + len - 1) % WORD);
    if first == last {
        f(&mut map[first], head & tail);
        return;
    }
    f(&mut map[first], head);
    for word in &mut map[first + 1..last] {
        f(word, !0);
    }
    f(&mut map[last], tail);
}

/// Sets `len` bits from `start` (`bitmap_set`).
#[inline]
pub(super) fn set(map: &mut [u64], start: usize, len: usize) {
    each(map, start, len, |word, mask| *word |= mask);
}

/// Clears `len` bits from `start` (`bitmap_clear`).
#[inline]
pub(super) fn clear(map: &mut [u64], start: usize, len: usize) {
    each(map, start, len, |word, mask| *word &= !mask);
}

/// Next run of set bits in `from..size`.
#[inline]
pub(super) fn set_run(map: &[u64], size: usize, from: usize) -> Option<(usize, usize)> {
    let start = next_set(map, size, from);
    (start < size).then(|| (start, next_zero(map, size, start)))
}

/// Next run of clear bits in `from..size`.
#[inline]
pub(super) fn zero_run(map: &[u64], size: usize, from: usize) -> Option<(usize, usize)> {
    let start = next_zero(map, size, from);
    (start < size).then(|| (start, next_set(map, size, start)))
}

/// Set bits of a mask in ascending order.
pub(super) fn cpus(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let cpu = mask.trailing_zeros();
        // Takes the lowest bit away; for an empty mask it wraps, and stays empty.
        mask &= mask.wrapping_sub(1);
        (cpu < 64).then_some(cpu)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute(map: &[u64], size: usize, start: usize, want: bool) -> usize {
        (start..size).find(|&bit| test(map, bit) == want).unwrap_or(size)
    }

    proptest! {
        #[test]
        fn searches_agree_with_brute_force(
            map in prop::collection::vec(prop_oneof![Just(0), Just(!0), any::<u64>(), Just(1 << 63)], 4),
            size in 0usize..=256,
            start in 0usize..300,
        ) {
            prop_assert_eq!(next_set(&map, size, start), brute(&map, size, start.min(size), true));
            prop_assert_eq!(next_zero(&map, size, start), brute(&map, size, start.min(size), false));
            prop_assert_eq!(last_set(&map, size), (0..size).rev().find(|&bit| test(&map, bit)));
        }

        #[test]
        fn ranges_agree_with_brute_force(
            map in prop::collection::vec(any::<u64>(), 4),
            start in 0usize..256,
            len in 0usize..256,
        ) {
            let len = len.min(256 - start);
            let (mut filled, mut emptied) = (map.clone(), map.clone());
            set(&mut filled, start, len);
            clear(&mut emptied, start, len);
            for bit in 0..256 {
                let inside = bit >= start && bit < start + len;
                prop_assert_eq!(test(&filled, bit), inside || test(&map, bit));
                prop_assert_eq!(test(&emptied, bit), !inside && test(&map, bit));
            }
        }

        #[test]
        fn runs_cover_the_map(map in prop::collection::vec(any::<u64>(), 2), size in 1usize..=128) {
            let (mut at, mut zeros) = (0, 0);
            while let Some((start, end)) = zero_run(&map, size, at) {
                prop_assert!(start < end && end <= size);
                zeros += end - start;
                at = end;
            }
            prop_assert_eq!(zeros, (0..size).filter(|&bit| !test(&map, bit)).count());
            prop_assert_eq!(set_run(&map, size, 0).map(|run| run.0).unwrap_or(size), next_set(&map, size, 0));
        }
    }
}
