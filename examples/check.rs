// SPDX-License-Identifier: GPL-2.0-only
//! Checks a kernel tree from a program of one's own: `cargo run --example check [TREE] [PATCH…]`.
//!
//! TREE is a name such as 6.12, which is the default, or the directory of a checkout. Each patch is applied to a copy.
//! Exit codes are those of `percuss check`: 0 nothing new, 1 new findings, 2 the check failed.

use std::path::PathBuf;
use std::process::ExitCode;

use percuss::campaign::{Extent, Options, check};
use percuss::image::{Image, ImageSpec};
use percuss::worker;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    // Programs may crash the image or hang it, so they run in processes of their own. Those are this executable again,
    // started with `worker` as its only argument: answer calls then, and do nothing else.
    let result = match first.as_deref() {
        Some("worker") => worker::serve().map(|()| 0).map_err(Into::into),
        tree => run(tree.unwrap_or("6.12"), args.map(PathBuf::from).collect()),
    };
    result.map_or_else(
        |e| {
            eprintln!("check: {e}");
            ExitCode::from(2)
        },
        ExitCode::from,
    )
}

fn run(tree: &str, patches: Vec<PathBuf>) -> Result<u8, Box<dyn std::error::Error>> {
    // `program` is left empty: the compiler then runs as it is, and the image is loaded once by this process to find out
    // its quirks. For a patch that is not trusted, name the percuss executable there, which confines both.
    let image = Image::build(&ImageSpec { tree: tree.to_owned(), patches, ..ImageSpec::default() })?;
    // A thousand programs take seconds. `percuss check` runs 20 000, as rare findings need thousands to appear.
    let options = Options { extent: Extent::Programs(1_000), ..Options::default() };
    let verdict = check(&image, &options)?;
    println!("{} known findings, {} new", verdict.count_known(), verdict.count_new());
    for case in verdict.cases.iter().filter(|case| case.quirk().is_none()) {
        println!("\n{}\n{}", case.found.finding.title, case.program);
    }
    Ok(u8::from(verdict.count_new() > 0))
}
