// SPDX-License-Identifier: GPL-2.0-only
//! The vocabulary that everybody speaks: what a percpu allocator may ask of a kernel, what it is seen to do, and the
//! machine it runs on; and the one reader of what it was seen to do. No behaviour.

#[macro_use]
mod gfp_flags;
#[macro_use]
mod services;

pub mod calls;
mod classes;
mod context;
pub mod cursor;
pub mod digest;
pub mod event;
mod fault;
pub mod geometry;
pub mod gfp;
mod layout;
pub mod limits;
mod locks;
pub mod memory;
pub mod quirk;
mod state;
mod tenant;
pub mod text;
mod var;

pub use calls::{Addr, Diag, Irq, Kernel, Lock, Pfn, STATIC_OTHERS, Scope, TestKernel, TraceAlloc};
pub use context::{CONTEXTS, DRAIN, KSWAPD, OpOwner, WORKER, context_name, op_is_nested, op_number, op_owner};
pub use cursor::Cursor;
pub use fault::Fault;
pub use geometry::{First, Geometry, GeometryError};
pub use layout::Layout;
pub use memory::Memory;
pub use quirk::{Effect, Quirk, Quirks, UnknownQuirk};
pub use state::{Block, ChunkState, ChunkView, Globals, State, Touched, UnlockedChange};
pub use tenant::Tenant;
pub use var::{VARS, Var};
