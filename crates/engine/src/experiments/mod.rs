// SPDX-License-Identifier: GPL-2.0-only
//! Experiments answer one question each with the means of campaigns: how soon the oracles find seeded bugs (`detection`),
//! what variants of a tree do in cases that people argued about (`scenario`), and whether runs on real threads can be
//! replayed (`soak`).

pub mod detection;
pub mod scenario;
pub mod soak;
