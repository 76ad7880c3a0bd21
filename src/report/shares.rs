// SPDX-License-Identifier: GPL-2.0-only
//! Shares of the geometry axes in a campaign. They are computed when the report is written rather than counted by
//! workers, which would have to send them.

use percuss_engine::judge::Batch;
use percuss_program::Generator;
use percuss_program::axes::AxisShares;

/// How often each value of each geometry axis was generated. A geometry depends on the seed and the number of its
/// program only, so generating it again gives what the campaign ran.
pub(super) fn shares(seed: u64, batch: &Batch) -> AxisShares {
    let mut shares = AxisShares::default();
    let generator = Generator::new(seed);
    // The axes are stratified: 20 000 programs show what a million do.
    for index in 0..batch.programs.min(20_000) {
        shares.count(&generator.geometry(index));
    }
    shares
}
