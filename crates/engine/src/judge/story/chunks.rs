// SPDX-License-Identifier: GPL-2.0-only
//! Names of chunks, in order of their creation.

use std::collections::BTreeMap;

use percuss_kernel::{Addr, TraceAlloc};

use super::row::Place;

/// The chunks of a run. Names stay with a chunk, unlike its address, which the next one may get.
#[derive(Debug)]
pub(super) struct Chunks {
    /// Names of chunks that are there and were made after boot, by base address.
    made: BTreeMap<Addr, String>,
    /// Where live areas are, by pointer. The base address alone does not tell the first chunk from the reserved one:
    /// they may begin in the same page.
    live: BTreeMap<Addr, Place>,
    /// There is a reserved chunk; without one the reserved flag of an allocation means nothing.
    reserved: bool,
    /// The number that the next chunk gets.
    next: u32,
}

impl Chunks {
    /// The chunks after boot: the first one, and the reserved one if there is one.
    pub fn new(reserved: bool) -> Chunks {
        // The first chunk counts as number 1, although it goes by its name.
        Chunks { made: BTreeMap::new(), live: BTreeMap::new(), reserved, next: 2 }
    }

    pub fn create(&mut self, base: Addr) -> String {
        let name = self.next.to_string();
        self.next += 1;
        self.made.insert(base, name.clone());
        name
    }

    pub fn destroy(&mut self, base: Addr) -> String {
        self.made.remove(&base).unwrap_or_else(|| FIRST.to_owned())
    }

    pub fn alloc(&mut self, t: &TraceAlloc) -> Place {
        let chunk = match self.made.get(&t.base_addr) {
            Some(name) => name.clone(),
            None if t.reserved && self.reserved => "reserved".to_owned(),
            None => FIRST.to_owned(),
        };
        let place = Place { chunk, base: t.base_addr, offset: t.off, bytes: Some(t.size) };
        self.live.insert(t.ptr, place.clone());
        place
    }

    pub fn free(&mut self, base: Addr, offset: i32, ptr: Addr) -> Place {
        // What was never allocated has a place too: that of an unsafe caller's pointer.
        self.live.remove(&ptr).unwrap_or_else(|| Place {
            chunk: self.made.get(&base).map_or_else(|| FIRST.to_owned(), String::clone),
            base,
            offset,
            bytes: None,
        })
    }
}

const FIRST: &str = "first";
