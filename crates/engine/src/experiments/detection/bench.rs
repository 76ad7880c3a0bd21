// SPDX-License-Identifier: GPL-2.0-only
//! The whole benchmark: images side by side, bugs side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::rows::{Apart, uncounted};
use super::search::Pair;
use super::{DetectionError, Outcome, Row, Searched, Summary};
use crate::campaign::Progress;
use crate::image::{Image, ImageError, ImageSpec};
use crate::judge::Oracles;
use crate::worker::{Lost, Setup};
use percuss_source::edit::{Edit, Purpose};

/// What to measure, and how. The result depends on the speed of the machine through `limit` only: a search that ends
/// in time runs the same programs everywhere.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tree and configuration; it has no patches, variants or edits.
    pub spec: ImageSpec,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Time for one search.
    pub limit: Duration,
    pub jobs: usize,
    pub oracles: Oracles,
    /// The command that serves as worker; ourselves when there is none.
    pub worker: Option<PathBuf>,
}

/// The result of the benchmark. Rows stand in the order in which the bugs were given, whatever ended first.
#[derive(Debug)]
pub struct Bench {
    pub tree: String,
    /// Seeds of each search.
    pub seeds: u64,
    /// Time each search had.
    pub limit: Duration,
    /// Seconds for all of it.
    pub seconds: f64,
    pub rows: Vec<Row>,
    /// Known bugs that are not counted.
    pub apart: Vec<Apart>,
}

impl Bench {
    pub fn summary(&self) -> Summary {
        Summary::of(&self.rows)
    }
}

/// Seeded bugs by name, whatever the case; all for none.
///
/// # Errors
/// A name is no seeded bug's.
pub fn select(names: &[String]) -> Result<Vec<Edit>, DetectionError> {
    let all = Edit::all().expect("files of this repository, which tests read");
    let all: Vec<Edit> = all.into_iter().filter(|edit| edit.purpose == Purpose::Seeded).collect();
    if names.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| {
        all.iter().find(|bug| bug.name.eq_ignore_ascii_case(name)).cloned().ok_or_else(|| DetectionError::Unknown {
            name: name.clone(),
            known: all.iter().map(|bug| bug.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    };
    names.iter().map(find).collect()
}

/// Searches for these bugs; `done` hears of each when it is over.
///
/// # Errors
/// The tree or a variant cannot be built, or does not run.
pub fn run(
    plan: &Plan,
    bugs: Vec<Edit>,
    progress: &Progress,
    done: &(dyn Fn(&Row) + Sync),
) -> Result<Bench, DetectionError> {
    let started = Instant::now();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(plan.jobs.max(1)).build();
    let pool = pool.map_err(|e| Lost::from(std::io::Error::other(e)))?;
    let rows = pool.install(|| -> Result<Vec<Row>, DetectionError> {
        let bases = bases(plan, &bugs)?;
        // One bug at a time to each free thread: a search that takes long does not wait after another one that does.
        let each = bugs.par_iter().with_max_len(1).map(|bug| {
            // There is no base for bugs of other trees alone.
            let base = bases.get(bug.base.as_deref().unwrap_or_default());
            let outcome = base.map_or(Ok(Outcome::OtherTree), |(_, base)| measure(plan, bug, base, progress))?;
            let row = Row { bug: bug.clone(), outcome };
            done(&row);
            Ok(row)
        });
        each.collect()
    })?;
    // Of all bugs, not of those that were asked for: a bug is counted if it has an edit, whether or not it was searched
    // for.
    let apart = uncounted(&select(&[])?);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Bench { tree: plan.spec.tree.clone(), seeds: plan.seeds, limit: plan.limit, seconds, rows, apart })
}

/// Trees without a bug, by the variant they are; the tree itself has no name. Each is built once and shared by all the
/// bugs that are put into it.
fn bases(plan: &Plan, bugs: &[Edit]) -> Result<BTreeMap<String, (Image, Setup)>, DetectionError> {
    // A variant that no bug of this tree needs may not apply to the tree, and is not built.
    let wanted = bugs.iter().filter(|bug| fits(plan, bug)).map(|bug| bug.base.clone().unwrap_or_default());
    let names: std::collections::BTreeSet<String> = wanted.collect();
    let build = |name: &String| {
        // A base is an edit itself, so the image is made as that of a bug.
        let edits = Some(name.clone()).filter(|name| !name.is_empty()).into_iter().collect();
        let image = Image::build(&ImageSpec { edits, ..plan.spec.clone() }).map_err(|source| {
            let of = if name.is_empty() { plan.spec.tree.clone() } else { name.clone() };
            DetectionError::Image { of, source: Box::new(source) }
        })?;
        let setup = setup(plan, &image);
        Ok((name.clone(), (image, setup)))
    };
    names.par_iter().map(build).collect()
}

/// Whether a bug is one of this tree. For a directory nothing is known about its version, so every bug is tried, and
/// one whose edit does not apply is reported as not built.
fn fits(plan: &Plan, bug: &Edit) -> bool {
    let named = percuss_source::tree::manifest().entry(&plan.spec.tree).is_some();
    !named || bug.trees.contains(&plan.spec.tree)
}

fn setup(plan: &Plan, image: &Image) -> Setup {
    Setup { worker: plan.worker.clone(), ..image.setup(1, plan.oracles) }
}

fn measure(plan: &Plan, bug: &Edit, base: &Setup, progress: &Progress) -> Result<Outcome, DetectionError> {
    if !fits(plan, bug) {
        return Ok(Outcome::OtherTree);
    }
    // The edit brings its base along.
    let image = match Image::build(&ImageSpec { edits: vec![bug.name.clone()], ..plan.spec.clone() }) {
        Ok(image) => image,
        // In a directory, most edits of other versions do not apply. That says nothing about the other bugs.
        Err(error) => return Ok(Outcome::NotBuilt(reason(&error))),
    };
    // The quirks of the base: a probe of the edited tree could take the bug for a quirk, and the Model would agree.
    let edited = Setup { quirks: base.quirks, ..setup(plan, &image) };
    let pair = Pair { base, edited };
    let mut searched = Searched::default();
    for seed in 1..=plan.seeds {
        // Seeds run one after the other, because bugs already keep all threads busy.
        searched.hits.push(pair.search(seed, plan.limit, progress)?);
    }
    // One small program is enough for a reader, and making one costs as much as a search.
    if let Some(hit) = searched.hits.iter().flatten().next() {
        searched.small = Some(pair.small(hit)?);
    }
    Ok(Outcome::Searched(searched))
}

/// The first line of an error.
fn reason(error: &ImageError) -> String {
    // The rest is what the compiler said, which does not fit into a table.
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
