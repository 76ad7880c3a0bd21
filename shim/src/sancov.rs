// SPDX-License-Identifier: GPL-2.0-only
//! What libFuzzer's tables say of the C. A fuzz target whose C was not instrumented would run blindly without a word,
//! so it checks here; and what should not count as coverage is taken back here.

use crate::image::Image;

/// What libFuzzer's tables say of the linked image. All are 0 in a program without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// Instrumented places of the whole program, Rust included; 0 when it is no fuzz target.
    pub places: usize,
    /// Functions that enter percpu.c from outside.
    pub functions: usize,
    pub instrumented: usize,
    /// Those of them whose counter is not 0: they ran since the fuzzer last looked.
    pub ran: usize,
}

impl Image {
    /// Looks the image's functions up in libFuzzer's tables.
    ///
    /// It is a search through all places of the program, Rust included.
    #[cfg(percuss_static)]
    pub fn coverage(&self) -> Coverage {
        #[repr(C)]
        struct Pc {
            pc: usize,
            flags: usize,
        }
        unsafe extern "C" {
            fn percuss_sancov(pcs: *mut *const Pc, counters: *mut *const u8) -> usize;
        }
        let (mut pcs, mut counters) = (std::ptr::null(), std::ptr::null());
        // SAFETY: both places are ours.
        let places = unsafe { percuss_sancov(&mut pcs, &mut counters) };
        let functions = self.functions();
        let mut out = Coverage { places, functions: functions.len(), ..Coverage::default() };
        for i in 0..places {
            // SAFETY: the linker made both tables with as many entries; they stay mapped. Counters change under us only
            // where this thread runs instrumented code.
            let (pc, count) = unsafe { ((*pcs.add(i)).pc, counters.add(i).read_volatile()) };
            if functions.contains(&pc) {
                out.instrumented += 1;
                out.ran += (count != 0) as usize;
            }
        }
        out
    }

    #[cfg(not(percuss_static))]
    pub fn coverage(&self) -> Coverage {
        Coverage::default()
    }

    #[cfg(percuss_static)]
    fn functions(&self) -> [usize; 7] {
        let raw = self.raw();
        [
            raw.boot.map_or(0, |f| f as usize),
            raw.alloc.map_or(0, |f| f as usize),
            raw.free.map_or(0, |f| f as usize),
            raw.balance.map_or(0, |f| f as usize),
            raw.is_static.map_or(0, |f| f as usize),
            raw.to_phys.map_or(0, |f| f as usize),
            raw.nr_pages.map_or(0, |f| f as usize),
        ]
    }
}

/// What instrumented code has counted, C and Rust. A fuzz target notes it before work of its own (a reset, a second
/// tenant) and puts it back afterwards, so that libFuzzer takes only the program under test for new coverage.
#[derive(Debug, Default)]
pub struct Counters(Vec<u8>);

impl Counters {
    pub fn note(&mut self) {
        #[cfg(percuss_static)]
        {
            unsafe extern "C" {
                fn percuss_counters() -> usize;
                fn percuss_counters_note(to: *mut u8);
            }
            // SAFETY: subtracts addresses that the linker made.
            self.0.resize(unsafe { percuss_counters() }, 0);
            if !self.0.is_empty() {
                // SAFETY: there is room for all of them. What another thread counts meanwhile is noted or is not.
                unsafe { percuss_counters_note(self.0.as_mut_ptr()) };
            }
        }
    }

    /// Puts back what was noted last; whatever was counted since then was not.
    pub fn put_back(&self) {
        #[cfg(percuss_static)]
        if !self.0.is_empty() {
            unsafe extern "C" {
                fn percuss_counters_put_back(from: *const u8);
            }
            // SAFETY: all counters were noted, which are as many as there are. They mean nothing to the code that
            // counts: what another thread counts meanwhile is a number too high or too low.
            unsafe { percuss_counters_put_back(self.0.as_ptr()) };
        }
    }

    /// The function and line of a place among those [noted](Counters::noted); its address where there is no symbolizer.
    pub fn place(&self, i: usize) -> String {
        #[cfg(percuss_static)]
        if i < self.0.len() {
            unsafe extern "C" {
                fn percuss_place(i: usize, to: *mut std::ffi::c_char, size: usize);
            }
            let mut to = [0u8; 512];
            // SAFETY: a string that fits is written.
            unsafe { percuss_place(i, to.as_mut_ptr().cast(), to.len()) };
            let to = std::ffi::CStr::from_bytes_until_nul(&to).unwrap_or_default();
            return to.to_string_lossy().into_owned();
        }
        format!("place {i}")
    }

    /// What was noted, a byte for each instrumented place; nothing in a program that is no fuzz target.
    pub fn noted(&self) -> &[u8] {
        &self.0
    }
}

/// Has `report` called with the kind of report when a sanitizer finds something in a program with a linked image,
/// before the sanitizer prints its report and ends the process. `report` may be called in the middle of anything, so it
/// should only note the kind and write what it has.
pub fn on_sanitizer_report(report: fn(&str)) {
    #[cfg(percuss_static)]
    {
        static REPORT: std::sync::OnceLock<fn(&str)> = std::sync::OnceLock::new();
        unsafe extern "C" fn on_report(kind: *const std::ffi::c_char) {
            // SAFETY: the sanitizer's own string, or a literal of ours.
            let kind = unsafe { std::ffi::CStr::from_ptr(kind) };
            if let Some(report) = REPORT.get() {
                report(&kind.to_string_lossy());
            }
        }
        unsafe extern "C" {
            fn percuss_on_report(report: unsafe extern "C" fn(*const std::ffi::c_char));
        }
        let _ = REPORT.set(report);
        // SAFETY: stores the address of a function that lives as long as the program.
        unsafe { percuss_on_report(on_report) };
    }
    let _ = report;
}
