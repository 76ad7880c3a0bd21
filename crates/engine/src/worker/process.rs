// SPDX-License-Identifier: GPL-2.0-only
//! One worker process as percuss sees it: calls with a time limit, and why it ended when it dies.

use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clock::OVERTIME;
use super::wire::{Call, Line, write_line};
use crate::sandbox::MEMORY;

/// How long a worker may send nothing. The CPU time of programs is limited, so a worker that is silent for minutes waits
/// for something that never comes; a shorter limit would end good ones on a machine that is very busy.
pub const SILENCE: Duration = Duration::from_secs(300);

/// How often a worker's memory is looked at: a program that allocates without end fills gigabytes in seconds.
const MEMORY_CHECK: Duration = Duration::from_millis(250);

/// How a program ended the worker that ran it: a finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The process died, of the signal, exit code or use of memory named here.
    #[error("the worker ended with {0}")]
    Died(String),
    /// The program used up its CPU time, or the process was silent for [`SILENCE`].
    #[error("the worker did not answer in time")]
    TimedOut,
}

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The program ended the worker.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Another process ended the worker, with the signal named here.
    #[error("workers are ended from outside by {0}; is there too little memory?")]
    Killed(String),
    /// The worker could not start its work.
    #[error("{0}")]
    Refused(String),
    /// The worker cannot be started, or what it sends cannot be read.
    #[error("cannot talk to a worker: {0}")]
    Io(#[from] io::Error),
}

/// A running worker process. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    line: String,
}

impl Process {
    /// Runs `program worker`, which loads `image`.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn spawn(program: &Path, image: &Path) -> Result<Process, Lost> {
        let mut child = Command::new(program)
            .arg("worker")
            // The image is copied and loaded from where it is: the one place where the worker may write.
            .env("TMPDIR", image.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A panic prints there, which would stand in the middle of a report.
            .stderr(Stdio::null())
            .spawn()?;
        let requests = child.stdin.take().expect("stdin is piped");
        let replies = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Ok(Process { child, requests, replies, line: String::new() })
    }

    /// Makes a call, hands its notes to `note` as they come, and waits for its reply.
    ///
    /// # Errors
    /// See [`Lost`]. The process cannot be called again.
    pub fn call<C: Call>(&mut self, call: &C, mut note: impl FnMut(C::Note)) -> Result<C::Reply, Lost> {
        self.send(&C::Wire::from(call.clone()))?;
        loop {
            match self.receive(SILENCE * C::PATIENCE)? {
                Line::<C::Note, C::Reply>::Note(n) => note(n),
                Line::Done(reply) => return Ok(reply),
            }
        }
    }

    fn send(&mut self, what: &impl Serialize) -> Result<(), Lost> {
        match write_line(&mut self.requests, what) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(self.post_mortem()),
            Err(e) => Err(e.into()),
        }
    }

    fn receive<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, Lost> {
        let until = Instant::now() + limit;
        self.line.clear();
        loop {
            self.wait_for_output(until)?;
            // The worker writes whole lines at once; after a part of one the rest is on its way.
            if self.replies.read_line(&mut self.line)? == 0 {
                return Err(self.post_mortem());
            }
            if self.line.ends_with('\n') {
                // A line that does not parse is a defect of percuss, or a worker of another version; neither is a
                // finding.
                let reply = serde_json::from_str(&self.line);
                return reply.map_err(|e| io::Error::other(format!("unexpected reply from worker: {e}")).into());
            }
        }
    }

    /// Returns when there is something to read, or the worker is gone. Ends a worker that is silent until then, or that
    /// uses too much memory.
    fn wait_for_output(&mut self, until: Instant) -> Result<(), Lost> {
        while self.replies.buffer().is_empty() {
            // Woken up now and then to look at the worker's memory.
            let left = until.saturating_duration_since(Instant::now());
            let wait = left.min(MEMORY_CHECK).as_millis().max(1);
            let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.replies.get_ref().as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if Instant::now() >= until => {
                    self.end();
                    return Err(Ended::TimedOut.into());
                }
                Ok(0) if self.memory() > MEMORY => {
                    self.end();
                    return Err(Ended::Died(format!("more than {} GiB of memory", MEMORY >> 30)).into());
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => break,
                Err(e) => return Err(io::Error::from(e).into()),
            }
        }
        Ok(())
    }

    /// Memory that the process uses, in bytes; 0 when the system does not say, as after its end.
    pub fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        // The second number is the resident set in pages.
        text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }

    fn end(&mut self) {
        // Ignore errors: they say that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn post_mortem(&mut self) -> Lost {
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(e) => return Lost::Io(e),
        };
        // A worker returns only when its input ends, so an exit code is that of a failure, such as a panic.
        let Some(number) = status.signal() else {
            return Ended::Died(format!("exit code {}", status.code().unwrap_or(-1))).into();
        };
        match Signal::try_from(number) {
            Ok(OVERTIME) => Ended::TimedOut.into(),
            // No crash raises these: the out-of-memory killer, a user or a supervisor sent them.
            Ok(s @ (Signal::SIGKILL | Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP)) => {
                Lost::Killed(s.to_string())
            }
            Ok(s) => Ended::Died(s.to_string()).into(),
            Err(_) => Ended::Died(format!("signal {number}")).into(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
