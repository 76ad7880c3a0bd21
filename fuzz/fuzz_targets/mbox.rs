// SPDX-License-Identifier: GPL-2.0-only
//! The parsers of diffs, mails and threads, which read what a mailing list's archive serves.
#![no_main]

percuss_fuzz::target!("mbox");
