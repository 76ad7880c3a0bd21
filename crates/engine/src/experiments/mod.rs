// SPDX-License-Identifier: GPL-2.0-only
//! Experiments: what is made of campaigns to answer one question.

pub mod detection;
pub mod scenario;
pub mod soak;
