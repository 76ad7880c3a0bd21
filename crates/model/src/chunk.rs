// SPDX-License-Identifier: GPL-2.0-only
//! A chunk: its maps and hints, and the search for a place that will hold an area.

use super::bitmap;
use super::block::{BLOCK_BITS, BLOCK_WORDS, MIN_ALLOC, Md, PAGE, align_up};
use percuss_kernel::Addr;
use percuss_kernel::Quirks;

/// Index of a chunk in the slab; [`NONE`] for no chunk. An index is used again after its chunk was destroyed, so it
/// must not be kept longer than the chunk lives.
pub(super) type ChunkId = u32;

/// No chunk, or no list.
pub(super) const NONE: u32 = u32::MAX;

/// Addresses of what the kernel gave for a chunk; 0 for what it does not have. The Model keeps its own metadata, and
/// asks for this memory only because the C allocator does: it fails, sleeps and is accounted the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Backing {
    pub header: Addr,
    pub alloc_map: Addr,
    pub bound_map: Addr,
    pub blocks: Addr,
    /// Object extensions; 0 when the chunk cannot be accounted to a memcg.
    pub ext: Addr,
    pub areas: Addr,
}

/// A range of blocks, inclusive; empty when `low > high`. One range for all changes is coarser than a list of blocks,
/// but it costs two comparisons at each change, and changes of one call are close together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub low: u32,
    pub high: u32,
}

impl Span {
    pub const EMPTY: Span = Span { low: u32::MAX, high: 0 };
    pub const ALL: Span = Span { low: 0, high: u32::MAX };

    #[inline]
    fn cover(&mut self, other: Span) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// The blocks of the span, clipped to `nr`.
    pub fn range(self, nr: usize) -> std::ops::Range<usize> {
        let end = (self.high as usize + 1).min(nr);
        (self.low as usize).min(end)..end
    }
}

/// What one consumer of changes has not seen yet. Each consumer (the digest of a release, the copy for an oracle, the
/// restore) has its own, so that none forgets for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub touched: bool,
    pub span: Span,
}

impl Mark {
    pub const CLEAN: Mark = Mark { touched: false, span: Span::EMPTY };

    #[inline]
    fn cover(&mut self, span: Span) {
        self.touched = true;
        self.span.cover(span);
    }
}

/// Everything of a chunk but its maps; small and `Copy`, so that saving and restoring it is cheap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub base: Addr,
    pub md: Md,
    pub free_bytes: i32,
    pub nr_pages: i32,
    pub nr_populated: i32,
    pub nr_empty: i32,
    /// Bytes hidden before and after the region served.
    pub start_offset: i32,
    pub end_offset: i32,
    pub nr_alloc: i32,
    pub max_alloc_size: u64,
    /// Part of the first chunk: never populated or depopulated.
    pub immutable: bool,
    /// Out of the active slots; its empty pages do not count.
    pub isolated: bool,
    pub live: bool,
    pub prev: ChunkId,
    pub next: ChunkId,
    pub list: u32,
    pub backing: Backing,
    pub release: Mark,
    pub copy: Mark,
    pub save: Mark,
}

impl Default for Header {
    fn default() -> Header {
        Header {
            base: 0,
            md: Md::default(),
            free_bytes: 0,
            nr_pages: 0,
            nr_populated: 0,
            nr_empty: 0,
            start_offset: 0,
            end_offset: 0,
            nr_alloc: 0,
            max_alloc_size: 0,
            immutable: false,
            isolated: false,
            live: false,
            prev: NONE,
            next: NONE,
            list: NONE,
            backing: Backing::default(),
            release: Mark::CLEAN,
            copy: Mark::CLEAN,
            save: Mark::CLEAN,
        }
    }
}

/// `struct pcpu_chunk` with what it points to: metadata of the blocks and the three bitmaps, in the units the kernel
/// has them in. The obj_cgroup vector is not here; who is charged is in `Core::charged`.
#[derive(Clone, Default, Debug)]
pub(super) struct Chunk {
    pub head: Header,
    pub blocks: Vec<Md>,
    pub alloc_map: Vec<u64>,
    /// A set bit starts an area, or ends the one before it; one bit more than `alloc_map`.
    pub bound_map: Vec<u64>,
    pub populated: Vec<u64>,
}

/// Fills `vec` with `len` copies of `value`. Its memory is kept, since chunks come and go often and nearly all are of
/// the same size.
fn refill<T: Copy>(vec: &mut Vec<T>, len: usize, value: T) {
    vec.clear();
    vec.resize(len, value);
}

impl Chunk {
    /// Makes this an empty chunk of `nr_pages` pages, all of it free and none of it populated. Its memory may be that
    /// of a dropped chunk: nothing of that one is left, and a restore copies all of it.
    pub fn init(&mut self, nr_pages: i32) {
        let pages = nr_pages as usize;
        let bits = pages * BLOCK_BITS as usize;
        self.head = Header { nr_pages, live: true, ..Header::default() };
        self.head.md.free_all(bits as i32);
        self.head.free_bytes = nr_pages * PAGE as i32;
        // What the memory held before is not what was saved, so all of it differs.
        self.head.save = Mark { touched: true, span: Span::ALL };
        let mut block = Md::default();
        block.free_all(BLOCK_BITS);
        refill(&mut self.blocks, pages, block);
        refill(&mut self.alloc_map, bitmap::words(bits), 0);
        refill(&mut self.bound_map, bitmap::words(bits + 1), 0);
        refill(&mut self.populated, bitmap::words(pages), 0);
    }

    #[inline]
    pub fn map_bits(&self) -> i32 {
        self.head.nr_pages * BLOCK_BITS
    }

    #[inline]
    pub fn block_map(&self, index: usize) -> &[u64] {
        &self.alloc_map[index * BLOCK_WORDS..(index + 1) * BLOCK_WORDS]
    }

    /// Whether `addr`, relative to unit offset 0, is served from this chunk (`pcpu_addr_in_chunk`).
    #[inline]
    pub fn serves(&self, addr: Addr) -> bool {
        let head = &self.head;
        let start = head.base + head.start_offset as u64;
        // Reserved and dynamic part of the first chunk may share a page; the offsets decide which of them serves an
        // address.
        let end = head.base + head.nr_pages as u64 * PAGE - head.end_offset as u64;
        addr >= start && addr < end
    }

    #[inline]
    pub fn touch_header(&mut self) {
        self.touch(Span::EMPTY);
    }

    /// Notes that bits `from..to` changed; hints of the block before may have, too.
    #[inline]
    pub fn touch_bits(&mut self, from: i32, to: i32) {
        // Joining areas changes only blocks that the area is in, but a scan that passed an area over may have taught
        // the block it started in.
        let low = (from / BLOCK_BITS - 1).max(0) as u32;
        let high = ((to - 1) / BLOCK_BITS) as u32;
        self.touch(Span { low, high });
    }

    #[inline]
    fn touch(&mut self, span: Span) {
        self.head.release.cover(span);
        self.head.copy.cover(span);
        self.head.save.cover(span);
    }

    /// Where to begin scanning for `bits` with this alignment, among populated pages only when `pop_only`
    /// (`pcpu_find_block_fit`). A region that does not fit a hint is passed over even when an area would fit: the
    /// kernel trusts hints here and looks at the map only in `pcpu_alloc_area`, so `take` may still find nothing.
    pub fn find_fit(&self, bits: i32, align: i32, pop_only: bool, quirks: &Quirks) -> Option<i32> {
        // The chunk's own hint spares the walk over its blocks.
        if !self.head.md.fits(bits, align) {
            return None;
        }
        // Everything before the end of a scan hint that is too small is too small as well.
        let mut from = self.head.md.search_start(bits, quirks);
        loop {
            let (at, len) = self.next_fit((bits, align), from, quirks)?;
            // Callers that may sleep take any region and populate it afterwards.
            match pop_only.then(|| self.hole(at, len)).flatten() {
                None => return Some(at),
                Some(behind) => from = behind,
            }
        }
    }

    /// The next region at or after `from` that promises to hold the area: its start, and enough length to judge whether
    /// it is populated (`pcpu_next_fit_region`).
    fn next_fit(&self, (alloc_bits, align): (i32, i32), from: i32, quirks: &Quirks) -> Option<(i32, i32)> {
        let first = (from / BLOCK_BITS) as usize;
        let mut within = from % BLOCK_BITS;
        let (mut at, mut bits) = (from, 0);
        for (index, block) in self.blocks.iter().enumerate().skip(first) {
            let base = index as i32 * BLOCK_BITS;
            if bits != 0 {
                bits += block.left_free;
                if bits >= alloc_bits {
                    return Some((at, bits));
                }
                if block.left_free == BLOCK_BITS {
                    continue;
                }
            }
            // A contig hint before `within` was offered already.
            let skip = align_up(block.contig_hint_start, align) - block.contig_hint_start;
            let fresh = block.contig_hint != 0 && block.contig_hint_start >= within;
            if fresh && block.contig_hint >= skip + alloc_bits {
                // The scan may start before the hint, as free bits ahead of it may do. The length reaches to where the
                // area would end in the hint.
                let start = block.search_start(alloc_bits, quirks);
                return Some((base + start, skip + alloc_bits + block.contig_hint_start - start));
            }
            within = 0;
            let edge = align_up(BLOCK_BITS - block.right_free, align);
            at = base + edge;
            bits = BLOCK_BITS - edge;
            if bits >= alloc_bits {
                return Some((at, bits));
            }
        }
        None
    }

    /// `None` when all pages of `at..at + len` are populated, else where to look on: behind the first hole
    /// (`pcpu_is_populated`).
    fn hole(&self, at: i32, len: i32) -> Option<i32> {
        let page = |bits: i32| (bits / BLOCK_BITS) as usize;
        // The page that holds the last bit counts as well.
        let end = page(at + len + BLOCK_BITS - 1);
        // Looking on within the hole would only find the same pages again.
        let (_, behind) = bitmap::zero_run(&self.populated, end, page(at))?;
        Some(behind as i32 * BLOCK_BITS)
    }

    /// The next free region at or after `from` as far as hints tell, joined across blocks: start and length
    /// (`pcpu_next_md_free_region`). A refresh of the chunk's hints walks over these; the areas of a block that are
    /// neither its contig hint nor at an edge are not seen.
    pub fn next_region(&self, from: i32) -> Option<(i32, i32)> {
        let mut within = from % BLOCK_BITS;
        let (mut at, mut bits) = (from, 0);
        for (index, block) in self.blocks.iter().enumerate().skip((from / BLOCK_BITS) as usize) {
            let base = index as i32 * BLOCK_BITS;
            if bits != 0 {
                bits += block.left_free;
                if block.left_free == BLOCK_BITS {
                    continue;
                }
                return Some((at, bits));
            }
            // A contig hint at the right edge goes on in the next block and is found as right_free.
            let start = block.contig_hint_start;
            if block.contig_hint != 0 && start >= within && start + block.contig_hint < BLOCK_BITS {
                return Some((base + start, block.contig_hint));
            }
            within = 0;
            bits = block.right_free;
            at = base + BLOCK_BITS - bits;
        }
        (at < self.map_bits()).then_some((at, bits))
    }

    /// First run of pages at or after `from` that are not populated, below `end`.
    pub fn unpopulated(&self, from: i32, end: i32) -> Option<(i32, i32)> {
        let (start, stop) = bitmap::zero_run(&self.populated, end as usize, from as usize)?;
        Some((start as i32, stop as i32))
    }

    /// First run of populated pages at or after `from`.
    pub fn populated_run(&self, from: i32) -> Option<(i32, i32)> {
        let (start, stop) = bitmap::set_run(&self.populated, self.head.nr_pages as usize, from as usize)?;
        Some((start as i32, stop as i32))
    }

    /// Whether a page is populated and no bit of it is taken. A block covers a page, so a contig hint as long as the
    /// block answers the second without a look at the map.
    pub fn page_is_empty(&self, page: i32) -> bool {
        self.blocks[page as usize].contig_hint == BLOCK_BITS && bitmap::test(&self.populated, page as usize)
    }

    /// Bytes of the largest area the chunk is known to hold, 0 for none: what its slot goes by.
    #[inline]
    pub fn slot_bytes(&self) -> i32 {
        if self.head.free_bytes < MIN_ALLOC { 0 } else { self.head.md.contig_hint * MIN_ALLOC }
    }
}
