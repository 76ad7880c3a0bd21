// SPDX-License-Identifier: GPL-2.0-only
//! The ratios, each part measured in turns.

use std::time::{Duration, Instant};

use super::fixture::{CPUS, Fixture, PROGRAMS};

/// Turns; the least of each part counts.
const TURNS: usize = 40;

/// A number with the goal it is held against.
struct Line {
    name: &'static str,
    value: f64,
    unit: &'static str,
    at_most: Option<f64>,
}

fn time(mut part: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..PROGRAMS).for_each(&mut part);
    start.elapsed().as_secs_f64() * 1e6 / PROGRAMS as f64
}

fn measure(cpus: u32) -> Vec<Line> {
    let mut f = Fixture::new(cpus);
    let mut least = [f64::MAX; 7];
    for _ in 0..TURNS {
        let now = [
            time(|n| f.bare(n)),
            time(|n| f.c_alone(n)),
            time(|n| f.model_alone(n)),
            time(|n| f.lockstep(n)),
            time(|_| f.empty(false)),
            time(|_| f.empty(true)),
            (0..PROGRAMS).map(|n| f.reset(n)).sum::<Duration>().as_secs_f64() * 1e6 / PROGRAMS as f64,
        ];
        least.iter_mut().zip(now).for_each(|(l, n)| *l = l.min(n));
    }
    let [bare, c, model, lockstep, empty, boot, reset] = least;
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

/// Measures and prints.
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
