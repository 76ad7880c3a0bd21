// SPDX-License-Identifier: GPL-2.0-only
//! The whole benchmark: images side by side, bugs side by side.

use std::collections::{BTreeMap, BTreeSet};
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
use percuss_source::edit::{Edit, Fit, Purpose};

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
        let fits = fits(plan, &bugs)?;
        let bases = bases(plan, &bugs, &fits)?;
        // One bug at a time to each free thread: a search that takes long does not wait after another one that does.
        let each = bugs.par_iter().zip(&fits).with_max_len(1).map(|(bug, fit)| {
            let outcome = match fit {
                Ok(base) => measure(plan, bug, &bases[base], progress)?,
                // What the tree has by itself is no bug that can be put into it.
                Err(_) if bases.get(TREE).is_some_and(|(image, _)| bug.is_already_in(&image.quirks)) => {
                    Outcome::AlreadySo
                }
                Err(why) => Outcome::OtherTree(why.clone()),
            };
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

/// The name of the tree itself among the bases.
const TREE: &str = "";

/// Trees without a bug, by the variant they are; the tree itself has no name. Each is built once and shared by all the
/// bugs that are put into it.
fn bases(plan: &Plan, bugs: &[Edit], fits: &[Place]) -> Result<BTreeMap<String, (Image, Setup)>, DetectionError> {
    // A variant that no bug of this tree needs may not apply to the tree, and is not built.
    let mut names: BTreeSet<String> = fits.iter().filter_map(|fit| fit.as_ref().ok().cloned()).collect();
    // Whether a bug without a place is there already, the tree's quirks say.
    if bugs.iter().zip(fits).any(|(bug, fit)| fit.is_err() && !bug.gains.is_empty()) {
        names.insert(TREE.to_owned());
    }
    let build = |name: &String| {
        // A base is an edit itself, so the image is made as that of a bug.
        let edits = Some(name.clone()).filter(|name| name != TREE).into_iter().collect();
        let image = Image::build(&ImageSpec { edits, ..plan.spec.clone() }).map_err(|source| {
            let of = if name == TREE { plan.spec.tree.clone() } else { name.clone() };
            DetectionError::Image { of, source: Box::new(source) }
        })?;
        let setup = setup(plan, &image);
        Ok((name.clone(), (image, setup)))
    };
    names.par_iter().map(build).collect()
}

/// The name of a bug's base in a tree, or why the bug has no place there.
type Place = Result<String, String>;

/// Where each bug is put into this tree. Of a named tree the edits say whether they are for it, since one may have its
/// place and do no harm there. Nothing is known about a directory, so each is tried.
fn fits(plan: &Plan, bugs: &[Edit]) -> Result<Vec<Place>, DetectionError> {
    let tree = plan.spec.source().map_err(|error| image_error(&plan.spec.tree, error))?;
    let named = percuss_source::tree::manifest().entry(&plan.spec.tree).is_some();
    let fit = |bug: &Edit| {
        if named && !bug.trees.contains(&plan.spec.tree) {
            return Ok(Err(format!("it is for {}", bug.trees.join(" and "))));
        }
        match bug.fit(&tree) {
            Ok(Fit::Alone) => Ok(Ok(TREE.to_owned())),
            Ok(Fit::OnBase(base)) => Ok(Ok(base)),
            Err(error) if error.is_misfit() => Ok(Err(error.why())),
            Err(error) => Err(image_error(&bug.name, error.into())),
        }
    };
    bugs.par_iter().map(fit).collect()
}

fn image_error(of: &str, source: ImageError) -> DetectionError {
    DetectionError::Image { of: of.to_owned(), source: Box::new(source) }
}

fn setup(plan: &Plan, image: &Image) -> Setup {
    Setup { worker: plan.worker.clone(), ..image.setup(1, plan.oracles) }
}

fn measure(
    plan: &Plan,
    bug: &Edit,
    (image, base): &(Image, Setup),
    progress: &Progress,
) -> Result<Outcome, DetectionError> {
    if bug.is_already_in(&image.quirks) {
        return Ok(Outcome::AlreadySo);
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
