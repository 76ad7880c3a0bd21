// SPDX-License-Identifier: GPL-2.0-only
//! The parsers of diffs, mails and threads.
#![no_main]

percuss_fuzz::target!("mbox");
