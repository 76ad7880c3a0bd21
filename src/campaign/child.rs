// SPDX-License-Identifier: GPL-2.0-only
//! A worker process as the campaign sees it: requests with a time limit, and what became of it when it dies.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::message::{Reply, Request, Setup};

/// The signal that ends a worker whose program used up its CPU time.
pub const OVERTIME: Signal = Signal::SIGPROF;

/// A worker that says nothing for so long waits for something that never comes: CPU time is limited otherwise.
pub const SILENCE: Duration = Duration::from_secs(300);

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
        let mut child = Command::new(executable(setup)?)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let requests = child.stdin.take().expect("stdin is piped");
        let replies = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut worker = Worker { child, requests, replies, line: String::new() };
        // Whatever goes wrong here is no program's doing.
        match worker.send(setup).and_then(|()| worker.receive(SILENCE)) {
            Ok(Reply::Ready) => Ok(worker),
            Ok(Reply::Failed { why }) => Err(Lost::Refused(why)),
            Ok(other) => Err(Lost::Refused(format!("unexpected reply {other:?}"))),
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
                let timeout = PollTimeout::try_from(left.as_millis().max(1)).unwrap_or(PollTimeout::MAX);
                let mut fds = [PollFd::new(self.replies.get_ref().as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, timeout) {
                    Ok(0) => {
                        let _ = self.child.kill();
                        let _ = self.child.wait();
                        return Err(Lost::TimedOut);
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
