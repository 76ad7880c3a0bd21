// SPDX-License-Identifier: GPL-2.0-only
//! The GFP audit: every backing allocation with what its caller asked for, what reached the page allocator, and the
//! locks held. Fed by events, for any tenant.

mod asks;
mod results;
mod stream;
mod table;
mod tracker;

pub use asks::{Ask, Asks};
pub use results::{Clues, Failure, Results, allocates, could_sleep};
pub use stream::{Act, Parting, Stream};
pub use table::{Audit, AuditRow, Backing, Populate};
pub use tracker::Tracker;

/// What allocates memory in a real kernel on these paths and is not modelled, for readers of the table.
pub const NOT_MODELLED: &str = "not modelled: KASAN shadow for new areas (GFP_KERNEL in v6.12), KMSAN shadow, \
     kmemleak objects, page-extension and memcg objects of single pages, slab pages behind kzalloc, the parts of \
     pcpu_get_vm_areas() one by one (they share one mask)";
