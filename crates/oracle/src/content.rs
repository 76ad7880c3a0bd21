// SPDX-License-Identifier: GPL-2.0-only
//! Content: per-CPU memory is zero after an allocation, then what the program wrote, on every possible CPU; areas do
//! not overlap, and queries about addresses are answered rightly.
//!
//! The runner looks at the memory, since it must do so before an area is freed; it notes what is wrong, and the oracle
//! reports that when the program has ended.

use percuss_kernel::DRAIN;
use percuss_world::World;
use percuss_world::areas::{Area, pattern, pattern_steps};
use percuss_world::arena::wide;
use percuss_world::sample::Contents;

use crate::arguments::illegal_arguments;
use crate::wrong::ContentError;
use crate::{Finding, Oracle, OracleKind, Scene};

/// Reports what is wrong in per-CPU memory: what the runner noted during the run, and damage to the static areas, which
/// no op writes.
#[derive(Debug, Default)]
pub struct Content;

impl Oracle for Content {
    fn run_ended(&mut self, scene: &Scene<'_>, found: &mut Vec<Finding>) {
        for (event, op, e) in scene.wrong.borrow().iter() {
            found.push(Finding::new(OracleKind::Content, *op, e.title(), format!("{e:x?}")).at(*event));
        }
        // A static area is never freed, which would be the moment to look at it, so it is compared once, at the end.
        if scene.whole
            && scene.contents != Contents::Ignored
            && let Some((cpu, at)) = scene.host.world().static_damage()
        {
            let title = "percuss: the static area of a CPU was overwritten";
            found.push(Finding::new(OracleKind::Content, DRAIN, title, format!("CPU {cpu}, byte {at}")));
        }
    }
}

/// Judges a granted area by its place alone. True when what is in it is worth a look: it is the program's alone.
///
/// `align` is what the allocator makes of the alignment asked for, at least its granule.
pub fn granted(w: &World, area: &Area, (size, align): (u32, u32), mut wrong: impl FnMut(ContentError)) -> bool {
    let ptr = area.ptr;
    if illegal_arguments(size, align) {
        wrong(ContentError::Granted { size, align });
        // There is no right content for an area that must not exist.
        return false;
    }
    // The static image is page aligned, so alignment of the pointer is alignment of the area.
    if !ptr.is_multiple_of(align as u64) {
        wrong(ContentError::Misaligned { ptr, align });
    }
    let other = w.areas().overlapping(ptr, area.size);
    if let Some(other) = other {
        wrong(ContentError::Overlap { ptr, size: area.size, other: other.ptr });
    }
    other.is_none()
}

/// Fills every CPU's copy with the pattern of `seed`, as far as it is looked at.
pub fn write(w: &World, area: &Area, seed: u8) {
    wide(|| {
        for (rank, cpu) in (0..).zip(w.cpus()) {
            for part in area.sample.parts(rank, area.size) {
                write_range(w, area, seed, cpu, part);
            }
        }
    });
}

#[inline(always)]
fn write_range(w: &World, area: &Area, seed: u8, cpu: u32, (from, len): (u32, u32)) {
    let mut chunk = [0u8; 512];
    // Through a buffer, so that the World is asked once for 512 bytes and not once for each word.
    let base = w.copy_of(area.ptr, cpu);
    let mut pattern_at = Strides::new(seed, cpu, from / 4);
    let (mut at, end) = (from, from + len);
    while at < end {
        let n = (end - at).min(chunk.len() as u32);
        for stride in chunk[..n.next_multiple_of(STRIDE as u32) as usize].as_chunks_mut::<STRIDE>().0 {
            for (to, word) in stride.as_chunks_mut::<4>().0.iter_mut().zip(pattern_at.next()) {
                *to = word.to_le_bytes();
            }
        }
        w.write_unit(base + at as u64, &chunk[..n as usize]);
        at += n;
    }
}

/// Checks every CPU's copy, as far as it is looked at.
///
/// # Errors
/// The first wrong byte, or a copy that is not mapped.
pub fn verify(w: &World, area: &Area) -> Result<(), ContentError> {
    wide(|| {
        // Loops and no try_for_each(): its closures would not be compiled for the wide vectors.
        for (rank, cpu) in (0..).zip(w.cpus()) {
            for part in area.sample.parts(rank, area.size) {
                verify_range(w, area, cpu, part)?;
            }
        }
        Ok(())
    })
}

/// Checks every CPU's copy of an area that is about to be freed, and overwrites it, so that an owner that gets it next
/// without zeroing is seen. One after the other, because a copy that was just looked at is still in the cache.
pub fn verify_and_scribble(w: &World, area: &Area) -> Result<(), ContentError> {
    let mut result = Ok(());
    wide(|| {
        for cpu in w.cpus() {
            if result.is_ok() {
                result = verify_range(w, area, cpu, (0, area.size));
            }
            w.fill_unit(w.copy_of(area.ptr, cpu), area.size as u64);
        }
    });
    result
}

/// Checks a part of a copy, which begins at a multiple of 4.
#[inline(always)]
fn verify_range(w: &World, area: &Area, cpu: u32, (from, len): (u32, u32)) -> Result<(), ContentError> {
    let base = w.copy_of(area.ptr, cpu);
    let Some(bytes) = w.read_unit(base + from as u64, len as u64) else {
        return Err(ContentError::Unmapped { ptr: area.ptr, cpu });
    };
    let wrong = match area.seed {
        // The program has not written it yet, so it must be as pcpu_alloc() gives it.
        None => first_nonzero(bytes).map(|at| (at, 0)),
        Some(seed) => first_differing(bytes, seed, cpu, from / 4),
    };
    match wrong {
        Some((at, expected)) => {
            Err(ContentError::Differs { ptr: area.ptr, cpu, at: from + at as u32, expected, found: bytes[at] })
        }
        None => Ok(()),
    }
}

/// Bytes looked at before anything is decided: enough for the compiler to use wide registers.
const STRIDE: usize = 64;

#[inline(always)]
fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let (strides, tail) = bytes.as_chunks::<STRIDE>();
    let any = |stride: &[u8; STRIDE]| {
        let (words, _) = stride.as_chunks::<8>();
        words.iter().fold(0, |any, w| any | u64::from_ne_bytes(*w)) != 0
    };
    match strides.iter().position(any) {
        None => tail.iter().position(|b| *b != 0).map(|at| strides.len() * STRIDE + at),
        Some(i) => strides[i].iter().position(|b| *b != 0).map(|at| i * STRIDE + at),
    }
}

/// `word`: number of the word that `bytes` begin with.
#[inline(always)]
fn first_differing(bytes: &[u8], seed: u8, cpu: u32, word: u32) -> Option<(usize, u8)> {
    let (strides, _) = bytes.as_chunks::<STRIDE>();
    let mut pattern_at = Strides::new(seed, cpu, word);
    // Skips what is as it should be; where it is not, or at the end, each byte is looked at.
    let same = strides.iter().take_while(|stride| {
        let expected = pattern_at.next();
        let (words, _) = stride.as_chunks::<4>();
        words.iter().zip(&expected).fold(0, |wrong, (w, e)| wrong | (u32::from_le_bytes(*w) ^ e)) == 0
    });
    // `|` over the whole stride, not a test of each word: a branch would keep the compiler from wide registers.
    let skip = same.count() * STRIDE;
    for (i, found) in bytes[skip..].chunks(4).enumerate() {
        let at = skip + i * 4;
        let expected = pattern(seed, cpu, word + at as u32 / 4).to_le_bytes();
        if let Some(k) = found.iter().zip(&expected).position(|(a, b)| a != b) {
            return Some((at + k, expected[k]));
        }
    }
    None
}

/// The pattern, a stride at a time; each word is computed by itself, so that the compiler can do all at once.
struct Strides {
    first: u32,
    steps: [u32; STRIDE / 4],
    stride: u32,
}

impl Strides {
    #[inline(always)]
    fn new(seed: u8, cpu: u32, word: u32) -> Strides {
        let (start, step) = pattern_steps(seed, cpu);
        let first = start.wrapping_add(step.wrapping_mul(word));
        let steps = std::array::from_fn(|i| step.wrapping_mul(i as u32));
        Strides { first, steps, stride: step.wrapping_mul(STRIDE as u32 / 4) }
    }

    #[inline(always)]
    fn next(&mut self) -> [u32; STRIDE / 4] {
        let words = self.steps.map(|step| self.first.wrapping_add(step) | 1);
        self.first = self.first.wrapping_add(self.stride);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of the pattern, and every place at which one can be wrong.
    #[test]
    fn wrong_bytes_are_found_where_they_are() {
        let right: Vec<u8> = (0..75).flat_map(|word| pattern(9, 3, word).to_le_bytes()).collect();
        assert_eq!(first_differing(&right, 9, 3, 0), None);
        assert_eq!(first_nonzero(&[0; 300]), None);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 0x40;
            assert_eq!(first_differing(&wrong, 9, 3, 0), Some((at, right[at])));
            let mut zeroes = [0; 300];
            zeroes[at] = 1;
            assert_eq!(first_nonzero(&zeroes), Some(at));
        }
        assert_eq!(first_differing(&right[20..], 9, 3, 5), None, "from the middle on");
        assert!(first_differing(&right, 9, 4, 0).is_some());
        assert!(first_differing(&right, 8, 3, 0).is_some());
    }
}
