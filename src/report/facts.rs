// SPDX-License-Identifier: GPL-2.0-only
//! Facts of two images that differ: constants, sizes of structures, and how services are called. They stand first in a
//! comparison, since a size alone explains many a line that would follow.

use serde_json::{Map, Value, json};

use percuss_engine::image::Image;

/// A fact that two images do not share.
pub(super) struct Fact {
    pub name: String,
    pub before: Value,
    pub after: Value,
}

impl Fact {
    pub fn json(&self) -> Value {
        json!({"name": self.name, "before": self.before, "after": self.after})
    }
}

/// The facts that differ, sizes first.
pub(super) fn facts(before: &Image, after: &Image) -> Vec<Fact> {
    let [a, b] = [before, after].map(all);
    let differ = a.iter().filter(|(name, value)| b.get(*name) != Some(value));
    differ.map(|(name, value)| Fact { name: words(name), before: value.clone(), after: b[name].clone() }).collect()
}

/// All facts by the names of their fields, so that a new one cannot be forgotten here.
fn all(image: &Image) -> Map<String, Value> {
    let of = |value: Value| value.as_object().cloned().unwrap_or_default();
    of(json!(image.facts)).into_iter().chain(of(json!(image.api))).collect()
}

/// The kernel's name for a fact, where it has one.
fn words(field: &str) -> String {
    let name = match field {
        "chunk_fixed_size" => "sizeof(struct pcpu_chunk)",
        "block_md_size" => "sizeof(struct pcpu_block_md)",
        "obj_ext_size" => "bytes for memcg for each unit of allocation",
        "vm_struct_size" => "sizeof(struct vm_struct)",
        "alloc_info_size" => "sizeof(struct pcpu_alloc_info)",
        "group_info_size" => "sizeof(struct pcpu_group_info)",
        "dyn_early_size" => "PERCPU_DYNAMIC_EARLY_SIZE",
        "min_unit_size" => "PCPU_MIN_UNIT_SIZE",
        "slot_base_shift" => "PCPU_SLOT_BASE_SHIFT",
        "slot_fail_threshold" => "PCPU_SLOT_FAIL_THRESHOLD",
        "empty_pop_low" => "PCPU_EMPTY_POP_PAGES_LOW",
        "empty_pop_high" => "PCPU_EMPTY_POP_PAGES_HIGH",
        "vm_areas_gfp" => "pcpu_get_vm_areas() takes a gfp",
        "map_gfp" => "vmap_pages_range_noflush() takes a gfp",
        "gfp_scope" => "memalloc_apply_gfp_scope() is used",
        "chunk_in_private" => "a page's chunk is in page->private",
        other => return other.replace('_', " "),
    };
    name.to_owned()
}
