// SPDX-License-Identifier: GPL-2.0-only
//! The fault plan at work: which backing allocation fails.

use percuss_kernel::Fault;
use percuss_kernel::event::Site;

/// Counts allocations per site and says which of them fail.
#[derive(Debug, Default, PartialEq)]
pub struct Faults {
    plan: Vec<Fault>,
    /// Sites that the plan names, as a mask: most programs have no plan, and most sites none of its faults.
    armed: u8,
    /// Allocations so far, by site. Only those of armed sites are counted.
    seen: [u32; Site::ALL.len()],
}

impl Faults {
    pub fn clear(&mut self) {
        let Faults { plan, armed, seen } = self;
        plan.clear();
        *armed = 0;
        *seen = Default::default();
    }

    pub fn arm(&mut self, plan: &[Fault]) {
        self.clear();
        self.plan.extend_from_slice(plan);
        self.armed = plan.iter().fold(0, |mask, fault| mask | 1 << fault.site as u8);
    }

    /// Counts one allocation at `site`; true when it is to fail.
    #[inline]
    pub fn hit(&mut self, site: Site) -> bool {
        if self.armed & 1 << site as u8 == 0 {
            return false;
        }
        let seen = &mut self.seen[site as usize];
        *seen += 1;
        let n = *seen;
        // A fault without a number of times fails once.
        self.plan.iter().any(|f| f.site == site && n >= f.nth && n - f.nth < f.times.max(1))
    }
}
