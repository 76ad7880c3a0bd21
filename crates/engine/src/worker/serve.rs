// SPDX-License-Identifier: GPL-2.0-only
//! The worker process: confines itself, loads an image, and answers calls from standard input until that ends.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use super::answers::Serving;
use super::clock::Clock;
use super::protocol::{AnyCall, FindQuirks, FoundQuirks, Load, Loaded, Setup, Start};
use super::wire::reply_to;
use crate::judge::Soaker;
use crate::sandbox::{self, Confinement};

/// CPU time for finding out quirks: many times what the probe programs take.
const PROBE: Duration = Duration::from_secs(10);

/// Serves calls; returns when standard input ends.
///
/// # Errors
/// Standard input or output fail.
pub fn serve() -> io::Result<()> {
    let mut lines = io::stdin().lock().lines();
    let mut out = io::stdout().lock();
    let Some(first) = lines.next() else { return Ok(()) };
    let start: Start = serde_json::from_str(&first?)?;
    let mut confinement = sandbox::before_threads();
    let dir = start.image().parent().unwrap_or(Path::new("/"));
    // Threads are started before the rules that forbid it, and each has to take the rules upon itself.
    let soaker = match &start {
        Start::Serve(Setup { soak: Some(recipe), seed, .. }) => Some(Soaker::new(*recipe, *seed)?),
        _ => None,
    };
    if let Some(soaker) = &soaker {
        soaker.on_each(|| sandbox::each_thread(dir, &mut Confinement::default()));
    }
    sandbox::each_thread(dir, &mut confinement);
    let setup = match start {
        Start::Serve(setup) => setup,
        Start::Load(load) => return probed(&load.image, confinement, lines, &mut out),
    };
    let mut worker = match Serving::new(&setup, soaker, &mut confinement) {
        Ok(worker) => worker,
        Err(why) => return reply_to::<Setup>(&mut out, Err(why)),
    };
    reply_to::<Setup>(&mut out, Ok(()))?;
    // The client makes one call at a time, so a line is answered before the next one is read.
    for line in lines {
        let call: AnyCall = serde_json::from_str(&line?)?;
        call.respond(&mut worker, &mut out)?;
    }
    Ok(())
}

/// Loads an image, sends what it is, then runs its probes. If a probe crashes, what was sent before stands.
fn probed(
    image: &Path,
    mut confinement: Confinement,
    mut lines: impl Iterator<Item = io::Result<String>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let (mut session, facts, api) = match crate::judge::loaded(image) {
        Ok(loaded) => loaded,
        Err(error) => return reply_to::<Load>(out, Err(error.to_string())),
    };
    sandbox::after_loading(&mut confinement);
    reply_to::<Load>(out, Ok(Loaded { facts, api, confinement }))?;
    let Some(line) = lines.next() else { return Ok(()) };
    let FindQuirks { base } = serde_json::from_str(&line?)?;
    // Dropping the clock lifts the limit: it has to live until the end.
    let mut clock = Clock::new().map_err(io::Error::from)?;
    clock.allow(PROBE)?;
    let found = crate::judge::probe(&mut session, facts, base).map(|(on, undecided)| FoundQuirks { on, undecided });
    reply_to::<FindQuirks>(out, found.map_err(|error| error.to_string()))
}
