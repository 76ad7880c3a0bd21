// SPDX-License-Identifier: GPL-2.0-only
//! Judging one program: run it on the image and on the Model, ask every oracle, account for what they found.
//!
//! It knows of no campaign: what many programs gave is put together above it, in the form of a [`Batch`].

mod attribute;
pub mod audit;
mod baseline;
mod batch;
mod classes;
mod epoch;
mod examine;
mod figures;
pub mod interleaving;
mod judge_by;
mod observe;
mod parting;
mod probe;
mod reached;
pub mod recipe;
pub mod replay;
pub mod stats;
pub mod story;
mod watch;

pub use attribute::{ModelRun, Tally, Variants};
pub use batch::{Batch, Composed, Found, Like, Together, mark};
pub use classes::{Class, Key, Seen, Shown, boots_apart, differences, edge, place, places, sites, stands_alone};
pub use epoch::{Epoch, Soaker};
pub use examine::{Examiner, Judged, image_host};
pub use figures::Figures;
pub use judge_by::JudgeBy;
pub use observe::{Observation, in_words};
pub use parting::parting;
pub use percuss_oracle::Oracles;
pub use probe::{Api, LoadError, Probed, image_session, loaded, on_world, probe, probe_program, probe_text};
pub use reached::{Places, Reached, Sum};
pub use recipe::Recipe;
pub use replay::Matched;
