// SPDX-License-Identifier: GPL-2.0-only
//! The parser of text programs and the decoder of bytes.
#![no_main]

percuss_fuzz::target!("program_text");
