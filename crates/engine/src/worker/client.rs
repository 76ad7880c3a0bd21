// SPDX-License-Identifier: GPL-2.0-only
//! A worker process as the campaign sees it: requests with a time limit, and what became of it when it dies.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::protocol::{Reply, Request, Setup, Start};
use crate::judge::Probed;
use crate::sandbox::MEMORY;
use percuss_kernel::{Quirk, Quirks};

/// The signal that ends a worker whose program used up its CPU time.
pub const OVERTIME: Signal = Signal::SIGPROF;

/// A worker that says nothing for so long waits for something that never comes: CPU time is limited otherwise.
pub const SILENCE: Duration = Duration::from_secs(300);

/// How often a worker is asked again when somebody else ended it.
pub const RETRIES: u32 = 3;

/// How often a worker's memory is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The executable that knows the `worker` command.
fn executable(setup: &Setup) -> io::Result<std::path::PathBuf> {
    setup.worker.clone().map_or_else(std::env::current_exe, Ok)
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The process died; the signal's or exit's name.
    #[error("the worker ended with {0}")]
    Died(String),
    /// Somebody else ended it; the signal's name.
    #[error("workers are ended from outside by {0}; is there too little memory?")]
    Killed(String),
    /// The program used up its CPU time, or the process said nothing for minutes.
    #[error("the worker did not answer in time")]
    TimedOut,
    /// It could not start its work.
    #[error("{0}")]
    Refused(String),
    /// The system failed us.
    #[error("cannot talk to a worker: {0}")]
    Io(#[from] io::Error),
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    line: String,
}

impl Worker {
    /// Starts our own executable as a worker.
    ///
    /// # Errors
    /// The executable cannot be started, or refuses the set-up (image, memory).
    pub fn start(setup: &Setup) -> Result<Worker, Lost> {
        let mut worker = Worker::spawn(&executable(setup)?, &Start::Serve(setup.clone()))?;
        // Whatever goes wrong here is no program's doing.
        match worker.receive(SILENCE) {
            Ok(Reply::Ready) => Ok(worker),
            Ok(Reply::Failed { why }) => Err(Lost::Refused(why)),
            Ok(other) => Err(Lost::Refused(format!("unexpected reply {other:?}"))),
            Err(lost @ (Lost::Io(_) | Lost::Killed(_))) => Err(lost),
            Err(lost) => Err(Lost::Refused(format!("a worker does not start: {lost}"))),
        }
    }

    /// Finds out what an image is, in a process of its own: `program` is percuss.
    ///
    /// # Errors
    /// It does not load. One that crashes later is an image whose quirks are all undecided.
    pub fn probe(program: &Path, image: &Path) -> Result<Probed, Lost> {
        for _ in 1..RETRIES {
            match Worker::probe_once(program, image) {
                Err(Lost::Killed(_)) => {}
                other => return other,
            }
        }
        Worker::probe_once(program, image)
    }

    fn probe_once(program: &Path, image: &Path) -> Result<Probed, Lost> {
        let mut worker = Worker::spawn(program, &Start::Probe { image: image.to_owned() })?;
        let mut probed = match worker.receive(SILENCE)? {
            Reply::Loaded { facts, api, confinement } => {
                let undecided = Quirk::ALL.to_vec();
                Probed { facts, api, quirks: Quirks::default(), undecided, confinement: Some(confinement) }
            }
            Reply::Failed { why } => return Err(Lost::Refused(why)),
            other => return Err(Lost::Refused(format!("unexpected reply {other:?}"))),
        };
        match worker.receive(SILENCE) {
            Ok(Reply::Quirks { on, undecided }) => {
                probed.undecided.retain(|quirk| undecided.contains(quirk));
                probed.quirks = on;
            }
            Ok(Reply::Failed { why }) => return Err(Lost::Refused(why)),
            Ok(other) => return Err(Lost::Refused(format!("unexpected reply {other:?}"))),
            // The campaign will find it out, with a program that shows it.
            Err(Lost::Died(_) | Lost::TimedOut) => {}
            Err(lost) => return Err(lost),
        }
        Ok(probed)
    }

    fn spawn(program: &Path, start: &Start) -> Result<Worker, Lost> {
        let mut child = Command::new(program)
            .arg("worker")
            // The image is copied and loaded from where it is: the one place the worker may write.
            .env("TMPDIR", start.image().parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let requests = child.stdin.take().expect("stdin is piped");
        let replies = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut worker = Worker { child, requests, replies, line: String::new() };
        match worker.send(start) {
            Ok(()) => Ok(worker),
            Err(lost @ (Lost::Io(_) | Lost::Killed(_))) => Err(lost),
            Err(lost) => Err(Lost::Refused(format!("a worker does not start: {lost}"))),
        }
    }

    fn send(&mut self, what: &impl serde::Serialize) -> Result<(), Lost> {
        let mut line = serde_json::to_string(what).map_err(io::Error::other)?;
        line.push('\n');
        match self.requests.write_all(line.as_bytes()).and_then(|()| self.requests.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(self.post_mortem()),
            Err(e) => Err(e.into()),
        }
    }

    /// Sends a request; answers come by [`Worker::receive`].
    ///
    /// # Errors
    /// The worker is gone.
    pub fn ask(&mut self, request: &Request) -> Result<(), Lost> {
        self.send(request)
    }

    /// The next reply.
    ///
    /// # Errors
    /// The worker died, or said nothing within `limit` and was killed.
    pub fn receive(&mut self, limit: Duration) -> Result<Reply, Lost> {
        let until = Instant::now() + limit;
        self.line.clear();
        loop {
            if self.replies.buffer().is_empty() {
                let left = until.saturating_duration_since(Instant::now());
                let wait = left.min(LOOK).as_millis().max(1);
                let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
                let mut fds = [PollFd::new(self.replies.get_ref().as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, timeout) {
                    Ok(0) if Instant::now() >= until => {
                        self.end();
                        return Err(Lost::TimedOut);
                    }
                    Ok(0) if self.memory() > MEMORY => {
                        self.end();
                        return Err(Lost::Died(format!("more than {} GiB of memory", MEMORY >> 30)));
                    }
                    Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                    Err(e) => return Err(io::Error::from(e).into()),
                }
            }
            // Replies are whole lines written at once; a partial one only waits for its rest.
            if self.replies.read_line(&mut self.line)? == 0 {
                return Err(self.post_mortem());
            }
            if self.line.ends_with('\n') {
                return serde_json::from_str(&self.line).map_err(|e| io::Error::other(e).into());
            }
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Memory it uses, in bytes; 0 when the system does not say.
    pub fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }

    fn post_mortem(&mut self) -> Lost {
        match self.child.wait() {
            Ok(status) => match status.signal().map(|n| (n, Signal::try_from(n))) {
                Some((_, Ok(OVERTIME))) => Lost::TimedOut,
                Some((_, Ok(s @ (Signal::SIGKILL | Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP)))) => {
                    Lost::Killed(s.to_string())
                }
                Some((_, Ok(s))) => Lost::Died(s.to_string()),
                Some((n, Err(_))) => Lost::Died(format!("signal {n}")),
                None => Lost::Died(format!("exit code {}", status.code().unwrap_or(-1))),
            },
            Err(e) => Lost::Io(e),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
