// SPDX-License-Identifier: GPL-2.0-only
//! The ratios that docs/speed.md states goals for. Each part is measured in turns with the others, so that a slow phase
//! of the machine falls on all of them.

use std::time::{Duration, Instant};

use super::fixture::{CPUS, Fixture, PROGRAMS};

/// Turns. Of each part the least time of each program counts, because other work on the machine only ever adds.
const TURNS: usize = 40;

/// A measured number, and the most it may be; None where docs/speed.md sets no goal.
struct Line {
    name: &'static str,
    value: f64,
    unit: &'static str,
    at_most: Option<f64>,
}

/// The least time of each program so far.
struct Part([Duration; PROGRAMS]);

impl Part {
    fn turn(&mut self, mut part: impl FnMut(usize)) {
        self.timed(|n| {
            let start = Instant::now();
            part(n);
            start.elapsed()
        });
    }

    fn timed(&mut self, mut part: impl FnMut(usize) -> Duration) {
        for (n, least) in self.0.iter_mut().enumerate() {
            *least = part(n).min(*least);
        }
    }

    /// The mean of the least times, in microseconds.
    fn mean(&self) -> f64 {
        self.0.iter().sum::<Duration>().as_secs_f64() * 1e6 / PROGRAMS as f64
    }
}

fn measure(cpus: u32) -> Vec<Line> {
    let mut f = Fixture::new(cpus);
    // Each program starts from the longest possible time, so that the first turn always counts.
    let mut parts: [Part; 7] = std::array::from_fn(|_| Part([Duration::MAX; PROGRAMS]));
    for _ in 0..TURNS {
        let [bare, c, model, lockstep, empty, boot, reset] = &mut parts;
        bare.turn(|n| f.bare(n));
        c.turn(|n| f.c_alone(n));
        model.turn(|n| f.model_alone(n));
        lockstep.turn(|n| f.lockstep(n));
        empty.turn(|_| f.empty(false));
        boot.turn(|_| f.empty(true));
        reset.timed(|n| f.reset(n));
    }
    let [bare, c, model, lockstep, empty, boot, reset] = parts.map(|p| p.mean());
    // Goals in microseconds are for 4 CPUs: what boot lays out grows with the units.
    let small = |goal| (cpus == 4).then_some(goal);
    vec![
        Line { name: "bare C", value: bare, unit: "us", at_most: None },
        Line { name: "C alone", value: c, unit: "us", at_most: None },
        Line { name: "Model alone", value: model, unit: "us", at_most: None },
        Line { name: "lockstep, all oracles", value: lockstep, unit: "us", at_most: None },
        Line { name: "C alone / bare C", value: c / bare, unit: "x", at_most: Some(1.3) },
        Line { name: "Model alone / C alone", value: model / c, unit: "x", at_most: Some(0.5) },
        Line { name: "lockstep / (C + Model)", value: lockstep / (c + model), unit: "x", at_most: Some(1.5) },
        Line { name: "reset, same geometry", value: reset, unit: "us", at_most: Some(1.0) },
        Line { name: "empty program", value: empty, unit: "us", at_most: None },
        Line { name: "full boot", value: boot - empty, unit: "us", at_most: small(10.0) },
    ]
}

pub fn print() {
    for cpus in CPUS {
        println!("\nprograms of 64 ops, {cpus} CPUs (least of {TURNS} turns)");
        for Line { name, value, unit, at_most } in measure(cpus) {
            let goal = at_most.map_or(String::new(), |g| {
                let verdict = if value <= g { "met" } else { "missed" };
                format!("  goal {g} {unit}: {verdict}")
            });
            println!("  {name:24} {value:8.2} {unit}{goal}");
        }
    }
}
