// SPDX-License-Identifier: GPL-2.0-only
//! The percuss command.

fn main() {}
