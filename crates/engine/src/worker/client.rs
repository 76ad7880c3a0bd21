// SPDX-License-Identifier: GPL-2.0-only
//! Talking to a worker process that is started when a call needs it, and again after it was lost.

use std::path::{Path, PathBuf};

use super::process::{Ended, Lost, Process};
use super::protocol::{AnyCall, FindQuirks, Load, Setup};
use super::wire::Call;
use crate::judge::Probed;
use percuss_kernel::{Quirk, Quirks};

/// How many times a call is made at most when another process ends the worker each time. The out-of-memory killer may
/// strike once or twice; a machine on which it always does has too little memory for any result.
pub const RETRIES: u32 = 3;

/// A worker of one set-up. Calls start a process when there is none; a process that a call loses is forgotten, so that
/// the next call starts another.
#[derive(Debug)]
pub struct Client<'s> {
    setup: &'s Setup,
    process: Option<Process>,
}

impl<'s> Client<'s> {
    /// Nothing is started yet.
    pub fn new(setup: &'s Setup) -> Client<'s> {
        Client { setup, process: None }
    }

    /// Makes a call, up to [`RETRIES`] times when another process ends the worker.
    ///
    /// # Errors
    /// No worker can be started, or the program ends it.
    pub fn call<C: Call<Wire = AnyCall>>(&mut self, call: &C) -> Result<C::Reply, Lost> {
        retried(|| self.call_once(call, drop))
    }

    /// The same where a program that ends the worker is a result like any other.
    ///
    /// # Errors
    /// No worker can be started.
    pub fn attempt<C: Call<Wire = AnyCall>>(&mut self, call: &C) -> Result<Result<C::Reply, Ended>, Lost> {
        match self.call(call) {
            Ok(reply) => Ok(Ok(reply)),
            Err(Lost::Ended(ended)) => Ok(Err(ended)),
            Err(lost) => Err(lost),
        }
    }

    /// Makes a call once and hands its notes to `note` as they come.
    ///
    /// # Errors
    /// See [`Lost`].
    pub fn call_once<C: Call<Wire = AnyCall>>(
        &mut self,
        call: &C,
        note: impl FnMut(C::Note),
    ) -> Result<C::Reply, Lost> {
        let process = match &mut self.process {
            Some(process) => process,
            None => self.process.insert(start(self.setup)?),
        };
        // After an error a late reply to this call could be taken for that of the next one, so the process is given up.
        let reply = process.call(call, note);
        if reply.is_err() {
            self.process = None;
        }
        reply
    }

    /// Memory of the process in bytes; None while there is none.
    pub fn memory(&self) -> Option<u64> {
        self.process.as_ref().map(Process::memory)
    }
}

fn retried<T>(mut call: impl FnMut() -> Result<T, Lost>) -> Result<T, Lost> {
    for _ in 1..RETRIES {
        match call() {
            Err(Lost::Killed(_)) => {}
            other => return other,
        }
    }
    // The last attempt: whatever it gives is the caller's.
    call()
}

fn start(setup: &Setup) -> Result<Process, Lost> {
    let program: PathBuf = setup.worker.clone().map_or_else(std::env::current_exe, Ok)?;
    let mut process = Process::spawn(&program, &setup.image)?;
    match process.call(setup, drop) {
        Ok(Ok(())) => Ok(process),
        Ok(Err(why)) => Err(Lost::Refused(why)),
        // No program has run yet, so this is no finding.
        Err(Lost::Ended(ended)) => Err(Lost::Refused(format!("a worker does not start: {ended}"))),
        Err(lost) => Err(lost),
    }
}

/// Finds out what an image is, in a process of its own: `program` is the percuss command, `base` the quirks of the image
/// before the change.
///
/// # Errors
/// The image does not load. One that crashes later is an image whose quirks are all undecided.
pub fn probe(program: &Path, image: &Path, base: Option<Quirks>) -> Result<Probed, Lost> {
    retried(|| probe_once(program, image, base))
}

fn probe_once(program: &Path, image: &Path, base: Option<Quirks>) -> Result<Probed, Lost> {
    let mut process = Process::spawn(program, image)?;
    let loaded = process.call(&Load { image: image.to_owned() }, drop)?.map_err(Lost::Refused)?;
    // Everything is undecided until the second call is answered: an image that crashes in a probe keeps this.
    let mut probed = Probed {
        facts: loaded.facts,
        api: loaded.api,
        quirks: base.unwrap_or_default(),
        undecided: Quirk::ALL.to_vec(),
        confinement: Some(loaded.confinement),
    };
    match process.call(&FindQuirks { base }, drop) {
        Ok(found) => {
            let found = found.map_err(Lost::Refused)?;
            probed.undecided.retain(|quirk| found.undecided.contains(quirk));
            probed.quirks = found.on;
        }
        // The campaign finds that out as well, with a program that shows it.
        Err(Lost::Ended(_)) => {}
        Err(lost) => return Err(lost),
    }
    Ok(probed)
}
