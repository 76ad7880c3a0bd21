// SPDX-License-Identifier: GPL-2.0-only
//! Progress: a bar on a terminal, a plain line now and then elsewhere. It goes to standard error, so that results can
//! be redirected alone.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use percuss::campaign::{Extent, Progress};

use super::output::tell;

/// Time between plain lines: often enough to see that it goes on, seldom enough for a log.
const LINES: Duration = Duration::from_secs(10);

/// Shows a campaign's progress until it is dropped, on a thread of its own: the campaign only counts, and is not
/// slowed down by a terminal. Drop it before printing, or the bar is drawn over the result.
pub struct Display {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    /// Starts to show a campaign of programs. `extent` gives the length of the bar. With `quiet`, as for JSON, nothing
    /// is shown and no thread is started.
    pub fn start(progress: Arc<Progress>, extent: Extent, quiet: bool) -> Display {
        Display::of("programs", progress, extent, quiet)
    }

    /// The same for a campaign that counts something other than programs.
    pub fn of(unit: &'static str, progress: Arc<Progress>, extent: Extent, quiet: bool) -> Display {
        let done = Arc::new(AtomicBool::new(false));
        let thread = (!quiet).then(|| {
            let done = done.clone();
            std::thread::spawn(move || show(unit, &progress, extent, &done))
        });
        Display { done, thread }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            t.thread().unpark();
            // A display that panicked has said so itself, and takes nothing from the result.
            let _ = t.join();
        }
    }
}

fn show(unit: &str, progress: &Progress, extent: Extent, done: &AtomicBool) {
    let started = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let (length, style) = match extent {
        Extent::Programs(n) => (n, "{wide_bar} {percent}% {msg}"),
        Extent::Time(t) => (t.as_secs(), "{wide_bar} {pos}/{len} s {msg}"),
    };
    // A hidden bar takes all calls and draws nothing, so the code below need not ask again.
    let bar = if terminal { ProgressBar::new(length) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template(style).expect("the template is tested by use"));
    let mut next_line = LINES;
    let mut was_minimizing = false;
    while !done.load(Ordering::Relaxed) {
        // Parked rather than asleep, so that a campaign that ends does not wait for the next update.
        std::thread::park_timeout(Duration::from_millis(if terminal { 100 } else { 500 }));
        // How long it takes to make programs small is not known, so a spinner takes the place of the bar.
        if progress.minimizing.load(Ordering::Relaxed) {
            if !was_minimizing {
                was_minimizing = true;
                let found = progress.findings.load(Ordering::Relaxed);
                bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("as above"));
                bar.set_message(format!("making the programs of {found} findings small"));
            }
            bar.tick();
            continue;
        }
        let seconds = started.elapsed().as_secs_f64().max(0.001);
        let programs = progress.programs.load(Ordering::Relaxed);
        let rate = rate(unit, progress, programs, seconds) + &left(extent, programs, seconds);
        bar.set_position(match extent {
            Extent::Programs(_) => programs,
            Extent::Time(_) => seconds as u64,
        });
        bar.set_message(rate.clone());
        if !terminal && started.elapsed() >= next_line {
            tell(&format!("{programs} {unit}, {rate}"));
            next_line += LINES;
        }
    }
    bar.finish_and_clear();
}

/// Time left; empty until the speed is known.
fn left(extent: Extent, programs: u64, seconds: f64) -> String {
    let left = match extent {
        Extent::Programs(n) if programs > 0 => seconds * n.saturating_sub(programs) as f64 / programs as f64,
        Extent::Programs(_) => return String::new(),
        Extent::Time(t) => (t.as_secs_f64() - seconds).max(0.0),
    };
    match left.round() as u64 {
        s if s < 120 => format!(", {s} s left"),
        s => format!(", {} min left", s / 60),
    }
}

fn rate(unit: &str, progress: &Progress, programs: u64, seconds: f64) -> String {
    let ops = progress.ops.load(Ordering::Relaxed) as f64;
    let findings = progress.findings.load(Ordering::Relaxed);
    let ops = match ops / seconds {
        fast if fast >= 1e6 => format!("{:.1} M", fast / 1e6),
        slow => format!("{:.0} k", slow / 1e3),
    };
    let memory = match progress.memory.load(Ordering::Relaxed) {
        0 => String::new(),
        bytes => format!(", {} MiB", bytes >> 20),
    };
    let programs = programs as f64 / seconds;
    // Epochs of a soak are slow enough that whole numbers would hide a change.
    let digits = usize::from(programs < 100.0);
    format!("{programs:.digits$} {unit}/s, {ops} ops/s, {findings} findings{memory}")
}
