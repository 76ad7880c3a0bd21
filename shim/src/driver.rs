// SPDX-License-Identifier: GPL-2.0-only
//! Drives the C compiler and the linker. The library compiles images at run time with it, and build scripts the images
//! that are linked in; both must give the same image of the same tree.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why an image could not be compiled.
///
/// The texts are for the user of a tree: they name the file or program, and what to install or to set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The directory is no kernel tree.
    #[error("{} has no {missing}; a kernel source tree with mm/, include/ and lib/ is needed", tree.display())]
    NotATree { tree: PathBuf, missing: &'static str },
    #[error("there is no configuration `{0}`; there are smp and smp-nomemcg")]
    UnknownConfig(String),
    #[error("no C compiler found (tried {tried}); install clang-19 and lld-19, or set PERCUSS_CC")]
    NoCompiler { tried: String },
    /// The tree does not build; `stderr` is what the compiler printed.
    #[error("{} does not compile:\n{stderr}", source_file.display())]
    Compile { source_file: PathBuf, stderr: String },
    #[error("linking the image failed:\n{0}")]
    Link(String),
    /// The image would count which lines run, and the tables that say what is counted are not as expected.
    #[error("the compiler's coverage tables cannot be read: {0}; install clang-19, or set PERCUSS_CC to it")]
    Counters(String),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{what}: {error}")]
    Io { what: String, error: std::io::Error },
}

/// Why a function cannot be called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    #[error("the tree declares no function {0}; a macro or a variable cannot be called")]
    NotDeclared(String),
    #[error("{name} is declared, but not defined in what is compiled (mm/percpu* and their headers)")]
    NotDefined { name: String },
    #[error("{name} takes {wanted} argument{}, and the program gives {given}: {prototype}", plural(*wanted))]
    Arguments { name: String, wanted: usize, given: usize, prototype: String },
    #[error("the prototype of {name} cannot be read: {what} is no number and no pointer: {prototype}")]
    Prototype { name: String, what: String, prototype: String },
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The exit code of a launcher that could not start the compiler; shells and env(1) use the same.
pub const NOT_STARTED: i32 = 127;

/// Architecture headers for which the tree's asm-generic one serves unchanged.
///
/// The kernel's build makes such wrappers too, for headers that an architecture does not have.
const GENERIC: [&str; 8] = ["div64", "errno", "ioctl", "percpu_types", "posix_types", "rwonce", "swab", "types"];

/// Files of the tree's lib/ that percpu.c needs, where the tree has them.
///
/// They are compiled from the tree and not replaced, since a bug in them is one of the allocator too.
pub(crate) const LIB: [&str; 5] = ["find_bit.c", "bitmap.c", "hweight.c", "math/lcm.c", "math/gcd.c"];

/// One image to compile, for the library and for build scripts alike.
pub(crate) struct Job<'a> {
    pub tree: &'a Path,
    pub overlay: Option<&'a Path>,
    pub defines: &'static [&'static str],
    /// Holds `include/` and `c/` of the shim.
    pub shim: &'a Path,
    pub generated: &'a Path,
    /// For objects and headers that depend on the tree.
    pub scratch: &'a Path,
    pub compiler: &'a Path,
    /// The caller's flags. They come last on the command line, where the compiler prefers them to ours.
    pub flags: &'a [OsString],
    pub launcher: &'a [OsString],
}

impl Job<'_> {
    /// A command that runs through the launcher.
    ///
    /// Temporary files are made in the scratch directory, since a launcher may allow writing nowhere else.
    fn command(&self, program: &Path) -> Command {
        let mut words = self.launcher.iter().map(OsString::as_os_str).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or(program.as_os_str()));
        command.args(words).env("TMPDIR", self.scratch);
        command
    }
}

/// Finds a compiler: `PERCUSS_CC`, else the first of a list of clangs that runs, clang-19 before newer ones.
///
/// # Errors
/// None of them runs; the error names those that were tried.
pub(crate) fn find_compiler() -> Result<PathBuf, CompileError> {
    if let Some(cc) = std::env::var_os("PERCUSS_CC") {
        return Ok(cc.into());
    }
    // The tested version comes first; running it shows more than finding it.
    let names = ["clang-19", "clang-20", "clang-21", "clang-22", "clang"];
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    match names.iter().find(|n| works(n)) {
        Some(name) => Ok(name.into()),
        None => Err(CompileError::NoCompiler { tried: names.join(", ") }),
    }
}

/// The linker that belongs to the compiler: `PERCUSS_LD`, else its lld, else the system's.
pub(crate) fn find_linker(compiler: &Path) -> PathBuf {
    if let Some(ld) = std::env::var_os("PERCUSS_LD") {
        return ld.into();
    }
    program_of(compiler, "ld.lld").unwrap_or_else(|| "ld".into())
}

pub(crate) fn program_of(compiler: &Path, name: &str) -> Option<PathBuf> {
    let out = Command::new(compiler).arg(format!("-print-prog-name={name}")).output();
    let path = out.ok().and_then(|o| String::from_utf8(o.stdout).ok()).map(|s| PathBuf::from(s.trim()));
    // When clang does not know it, it answers with the bare name.
    path.filter(|p| p.is_absolute() && p.exists())
}

/// Makes the files beside the tree that the compiler needs.
pub(crate) fn prepare(job: &Job<'_>) -> Result<(), CompileError> {
    for missing in ["mm/percpu.c", "include/linux/percpu.h", "lib/find_bit.c"] {
        if !job.tree.join(missing).exists() {
            return Err(CompileError::NotATree { tree: job.tree.into(), missing });
        }
    }
    write_generic(job.scratch)?;
    job.overlay.map_or(Ok(()), |overlay| gather_percpu(job, overlay))
}

/// Compiles everything and merges it into one object.
///
/// Its writable state becomes one section, so that a snapshot of the allocator is one copy.
pub(crate) fn build_object(job: &Job<'_>) -> Result<PathBuf, CompileError> {
    prepare(job)?;
    let common = common_flags(job);
    let compile = |(source, name): (PathBuf, String)| match &name[..] {
        "unit" => compile_unit(job, &common, &source),
        name => compile_one(job, &common, &source, name),
    };
    let objects = sources(job).map(compile).collect::<Result<Vec<_>, _>>()?;
    // Merged before the final link, so that a linked image and a shared object are made of the same object.
    let merged = job.scratch.join("image.o");
    let mut ld = job.command(&find_linker(job.compiler));
    ld.arg("-r").arg("-T").arg(job.shim.join("c/merge.ld")).arg("-o").arg(&merged).args(&objects);
    run(&mut ld).map_err(link_error)?;
    Ok(merged)
}

/// The sources of an image, each with the name of its object: the shim's, and those of lib/ that the tree has.
fn sources<'a>(job: &'a Job<'_>) -> impl Iterator<Item = (PathBuf, String)> + 'a {
    let ours = ["unit", "services", "printk"];
    let ours = ours.map(|name| (job.shim.join("c").join(name).with_extension("c"), name.to_owned()));
    let lib = LIB.iter().filter_map(|name| {
        let in_overlay = job.overlay.map(|o| o.join("lib").join(name)).filter(|p| p.exists());
        let source = in_overlay.unwrap_or_else(|| job.tree.join("lib").join(name));
        source.exists().then(|| (source, name.replace(['/', '.'], "_")))
    });
    ours.into_iter().chain(lib)
}

/// The objects that an image is merged of.
pub(crate) fn objects(job: &Job<'_>) -> Vec<PathBuf> {
    sources(job).map(|(_, name)| job.scratch.join(name).with_extension("o")).collect()
}

/// What the preprocessor makes of each source of an image, with its directives and line markers.
pub(crate) fn preprocessed(job: &Job<'_>) -> Result<Vec<String>, CompileError> {
    let common = common_flags(job);
    let one = |(source, name): (PathBuf, String)| {
        let output = job.scratch.join(name).with_extension("i");
        let mut cc = job.command(job.compiler);
        // Definitions and includes are kept: a part of a file may hold nothing else.
        cc.args(&common).args(["-E", "-dD", "-dI"]).arg(&source).arg("-o").arg(&output);
        run(&mut cc).map_err(|e| compile_error(job, source, e))?;
        let text = std::fs::read(&output).map_err(io_error("reading", &output))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    sources(job).map(one).collect()
}

/// clang's dump of all declarations whose name contains `name`, in the translation unit of percpu.c.
pub(crate) fn declarations(job: &Job<'_>, name: &str) -> Result<String, CompileError> {
    let source = job.shim.join("c/unit.c");
    let mut cc = job.command(job.compiler);
    // The functions to call are not made yet: this finds out what they are.
    cc.args(common_flags(job)).arg("-UPERCUSS_CALLS").arg("-fsyntax-only").arg("-fno-color-diagnostics");
    cc.args(["-Xclang", "-ast-dump", "-Xclang", "-ast-dump-filter", "-Xclang", name]).arg(&source);
    run(&mut cc).map(|out| String::from_utf8_lossy(&out).into_owned()).map_err(|e| compile_error(job, source, e))
}

/// Makes a shared object of a merged object.
pub(crate) fn link_shared(job: &Job<'_>, object: &Path, output: &Path) -> Result<(), CompileError> {
    let mut cc = job.command(job.compiler);
    cc.args(["-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wl,--gc-sections"]).arg("-o").arg(output).arg(object);
    // The compiler takes the linker by its path; a bare name is its default anyway.
    let linker = find_linker(job.compiler);
    if linker.is_absolute() {
        cc.arg(format!("--ld-path={}", linker.display()));
    }
    // memcpy and memset are found in the program that loads the image; a sanitizer's run time must be linked.
    if !job.flags.iter().any(|f| f.to_string_lossy().starts_with("-fsanitize")) {
        cc.arg("-nostdlib");
    }
    cc.args(job.flags);
    run(&mut cc).map(drop).map_err(link_error)
}

fn link_error(e: CommandError) -> CompileError {
    match e {
        CommandError::Start(error) => CompileError::Io { what: "starting the linker".into(), error },
        CommandError::Failed(stderr) => CompileError::Link(stderr),
    }
}

/// percpu.c includes its parts by quotes, which finds those beside it first. So that a patched part goes with an
/// unpatched percpu.c, all are put side by side.
fn gather_percpu(job: &Job<'_>, overlay: &Path) -> Result<(), CompileError> {
    let dir = job.scratch.join("percpu/mm");
    std::fs::create_dir_all(&dir).map_err(io_error("creating", &dir))?;
    // The overlay comes second, so that its files replace those of the tree.
    for root in [job.tree, overlay] {
        let mm = root.join("mm");
        for entry in std::fs::read_dir(&mm).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("percpu") {
                std::fs::copy(entry.path(), dir.join(&name)).map_err(io_error("copying", &entry.path()))?;
            }
        }
    }
    Ok(())
}

fn common_flags(job: &Job<'_>) -> Vec<OsString> {
    let mut flags: Vec<OsString> = [
        "-std=gnu11",
        "-nostdinc",
        "-O2",
        "-g1",
        "-fno-omit-frame-pointer",
        "-fPIC",
        "-fvisibility=hidden",
        // Unused functions of lib/ may call what is not there; the final link drops them.
        "-ffunction-sections",
        // As the kernel is built.
        "-fno-strict-aliasing",
        "-fwrapv",
        "-fno-common",
        "-funsigned-char",
        "-fno-delete-null-pointer-checks",
        // Warnings are the tree's business, but these mean that the shim lacks something.
        "-w",
        "-Werror=implicit-function-declaration",
        "-Werror=implicit-int",
        "-Werror=int-conversion",
        "-Werror=incompatible-pointer-types",
        "-D__KERNEL__",
        "-DKBUILD_MODNAME=\"percpu\"",
        // mm/internal.h drags in most of mm; its include guard makes it empty.
        "-D__MM_INTERNAL_H=1",
    ]
    .map(OsString::from)
    .to_vec();
    let mut pair = |flag: &str, value: &OsStr| flags.extend([flag.into(), value.to_owned()]);
    for dir in ["include/stub", "include/custom", "include", "c"] {
        pair("-I", job.shim.join(dir).as_os_str());
    }
    pair("-I", job.generated.as_os_str());
    pair("-I", job.scratch.join("generic").as_os_str());
    // The shim's headers come before the tree's, which they shadow, and the overlay before the tree.
    let roots: Vec<&Path> = job.overlay.into_iter().chain([job.tree]).collect();
    for root in &roots {
        pair("-I", root.join("include").as_os_str());
        pair("-I", root.join("include/uapi").as_os_str());
    }
    let percpu = job.scratch.join("percpu");
    for root in job.overlay.map(|_| percpu.as_path()).into_iter().chain(roots.iter().copied()) {
        pair("-iquote", root.as_os_str());
        pair("-iquote", root.join("mm").as_os_str());
        pair("-iquote", root.join("lib").as_os_str());
    }
    pair("-include", "linux/kconfig.h".as_ref());
    pair("-include", "linux/compiler_types.h".as_ref());
    for root in roots.iter().copied().chain([percpu.as_path()]) {
        // Reports name files as the kernel does.
        let mut map = OsString::from("-fmacro-prefix-map=");
        map.push(root);
        map.push("/=");
        flags.push(map);
    }
    if job.flags.iter().any(|f| f.to_string_lossy().contains("address")) {
        // Else every variable is a section group of its own, and groups cannot be merged into one section.
        flags.push("-fno-sanitize-address-globals-dead-stripping".into());
    }
    // The caller's flags are last, since the later of two flags wins.
    flags.extend(job.defines.iter().map(OsString::from));
    flags.extend(job.flags.iter().cloned());
    flags
}

fn compile_one(job: &Job<'_>, flags: &[OsString], source: &Path, name: &str) -> Result<PathBuf, CompileError> {
    let object = job.scratch.join(name).with_extension("o");
    let mut cc = job.command(job.compiler);
    cc.args(flags).arg("-MD").arg("-MF").arg(object.with_extension("d"));
    cc.arg("-c").arg(source).arg("-o").arg(&object);
    if job.flags.iter().any(|f| f.to_string_lossy().contains("fuzzer-no-link")) {
        // Indirect calls are those to the host, and what bits and printk formats are compared with says nothing about
        // percpu.c.
        let rest = if name == "unit" { "" } else { ",trace-cmp" };
        cc.arg(format!("-fno-sanitize-coverage=indirect-calls{rest}"));
    }
    run(&mut cc).map_err(|e| compile_error(job, source.into(), e))?;
    Ok(object)
}

fn compile_error(job: &Job<'_>, source_file: PathBuf, error: CommandError) -> CompileError {
    match error {
        CommandError::Start(_) => CompileError::NoCompiler { tried: job.compiler.display().to_string() },
        CommandError::Failed(stderr) => CompileError::Compile { source_file, stderr },
    }
}

/// Compiles percpu.c with the code around it. A tree whose percpu-stats.c does not compile here goes without its text,
/// which no oracle needs.
fn compile_unit(job: &Job<'_>, common: &[OsString], source: &Path) -> Result<PathBuf, CompileError> {
    match compile_one(job, common, source, "unit") {
        Err(CompileError::Compile { stderr, .. }) if stderr.contains("percpu-stats.c:") => {
            let without = [common, &["-DPERCUSS_NO_STATS".into()]].concat();
            compile_one(job, &without, source, "unit")
        }
        other => other,
    }
}

/// The path below the tree of a file that the compiler read, whichever of its places it was read from; None for a file
/// of ours or of the compiler.
pub(crate) fn below_tree(job: &Job<'_>, path: &Path) -> Option<String> {
    let percpu = job.scratch.join("percpu");
    let mut roots = job.overlay.into_iter().chain([percpu.as_path(), job.tree]);
    let below = |root: &Path| path.strip_prefix(root).ok().map(|file| file.display().to_string());
    roots.find_map(below).filter(|file| !file.contains(".."))
}

/// The tree's files that the objects were made of, as the compiler lists them: paths below the tree, sorted.
///
/// Files of the overlay count under the name that they have in the tree.
pub(crate) fn read_files(job: &Job<'_>) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(job.scratch).into_iter().flatten().flatten() {
        if entry.path().extension().is_none_or(|ext| ext != "d") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        // Blanks in names are escaped; nothing else of make's syntax is used.
        for word in text.replace("\\ ", "\0").split_whitespace() {
            files.extend(below_tree(job, Path::new(&word.replace('\0', " "))));
        }
    }
    // Each object lists the headers that it includes, and most are included by several.
    files.sort();
    files.dedup();
    files
}

fn write_generic(scratch: &Path) -> Result<(), CompileError> {
    let dir = scratch.join("generic/asm");
    std::fs::create_dir_all(&dir).map_err(io_error("creating", &dir))?;
    for name in GENERIC {
        let path = dir.join(name).with_extension("h");
        std::fs::write(&path, format!("#include <asm-generic/{name}.h>\n")).map_err(io_error("writing", &path))?;
    }
    Ok(())
}

pub(crate) fn io_error(verb: &str, path: &Path) -> impl FnOnce(std::io::Error) -> CompileError {
    let what = format!("{verb} {}", path.display());
    move |error| CompileError::Io { what, error }
}

enum CommandError {
    Start(std::io::Error),
    Failed(String),
}

/// Runs a command to its end, and gives what it printed.
fn run(command: &mut Command) -> Result<Vec<u8>, CommandError> {
    let out = command.output().map_err(CommandError::Start)?;
    if out.status.success() {
        return Ok(out.stdout);
    }
    let mut said = String::from_utf8_lossy(&out.stderr).into_owned();
    if out.status.code() == Some(NOT_STARTED) {
        return Err(CommandError::Start(std::io::Error::other(said)));
    }
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&out.status) {
        said += &format!("it was ended by signal {signal}: compiling may take so much time and memory, and no more\n");
    }
    if said.contains("Permission denied") {
        said += "help: files outside of the tree and the system's directories are not readable while it is compiled\n";
    }
    Err(CommandError::Failed(said))
}
