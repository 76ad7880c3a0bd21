// SPDX-License-Identifier: GPL-2.0-only
//! Progress: a bar on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use percuss::campaign::{Extent, Progress};

/// Shows a campaign's progress until it is dropped.
pub struct Display {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    /// Starts showing; quiet shows nothing.
    pub fn start(progress: Arc<Progress>, extent: Extent, quiet: bool) -> Display {
        let done = Arc::new(AtomicBool::new(false));
        let thread = (!quiet).then(|| {
            let done = done.clone();
            std::thread::spawn(move || show(&progress, extent, &done))
        });
        Display { done, thread }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            t.thread().unpark();
            let _ = t.join();
        }
    }
}

fn show(progress: &Progress, extent: Extent, done: &AtomicBool) {
    let started = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let (length, style) = match extent {
        Extent::Programs(n) => (n, "{wide_bar} {pos}/{len} programs {msg} {eta} left"),
        Extent::Time(t) => (t.as_secs(), "{wide_bar} {pos}/{len} s {msg}"),
    };
    let bar = if terminal { ProgressBar::new(length) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template(style).expect("the template is tested by use"));
    let mut next_line = Duration::from_secs(10);
    while !done.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(if terminal { 100 } else { 500 }));
        let seconds = started.elapsed().as_secs_f64().max(0.001);
        let programs = progress.programs.load(Ordering::Relaxed);
        let ops = progress.ops.load(Ordering::Relaxed);
        let findings = progress.findings.load(Ordering::Relaxed);
        let rate = format!(
            "{:.0}/s, {:.2} M ops/s, {findings} kinds of findings",
            programs as f64 / seconds,
            ops as f64 / seconds / 1e6
        );
        bar.set_position(match extent {
            Extent::Programs(_) => programs,
            Extent::Time(_) => seconds as u64,
        });
        bar.set_message(rate.clone());
        if !terminal && started.elapsed() >= next_line {
            eprintln!("{programs} programs, {rate}");
            next_line += Duration::from_secs(10);
        }
    }
    bar.finish_and_clear();
}
