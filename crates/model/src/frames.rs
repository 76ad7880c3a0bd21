// SPDX-License-Identifier: GPL-2.0-only
//! Which chunk a page frame backs: the way from an address to its chunk (`pcpu_set_page_chunk`, `pcpu_get_page_chunk`).

use super::chunk::{ChunkId, NONE};
use percuss_kernel::Pfn;

const PART: usize = 1024;

/// Frame -> chunk it backs or once backed. In parts, because frames count down from the top of a node: a table of all would
/// be megabytes for each Model, of which a few entries are used.
#[derive(Default, Debug)]
pub(super) struct Frames {
    parts: Vec<Option<Box<[ChunkId; PART]>>>,
    noted: Vec<Pfn>,
}

impl Frames {
    #[inline]
    pub fn chunk(&self, pfn: Pfn) -> Option<ChunkId> {
        let part = self.parts.get(pfn as usize / PART)?.as_ref()?;
        Some(part[pfn as usize % PART]).filter(|&id| id != NONE)
    }

    #[inline]
    pub fn set(&mut self, pfn: Pfn, id: ChunkId) {
        let at = pfn as usize / PART;
        if at >= self.parts.len() {
            self.parts.resize_with(at + 1, || None);
        }
        let part = self.parts[at].get_or_insert_with(|| Box::new([NONE; PART]));
        if std::mem::replace(&mut part[pfn as usize % PART], id) == NONE {
            self.noted.push(pfn);
        }
    }

    /// No frame backs a chunk any more. The cost follows the number of frames that had an entry; memory is kept for the
    /// next.
    pub fn clear(&mut self) {
        for pfn in self.noted.drain(..) {
            if let Some(part) = &mut self.parts[pfn as usize / PART] {
                part[pfn as usize % PART] = NONE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_and_forgotten() {
        let mut frames = Frames::default();
        let far = 9 * PART as Pfn + 7;
        assert_eq!(frames.chunk(far), None);
        frames.set(far, 3);
        frames.set(7, 4);
        frames.set(7, 5);
        assert_eq!([7, far, far - 1, far + PART as Pfn].map(|pfn| frames.chunk(pfn)), [Some(5), Some(3), None, None]);
        assert_eq!(frames.noted, [far, 7]);
        frames.clear();
        assert_eq!([7, far].map(|pfn| frames.chunk(pfn)), [None; 2]);
        frames.set(far, 0);
        assert_eq!(frames.chunk(far), Some(0));
    }
}
