// SPDX-License-Identifier: GPL-2.0-only
//! Backing pages: one pool per node with a budget, handed out from the top of the node's linear map.

use crate::arena::{PAGE_SHIFT, addresses};
use percuss_kernel::Pfn;

const PER_NODE: u32 = (addresses::NODE >> PAGE_SHIFT) as u32;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Node {
    used: u32,
    /// Frames taken from the top so far. Those below were never handed out, so a reset need not touch them.
    taken: u32,
}

/// What freeing a page revealed.
#[derive(Debug, PartialEq, Eq)]
pub enum Freed {
    Fine,
    NotAllocated,
    StillMapped,
}

/// The page allocator. Which page it hands out depends only on the calls since the last clear.
#[derive(Debug, PartialEq)]
pub struct Pages {
    nodes: [Node; addresses::NODES as usize],
    /// Freed frames by node, handed out again in reverse order.
    free: [Vec<Pfn>; addresses::NODES as usize],
    /// By frame: 0 not allocated, else 1 + number of mappings.
    state: Vec<u16>,
    /// Pages that each node may have in use at once.
    budget: u32,
}

impl Pages {
    pub fn new() -> Pages {
        Pages {
            nodes: Default::default(),
            free: std::array::from_fn(|_| Vec::with_capacity(1024)),
            state: vec![0; (PER_NODE as u64 * addresses::NODES) as usize],
            budget: 0,
        }
    }

    /// All pages are free; none is available before [`Pages::set_budget`].
    pub fn clear(&mut self) {
        let Pages { nodes, free, state, budget } = self;
        for (n, node) in nodes.iter_mut().enumerate() {
            // Frames are taken from the top of a node, so these are all that were handed out.
            let end = (n as u32 + 1) * PER_NODE;
            state[(end - node.taken) as usize..end as usize].fill(0);
            *node = Node::default();
        }
        free.iter_mut().for_each(Vec::clear);
        *budget = 0;
    }

    /// Makes `budget` pages per node available, but not those of the lower half, which memblock hands out.
    pub fn set_budget(&mut self, budget: u32) {
        self.budget = budget.min(PER_NODE / 2);
    }

    /// Pages in use on all nodes.
    pub fn used(&self) -> u32 {
        self.nodes.iter().map(|n| n.used).sum()
    }

    #[inline]
    pub fn alloc(&mut self, node: u32) -> Option<Pfn> {
        let n = &mut self.nodes[node as usize];
        if n.used >= self.budget {
            return None;
        }
        // The page freed last comes first, so a use after free meets a page that has another owner.
        let pfn = self.free[node as usize].pop().unwrap_or_else(|| {
            n.taken += 1;
            (node + 1) * PER_NODE - n.taken
        });
        n.used += 1;
        self.state[pfn as usize] = 1;
        Some(pfn)
    }

    #[inline]
    pub fn free(&mut self, pfn: Pfn) -> Freed {
        match self.state.get(pfn as usize).copied().unwrap_or(0) {
            0 => return Freed::NotAllocated,
            1 => {}
            _ => return Freed::StillMapped,
        }
        let node = (pfn / PER_NODE) as usize;
        self.state[pfn as usize] = 0;
        self.nodes[node].used -= 1;
        self.free[node].push(pfn);
        Freed::Fine
    }

    /// Adds to the mappings of an allocated page. Pages that boot took from memblock are not counted.
    #[inline]
    pub fn mapped(&mut self, pfn: Pfn, delta: i16) {
        if let Some(s) = self.state.get_mut(pfn as usize)
            && *s != 0
        {
            *s = s.saturating_add_signed(delta).max(1);
        }
    }
}
