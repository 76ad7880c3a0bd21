// SPDX-License-Identifier: GPL-2.0-only
//! Images that count which parts of some files run.
//!
//! clang counts in the source, before it optimises, so that a line that it merges with another is still told apart. It
//! needs no run time for that: the counters are plain memory, and what each means is in sections of the objects, which
//! are read here once.

mod lines;
mod mapping;
mod region;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use crate::compile::{CompileRequest, Compiled, compile_as};
use crate::driver::{self, CompileError, Job, io_error};
pub use region::{Place, Region};

/// What is known of the files that an image counts.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub regions: Vec<Region>,
    /// For each file the lines of which something is left after the preprocessor.
    pub alive: BTreeMap<String, BTreeSet<u32>>,
}

/// Compiles an image as [`compile`](crate::compile()) does, with counters in the code of `files`, which are paths below
/// the tree.
///
/// # Errors
/// As for [`compile`](crate::compile()); or the compiler's tables cannot be read, as those of one that is not clang.
pub fn compile_counted(req: &CompileRequest, files: &[String]) -> Result<(Compiled, Counted), CompileError> {
    let list = req.scratch.join("counted.list");
    std::fs::create_dir_all(&req.scratch).map_err(io_error("creating", &req.scratch))?;
    std::fs::write(&list, profile_list(files)).map_err(io_error("writing", &list))?;
    // The linker is given the same flags: as flags of the compiler proper they do not make it look for a run time.
    let flags = ["-fprofile-instrument=clang", "-fcoverage-mapping"].map(OsString::from);
    let mut listed = OsString::from("-fprofile-list=");
    listed.push(&list);
    let flags = flags.into_iter().chain([listed]).flat_map(|flag| [OsString::from("-Xclang"), flag]);
    let names = ["-mllvm", "-enable-name-compression=false", "-DPERCUSS_COVERAGE=1"].map(OsString::from);
    let counting =
        CompileRequest { flags: req.flags.iter().cloned().chain(flags).chain(names).collect(), ..req.clone() };
    compile_as(&counting, |_| Ok(()), |job| counted(job, &req.output, files))
}

/// Which functions the compiler counts in: those of the files, wherever they are compiled.
fn profile_list(files: &[String]) -> String {
    let allow = |file: &String| format!("source:*/{file}=allow\n");
    format!("[clang]\ndefault:skip\n{}", files.iter().map(allow).collect::<String>())
}

fn counted(job: &Job<'_>, image: &Path, files: &[String]) -> Result<Counted, CompileError> {
    let mut out = Counted::default();
    for text in driver::preprocessed(job)? {
        lines::alive(&text, |path| driver::below_tree(job, path).filter(|file| files.contains(file)), &mut out.alive);
    }
    let unreadable = |what: String| CompileError::Counters(what);
    let read = |path: &Path| std::fs::read(path).map_err(io_error("reading", path));
    let image = mapping::Counters::of(&read(image)?).map_err(unreadable)?;
    for object in driver::objects(job) {
        for region in mapping::regions(&read(&object)?, &image).map_err(unreadable)? {
            let Some(file) = driver::below_tree(job, Path::new(&region.file)).filter(|f| files.contains(f)) else {
                continue;
            };
            out.regions.push(Region { file, ..region });
        }
    }
    Ok(out)
}
