// SPDX-License-Identifier: GPL-2.0-only
//! Images: a tree with patches and edits, compiled, with its quirks found out.
//!
//! An image is what a campaign runs. Building one takes seconds and needs a compiler, so it is done once, in a scratch
//! directory that lives as long as the image; workers load the shared object from there.

mod coverage;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percuss_shim as shim;
use tempfile::TempDir;

use self::coverage::Watched;
use crate::judge::{Api, JudgeBy, LoadError, Oracles, Probed, Reached};
use crate::sandbox::{self, Confinement, Workshop};
use crate::worker::{self, Before, Lost, Setup};
use percuss_kernel::{Quirk, Quirks};
use percuss_model::Facts;
use percuss_program::Program;
use percuss_source::changed::changed;
use percuss_source::edit::{Edit, EditError};
use percuss_source::files::copy_below;
use percuss_source::patch::{self, Applied, PatchError};
use percuss_source::tree::{Overlay, Tree, TreeError, find_checkout};

pub use coverage::{At, Coverage, Off};
pub use shim::Config;

/// What to compile: a tree, and what is applied to it. The order is fixed, patches, then the variant, then edits, since
/// edits are put into what is to be tested.
#[derive(Debug, Clone, Default)]
pub struct ImageSpec {
    /// A name of the manifest, such as `6.12`, or a directory.
    pub tree: String,
    /// Revision of the git checkout that the tree is; what is checked out when there is none.
    pub rev: Option<String>,
    /// Patch files, applied in order: diffs, messages, or mboxes.
    pub patches: Vec<PathBuf>,
    /// Variant of our own, by name, applied after the patches.
    pub variant: Option<String>,
    /// Patches that mail or a web archive damaged are repaired, not refused.
    pub lenient: bool,
    /// Only as many of the patches as this, from the first: a bisection over a series.
    pub upto: Option<usize>,
    /// Edits of our own, by name, applied after the variant.
    pub edits: Vec<String>,
    pub config: Config,
    /// Functions that the programs to run call by name.
    pub calls: Vec<shim::Called>,
    /// The image counts which of the lines that were changed run, see [`Image::coverage`].
    pub coverage: bool,
    /// The percuss command, which compiles and probes confined; when there is none (tests are not percuss), both are
    /// done by this process.
    pub program: Option<PathBuf>,
}

impl ImageSpec {
    /// The tree alone, without what is applied to it.
    pub fn unchanged(&self) -> ImageSpec {
        ImageSpec { patches: Vec::new(), variant: None, edits: Vec::new(), upto: None, coverage: false, ..self.clone() }
    }

    /// The tree that it names.
    ///
    /// # Errors
    /// It names none, or the tree cannot be unpacked.
    pub fn source(&self) -> Result<Tree, ImageError> {
        // Without a checkout, trees are kept in the user's cache directory, wherever the command runs.
        let root = find_checkout().unwrap_or_else(|| PathBuf::from("."));
        Ok(match &self.rev {
            Some(rev) => Tree::revision(&self.tree, rev, &root)?,
            None => Tree::resolve(&self.tree, &root)?,
        })
    }

    /// The same for a program: the image has the functions that it calls by name.
    pub fn calling(self, program: &Program) -> ImageSpec {
        let mut calls: Vec<shim::Called> = Vec::new();
        for call in program.calls() {
            let called = shim::Called { name: call.name().to_owned(), args: call.args().len() };
            if !calls.contains(&called) {
                calls.push(called);
            }
        }
        ImageSpec { calls, ..self }
    }

    /// Whether something is applied to the tree.
    pub fn changes(&self) -> bool {
        !self.patches.is_empty() || self.variant.is_some() || !self.edits.is_empty()
    }
}

/// Why there is no image. Exit codes distinguish the cases: a bisection skips a revision that does not build, and stops
/// at a patch or spec that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Patch(#[from] PatchError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Compile(#[from] shim::CompileError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the image cannot be loaded: {0}")]
    Lost(#[from] Lost),
    #[error("cannot make a scratch directory: {0}; set TMPDIR to a directory with space")]
    Scratch(std::io::Error),
    /// A change cannot be judged without what it changes.
    #[error("what the change is compared with cannot be built: {0}\n(`--base none` judges the changed tree by itself)")]
    Base(#[source] Box<ImageError>),
    /// Everything would be "there before".
    #[error("{0} is the same code as what it is compared with: there is no change to judge")]
    Same(String),
}

impl ImageError {
    /// Whether the tree itself does not build, or to nothing that can be run: `git bisect run` is to skip it (exit code
    /// 125). Anything else is an error of the command line or of this machine, and would be one for each revision.
    pub fn is_build_failure(&self) -> bool {
        use shim::CompileError::{Compile, Link};
        matches!(
            self,
            ImageError::Compile(Compile { .. } | Link(_))
                | ImageError::Load(LoadError::Image { .. } | LoadError::Unsupported(_))
                // The worker ended while it loaded or probed the image.
                | ImageError::Lost(Lost::Ended(_) | Lost::Refused(_))
        )
    }
}

/// A compiled image, and what reports say of it. Its shared object is removed with it, so an image outlives its
/// workers.
#[derive(Debug)]
pub struct Image {
    pub path: PathBuf,
    pub tree: Tree,
    /// SHA-256 of each allocator file as compiled: path and hash.
    pub files: Vec<(String, String)>,
    /// Names of patches and edits, in order; a variant is called ours, not by the name of the patch it is like.
    pub applied: Vec<String>,
    /// What each patch changed; files that are not compiled are among the ignored ones.
    pub patches: Vec<Applied>,
    /// What a person should know about the choice of patches, in whole sentences.
    pub notes: Vec<String>,
    pub config: Config,
    pub compiler: PathBuf,
    pub facts: Facts,
    pub api: Api,
    /// How it was confined when it was probed; None when it was probed in this process.
    pub confinement: Option<Confinement>,
    pub quirks: Quirks,
    /// Quirks whose probe program agreed with neither behaviour: the image may have a bug there, or a behaviour that
    /// the Model does not know.
    pub undecided: Vec<Quirk>,
    /// The image before the change; None for a tree that is judged by itself.
    pub base: Option<Arc<Image>>,
    /// The changed lines, of an image that counts them.
    watched: Option<Watched>,
    scratch: TempDir,
}

impl Image {
    /// Finds the tree, applies patches, variant and edits, compiles, loads and probes.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn build(spec: &ImageSpec) -> Result<Image, ImageError> {
        Image::build_from(spec, None)
    }

    /// The same for a change, with the image before it: quirks that cannot be told are those of `base`, and findings of
    /// the change are compared with what `base` does.
    ///
    /// # Errors
    /// See [`ImageError`]; also when both are the same code.
    pub fn build_after(spec: &ImageSpec, base: &Arc<Image>) -> Result<Image, ImageError> {
        let image = Image::build_from(spec, Some(base))?;
        // A patch may change a header that is in neither list of hashes, so equal hashes alone do not say it.
        let patched = image.patches.iter().any(|patch| !patch.changed.is_empty());
        // A part of a series may come before anything that is compiled.
        if !patched && spec.upto.is_none() && (&image.files, image.config) == (&base.files, base.config) {
            return Err(ImageError::Same(image.tree.name));
        }
        std::fs::copy(&base.path, image.base_path()).map_err(ImageError::Scratch)?;
        Ok(image)
    }

    fn build_from(spec: &ImageSpec, base: Option<&Arc<Image>>) -> Result<Image, ImageError> {
        let known = base.map(|base| base.quirks);
        let tree = spec.source()?;
        let scratch = TempDir::with_prefix("percuss-").map_err(ImageError::Scratch)?;
        let Patched { overlay, mut patches, mut notes } = patched(spec, &tree, scratch.path())?;
        // Hashed as compiled, so that two reports show whether they are of the same code.
        let mut files = tree.files.clone();
        if let Some(o) = &overlay {
            for (file, hash) in &mut files {
                *hash = percuss_source::tree::sha256_bytes(o.read(file)?.as_bytes());
            }
        }
        let request = shim::CompileRequest {
            tree: tree.dir.clone(),
            overlay: overlay.as_ref().map(|o| o.dir.clone()),
            launcher: launcher(spec, &tree, scratch.path()),
            config: spec.config,
            output: scratch.path().join("image.so"),
            // Not in the overlay, which `write_changed` copies whole.
            scratch: scratch.path().join("build"),
            flags: Vec::new(),
        };
        let (compiled, watched) = compiled(spec, &tree, overlay.as_ref(), &request, &mut notes)?;
        // Only the compiler knows which files were read, with this configuration.
        sort_out(&mut patches, &compiled.read, spec.upto.is_some())?;
        let probed = match &spec.program {
            // A worker probes, so an image that crashes ends it and not this process.
            Some(program) => worker::probe(program, &compiled.path, known)?,
            None => Probed::here(&compiled.path, known)?,
        };
        Ok(Image {
            path: compiled.path,
            applied: overlay.map_or_else(Vec::new, |o| o.applied),
            patches,
            notes,
            config: spec.config,
            compiler: compiled.compiler,
            tree,
            files,
            facts: probed.facts,
            api: probed.api,
            confinement: probed.confinement,
            quirks: probed.quirks,
            undecided: probed.undecided,
            base: base.cloned(),
            watched,
            scratch,
        })
    }

    /// Writes the files that patches and edits change, and those that go with them, to a directory laid out like the
    /// tree.
    ///
    /// # Errors
    /// There are files in it already, or one cannot be written.
    pub fn write_changed(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        // Files of an earlier run beside those of this one would look like part of the change.
        if std::fs::read_dir(dir)?.next().is_some() {
            return Err(std::io::Error::other("it is not empty"));
        }
        copy_below(&self.scratch.path().join(OVERLAY), dir)
    }

    /// Quirks that the change brings: the image before it has them not. None of those that cannot be told.
    pub fn gained(&self) -> Quirks {
        self.base.as_ref().map_or_else(Quirks::none, |base| self.quirks.but_not(base.quirks))
    }

    /// Quirks that the change takes away.
    pub fn lost(&self) -> Quirks {
        self.base.as_ref().map_or_else(Quirks::none, |base| base.quirks.but_not(self.quirks))
    }

    /// Where workers find the image before the change: beside this one, for they may read no other directory.
    fn base_path(&self) -> PathBuf {
        self.scratch.path().join("base.so")
    }

    /// What programs reached of the lines that were changed: `programs` of them, `lost` of which ended their process.
    /// None when nothing was changed, or the image does not count.
    pub fn coverage(&self, reached: &Reached, programs: u64, lost: u64) -> Option<Coverage> {
        Some(self.watched.as_ref()?.coverage(reached, programs, lost))
    }

    /// What a worker needs to run it, generating programs from `seed`; no soak, and the number of tasks is left to the
    /// seed.
    pub fn setup(&self, seed: u64, oracles: Oracles) -> Setup {
        Setup {
            image: self.path.clone(),
            // Reports set the C against the Model.
            name: "C".to_owned(),
            quirks: self.quirks,
            oracles,
            base: self.base.as_ref().map(|base| Before { image: self.base_path(), quirks: base.quirks }),
            judge: JudgeBy::Auto,
            seed,
            tasks: 0,
            soak: None,
            places: self.watched.as_ref().map(|watched| watched.places.clone()).unwrap_or_default(),
            worker: None,
        }
    }
}

/// Compiles, with counters in what was changed if that is asked for. A compiler that cannot count makes an image as well,
/// and a note says what is missing.
fn compiled(
    spec: &ImageSpec,
    tree: &Tree,
    overlay: Option<&Overlay>,
    request: &shim::CompileRequest,
    notes: &mut Vec<String>,
) -> Result<(shim::Compiled, Option<Watched>), ImageError> {
    if let Some(overlay) = overlay.filter(|_| spec.coverage) {
        let files = changed(tree, overlay)?;
        let names: Vec<String> = files.iter().map(|f| f.file.clone()).collect();
        let counted = shim::compile_counted(request, &names);
        // If it is the tree that does not build, the attempt without counters says so.
        if let Ok((compiled, counted)) = counted {
            let watched = Watched::new(&files, &counted, &compiled.read);
            return Ok((compiled, Some(watched)));
        } else if let Err(error @ shim::CompileError::Counters(_)) = counted {
            notes.push(format!("which lines of the patch run is not known: {error}"));
        }
    }
    let compiled = match &spec.calls[..] {
        [] => shim::compile(request)?,
        calls => shim::compile_calling(request, calls)?,
    };
    Ok((compiled, None))
}

/// The words before the compiler's command: percuss itself, which confines the compiler. None when there is no percuss
/// command.
fn launcher(spec: &ImageSpec, tree: &Tree, scratch: &Path) -> Vec<OsString> {
    let shop = Workshop { read: vec![tree.dir.clone()], write: vec![scratch.to_owned()] };
    spec.program.as_ref().map_or_else(Vec::new, |program| sandbox::launcher(program, &shop))
}

const OVERLAY: &str = "overlay";

/// A tree's overlay and how it came about. No overlay when nothing is applied: then the tree is compiled as it is.
#[derive(Default)]
struct Patched {
    overlay: Option<Overlay>,
    patches: Vec<Applied>,
    notes: Vec<String>,
}

fn patched(spec: &ImageSpec, tree: &Tree, scratch: &Path) -> Result<Patched, ImageError> {
    if spec.patches.is_empty() && spec.variant.is_none() && spec.edits.is_empty() {
        return Ok(Patched::default());
    }
    let mut overlay = Overlay::new(tree, scratch.join(OVERLAY))?;
    // All of the series is read even if a part is applied: its notes are about the whole.
    let series = patch::load(&spec.patches, spec.lenient)?;
    // A number beyond the end means all.
    let count = spec.upto.unwrap_or(series.patches.len());
    let patches = series.patches.iter().take(count).map(|patch| patch.apply(&mut overlay));
    // The first patch that does not fit ends it; the overlay with those before it is thrown away.
    let patches = patches.collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = &spec.variant {
        Edit::variant(name)?.apply(&mut overlay)?;
    }
    for name in &spec.edits {
        Edit::load(name)?.apply(&mut overlay)?;
    }
    Ok(Patched { overlay: Some(overlay), patches, notes: series.notes })
}

/// Moves what the compiler did not read to the ignored files.
///
/// # Errors
/// All of a whole series is ignored: the image would be that of the tree. A part of a series may be, as when a
/// bisection comes to a patch of a header that is not used.
fn sort_out(patches: &mut [Applied], read: &[String], part: bool) -> Result<(), PatchError> {
    for patch in patches.iter_mut() {
        let (changed, unread) =
            std::mem::take(&mut patch.changed).into_iter().partition(|file| read.binary_search(file).is_ok());
        patch.changed = changed;
        patch.ignored.extend::<Vec<String>>(unread);
    }
    if part || patches.is_empty() || patches.iter().any(|patch| !patch.changed.is_empty()) {
        return Ok(());
    }
    let names: Vec<&str> = patches.iter().map(|patch| patch.name.as_str()).collect();
    let files: Vec<&str> = patches.iter().flat_map(|patch| &patch.ignored).map(String::as_str).collect();
    Err(PatchError::NotCompiled {
        patch: names.join(", "),
        files: files.join(", "),
        compiled: shim::compile::COMPILED.to_owned(),
    })
}
