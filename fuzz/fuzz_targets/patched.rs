// SPDX-License-Identifier: GPL-2.0-only
//! Two linked images against each other: the tree's, and that of the tree or the files that PERCUSS_PATCHED named when this
//! was built. A difference that no quirk accounts for ends the run.
#![no_main]

percuss_fuzz::target!("patched", percuss_patched::image);
