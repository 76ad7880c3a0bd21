// SPDX-License-Identifier: GPL-2.0-only
//! Memory under pressure: how many pages are free, and what reclaim can free.

use std::fmt;

/// Pages of the machine apart from what boot took, by what it takes to free them.
///
/// A program without it never runs into reclaim: beyond its page budget the page allocator fails at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    pub free: u16,
    /// The min watermark in pages, at most 127: what ordinary allocations leave free.
    ///
    /// Allocations with `__GFP_HIGH` and tasks in reclaim may use half of it or all.
    pub reserve: u8,
    pub clean: u16,
    pub io: u16,
    /// Pages that need their file system to be freed; only reclaim with `__GFP_FS` frees them.
    ///
    /// So a noio or nofs scope makes memory short that is not, which is what such programs are for.
    pub fs: u16,
    /// Pages of a process outside the program, which the OOM killer kills first; 0 if there is none.
    pub oom: u16,
    /// kswapd runs when it is woken.
    ///
    /// Off, only direct reclaim frees pages.
    pub kswapd: bool,
}

impl Default for Memory {
    fn default() -> Memory {
        // Enough for a few chunks, so that a program gets going before it runs out.
        Memory { free: 64, reserve: 4, clean: 0, io: 0, fs: 0, oom: 0, kswapd: true }
    }
}

/// Names of the parameters of `memory` in text programs, in the order in which they are printed.
///
/// The parser refuses any other name before it calls [`Memory::set`].
pub const MEMORY: [&str; 7] = ["free", "reserve", "clean", "io", "fs", "oom", "kswapd"];

/// Highest value of `reserve`.
///
/// The byte form has its upper bit for kswapd.
pub const RESERVE_MAX: u8 = 127;

impl Memory {
    /// Sets a parameter by a name of [`MEMORY`].
    ///
    /// The error says what its value should look like.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        let pages = || value.parse::<u16>().map_err(|_| "a number of pages, 0 to 65535");
        match key {
            "free" => self.free = pages()?,
            "clean" => self.clean = pages()?,
            "io" => self.io = pages()?,
            "fs" => self.fs = pages()?,
            "oom" => self.oom = pages()?,
            "reserve" => {
                let fits = value.parse().ok().filter(|r| *r <= RESERVE_MAX);
                self.reserve = fits.ok_or("a number of pages, 0 to 127")?;
            }
            // The last name of the list.
            _ => {
                self.kswapd = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err("on or off"),
                }
            }
        }
        Ok(())
    }

    /// Brings values into their range.
    ///
    /// Brings values into range.
    pub fn repair(&mut self) {
        self.reserve &= RESERVE_MAX;
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory { free, reserve, clean, io, fs, oom, kswapd } = *self;
        let kswapd = if kswapd { "on" } else { "off" };
        write!(f, "memory free={free} reserve={reserve} clean={clean} io={io} fs={fs} oom={oom} kswapd={kswapd}")
    }
}
