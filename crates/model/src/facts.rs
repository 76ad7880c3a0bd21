// SPDX-License-Identifier: GPL-2.0-only
//! Facts of a tree and its configuration that the Model takes as inputs.

use super::block::{BLOCK_BITS, MIN_ALLOC, PAGE};

/// Sizes and limits of an image (`struct percuss_facts`); sizes in bytes. Fields are the `sizeof` or the constant of
/// the same name in the kernel. Sizes matter although the Model has its own structures: they decide whether metadata
/// comes from slab or vmalloc and how much memory boot takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// `PAGE_SIZE`; only 4096 is modelled.
    pub page_size: u32,
    /// `sizeof(struct pcpu_chunk)`, to which the words of the populated bitmap are added.
    pub chunk_fixed_size: u32,
    pub block_md_size: u32,
    /// Bytes per allocation unit in the object extension vector; 0 without memcg.
    pub obj_ext_size: u32,
    pub vm_struct_size: u32,
    pub dyn_early_size: u32,
    pub min_unit_size: u32,
    /// `PCPU_MIN_ALLOC_SIZE`; only 4 is modelled.
    pub min_alloc_size: u32,
    /// `PCPU_BITMAP_BLOCK_BITS`; only 1024 is modelled.
    pub block_bits: u32,
    pub slot_base_shift: u32,
    pub slot_fail_threshold: u32,
    pub empty_pop_low: u32,
    pub empty_pop_high: u32,
    /// `CONFIG_MEMCG` with kmem accounting compiled in.
    pub has_memcg: bool,
    pub has_stats: bool,
    pub alloc_info_size: u32,
    pub group_info_size: u32,
    /// `SMP_CACHE_BYTES`
    pub cache_line: u32,
}

impl Default for Facts {
    /// 6.12 on x86-64 with memcg and percpu statistics.
    fn default() -> Facts {
        Facts {
            page_size: 4096,
            chunk_fixed_size: 256,
            block_md_size: 32,
            obj_ext_size: 8,
            vm_struct_size: 64,
            dyn_early_size: 20 << 10,
            min_unit_size: 32 << 10,
            min_alloc_size: 4,
            block_bits: 1024,
            slot_base_shift: 5,
            slot_fail_threshold: 3,
            empty_pop_low: 2,
            empty_pop_high: 4,
            has_memcg: true,
            has_stats: true,
            alloc_info_size: 64,
            group_info_size: 24,
            cache_line: 64,
        }
    }
}

impl Facts {
    /// Whether the Model can follow an image with these facts: sizes of page, block and allocation unit are compiled
    /// in. An image with others must be refused, since each digest would differ.
    pub fn supported(&self) -> bool {
        self.page_size as u64 == PAGE && self.block_bits as i32 == BLOCK_BITS && self.min_alloc_size as i32 == MIN_ALLOC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_is_not_another() {
        let facts = Facts::default();
        let others = [
            Facts { page_size: 16 << 10, ..facts },
            Facts { block_bits: 512, ..facts },
            Facts { min_alloc_size: 8, ..facts },
        ];
        assert!(facts.supported() && others.iter().all(|other| !other.supported()));
    }
}
