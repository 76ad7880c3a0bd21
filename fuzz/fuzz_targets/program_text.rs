// SPDX-License-Identifier: GPL-2.0-only
//! The parser of text programs and the decoder of bytes. Both read files of users and inputs of fuzzers, and must
//! refuse any text without a panic.
#![no_main]

percuss_fuzz::target!("program_text");
