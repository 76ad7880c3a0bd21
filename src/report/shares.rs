// SPDX-License-Identifier: GPL-2.0-only
//! Shares of the geometry axes in a campaign.

use percuss_engine::judge::Batch;
use percuss_program::Generator;
use percuss_program::axes::AxisShares;

/// How often each value of each geometry axis was generated. What was generated depends on seed and number only.
pub(super) fn shares(seed: u64, batch: &Batch) -> AxisShares {
    let mut shares = AxisShares::default();
    let generator = Generator::new(seed);
    // The axes are stratified: 20 000 programs show what a million do.
    for index in 0..batch.programs.min(20_000) {
        shares.count(&generator.geometry(index));
    }
    shares
}
