// SPDX-License-Identifier: GPL-2.0-only
//! Images: a tree with patches and edits, compiled, with its quirks found out.

use std::path::{Path, PathBuf};

use percuss_shim as shim;
use tempfile::TempDir;

use crate::campaign::{LoadError, Oracles, Setup, image_session, probe};
use crate::edit::{Edit, EditError};
use crate::model::{Facts, Quirks};
use crate::patch::PatchError;
use crate::tree::{Overlay, Tree, TreeError, find_checkout};

pub use shim::Config;

/// What to compile.
#[derive(Debug, Clone, Default)]
pub struct ImageSpec {
    /// A known tree's name or a directory.
    pub tree: String,
    /// Patch files, applied in order.
    pub patches: Vec<PathBuf>,
    /// Variant of our own, by name, applied after the patches.
    pub variant: Option<String>,
    /// Edits of our own, by name, applied after that.
    pub edits: Vec<String>,
    /// Configuration.
    pub config: Config,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The tree cannot be had.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A patch does not apply.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// An edit does not apply.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] shim::CompileError),
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No room for intermediate files.
    #[error("cannot make a scratch directory: {0}; set TMPDIR to a directory with space")]
    Scratch(std::io::Error),
}

impl ImageError {
    /// The tree itself does not build, or to nothing that can be run: `git bisect run` is to skip it (exit code 125).
    pub fn is_build_failure(&self) -> bool {
        use shim::CompileError::{Compile, Link};
        matches!(
            self,
            ImageError::Compile(Compile { .. } | Link(_))
                | ImageError::Load(LoadError::Image { .. } | LoadError::Unsupported(_))
        )
    }
}

/// A compiled image.
#[derive(Debug)]
pub struct Image {
    /// The shared object.
    pub path: PathBuf,
    /// The tree it is of.
    pub tree: Tree,
    /// SHA-256 of each allocator file as compiled: path and hash.
    pub files: Vec<(String, String)>,
    /// Names of patches and edits, in order; variants are called ours.
    pub applied: Vec<String>,
    /// Configuration.
    pub config: Config,
    /// The compiler.
    pub compiler: PathBuf,
    /// Facts for the Model.
    pub facts: Facts,
    /// Its quirks.
    pub quirks: Quirks,
    /// Quirks whose probe program agreed with neither behaviour.
    pub undecided: Vec<&'static str>,
    _scratch: TempDir,
}

impl Image {
    /// Resolves, patches, compiles, loads and probes.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn build(spec: &ImageSpec) -> Result<Image, ImageError> {
        let root = find_checkout().unwrap_or_else(|| PathBuf::from("."));
        let tree = Tree::resolve(&spec.tree, &root)?;
        let scratch = TempDir::with_prefix("percuss-").map_err(ImageError::Scratch)?;
        let overlay = overlay(spec, &tree, scratch.path())?;
        let mut files = tree.files.clone();
        if let Some(o) = &overlay {
            for (file, hash) in &mut files {
                *hash = crate::tree::sha256_bytes(o.read(file)?.as_bytes());
            }
        }
        let request = shim::CompileRequest {
            tree: tree.dir.clone(),
            overlay: overlay.as_ref().map(|o| o.dir.clone()),
            config: spec.config,
            output: scratch.path().join("image.so"),
            scratch: scratch.path().join("build"),
            flags: Vec::new(),
        };
        let compiled = shim::compile(&request)?;
        let (mut session, facts) = image_session(&compiled.path, "C")?;
        let (quirks, undecided) = probe(&mut session, facts)?;
        Ok(Image {
            path: compiled.path,
            applied: overlay.map_or_else(Vec::new, |o| o.applied),
            config: spec.config,
            compiler: compiled.compiler,
            tree,
            files,
            facts,
            quirks,
            undecided,
            _scratch: scratch,
        })
    }

    /// What a worker needs to run it.
    pub fn setup(&self, seed: u64, oracles: Oracles) -> Setup {
        let on = Quirks::ALL.iter().filter(|q| self.quirks.get(q.name) == Ok(true));
        Setup {
            image: self.path.clone(),
            name: "C".to_owned(),
            quirks: on.map(|q| q.name.to_owned()).collect(),
            oracles,
            seed,
            worker: None,
        }
    }
}

fn overlay(spec: &ImageSpec, tree: &Tree, scratch: &Path) -> Result<Option<Overlay>, ImageError> {
    if spec.patches.is_empty() && spec.variant.is_none() && spec.edits.is_empty() {
        return Ok(None);
    }
    let mut overlay = Overlay::new(tree, scratch.join("overlay"))?;
    for patch in &spec.patches {
        crate::patch::apply_file(patch, &mut overlay)?;
    }
    if let Some(name) = &spec.variant {
        Edit::variant(name)?.apply(&mut overlay)?;
    }
    for name in &spec.edits {
        Edit::load(name)?.apply(&mut overlay)?;
    }
    Ok(Some(overlay))
}
