// SPDX-License-Identifier: GPL-2.0-only
//! The compiled percpu allocator of a tree, with a safe interface.
//!
//! [`compile()`] makes an image of a kernel tree, [`Image`] is one loaded, and [`Instance`] ties it to a [`Host`],
//! which plays the kernel around it. Addresses are absolute.

pub mod abi;
mod calls;
pub mod compile;
mod counted;
mod driver;
mod host;
mod image;
mod instance;
mod kinds;
mod sancov;
mod trampoline;

pub use calls::{Called, compile_calling};
pub use compile::{CompileError, CompileRequest, Compiled, Config, compile};
pub use counted::{Counted, Place, Region, compile_counted};
pub use host::Host;
pub use image::{Facts, Image, LoadError};
pub use instance::{Arena, Boot, CallSite, Change, Chunk, Globals, Instance, Layout, Seat};
pub use kinds::{absolute, relative};
pub use sancov::{Counters, Coverage, on_sanitizer_report};
