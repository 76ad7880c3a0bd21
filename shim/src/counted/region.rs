// SPDX-License-Identifier: GPL-2.0-only
//! A stretch of code, as the compiler counts it.

/// A place in a file: line and column, from 1.
pub type Place = (u32, u32);

/// A stretch of code that runs as a whole, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Path below the tree.
    pub file: String,
    pub start: Place,
    /// The place after its last character.
    pub end: Place,
    /// It is the whole body of a function.
    pub body: bool,
    /// The blank between two statements, which counts as the second one and has no code.
    pub gap: bool,
    /// How often it ran: the sum of these counters, each times a factor. Empty for code that is left out of the image.
    pub count: Vec<(i32, u32)>,
}
