// SPDX-License-Identifier: GPL-2.0-only
//! The fault plan at work: which backing allocation fails.

use percuss_kernel::Fault;
use percuss_kernel::event::Site;

/// Counts allocations per site and says which of them fail.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Vec<Fault>,
    armed: u8,
    seen: [u32; Site::ALL.len()],
}

impl Faults {
    /// Starts a plan; counts start at 0.
    pub fn arm(&mut self, plan: &[Fault]) {
        self.plan.clear();
        self.plan.extend_from_slice(plan);
        self.armed = plan.iter().fold(0, |m, f| m | 1 << f.site as u8);
        self.seen = Default::default();
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
        self.plan.iter().any(|f| f.site == site && n >= f.nth && n - f.nth < f.times.max(1))
    }
}
