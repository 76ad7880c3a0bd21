// SPDX-License-Identifier: GPL-2.0-only
//! Where the tenant's code is, while that is recorded.

use super::log::CallSite;
use percuss_kernel::CONTEXTS;

#[derive(Debug, Default, PartialEq)]
pub struct Sites {
    /// None until the first call site is known: most runs record none, and then nothing is looked up.
    here: Option<Box<[Option<CallSite>; CONTEXTS]>>,
    /// Contexts with their sites of calls in whose reclaim a nested op runs, the innermost last.
    outer: Vec<(usize, Option<CallSite>)>,
}

impl Sites {
    pub fn clear(&mut self) {
        let Sites { here, outer } = self;
        *here = None;
        outer.clear();
    }

    #[inline]
    pub fn get(&self, context: usize) -> Option<&CallSite> {
        self.here.as_ref().and_then(|here| here[context].as_ref())
    }

    pub fn set(&mut self, context: usize, site: Option<CallSite>) {
        // Runs that record no sites never allocate the table.
        if site.is_some() || self.here.is_some() {
            let here = self.here.get_or_insert_with(|| Box::new(std::array::from_fn(|_| None)));
            here[context] = site;
        }
    }

    pub fn enter(&mut self, context: usize) {
        if let Some(here) = &mut self.here {
            self.outer.push((context, here[context].take()));
        }
    }

    /// A nested op ended: the context is where it was when the op began.
    pub fn leave(&mut self, context: usize) {
        if let Some(at) = self.outer.iter().rposition(|(c, _)| *c == context) {
            let (_, site) = self.outer.remove(at);
            self.set(context, site);
        }
    }
}
