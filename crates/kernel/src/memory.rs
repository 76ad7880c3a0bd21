// SPDX-License-Identifier: GPL-2.0-only
//! Memory under pressure: how many pages are free, and which can be had back by whom.

use std::fmt;

/// Pages of the machine besides what boot took. A program without it never runs into reclaim: past its page budget the
/// page allocator just says no.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// Free pages.
    pub free: u16,
    /// The min watermark in pages: what ordinary allocations leave free. At most 127.
    pub reserve: u8,
    /// Page cache that needs no IO to be freed.
    pub clean: u16,
    /// Pages that are free once IO has been done for them; freed with `__GFP_IO` only.
    pub io: u16,
    /// Pages that are free once their file system has worked for them; freed with `__GFP_FS` only.
    pub fs: u16,
    /// Pages of a process that is none of the program's, which the OOM killer takes first; 0 when there is none.
    pub oom: u16,
    /// kswapd runs when it is woken.
    pub kswapd: bool,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { free: 64, reserve: 4, clean: 0, io: 0, fs: 0, oom: 0, kswapd: true }
    }
}

/// Parameters of `memory` in text, in order.
pub const MEMORY: [&str; 7] = ["free", "reserve", "clean", "io", "fs", "oom", "kswapd"];

/// Highest value of `reserve`.
pub const RESERVE_MAX: u8 = 127;

impl Memory {
    /// Sets a parameter of [`MEMORY`]; the error says what its value should look like.
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
