// SPDX-License-Identifier: GPL-2.0-only
//! What of a patch is reached: by the programs of a campaign, and by programs that call its functions.

mod call;
#[path = "../common/mod.rs"]
mod common;
mod coverage;
