// SPDX-License-Identifier: GPL-2.0-only
//! Data races as ThreadSanitizer reports them, and those that have a name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

/// A race of the kernel's that is known, by what is read without a lock and where.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    pub name: String,
    /// The variable: a global one, or `VARIABLE` in a function.
    pub variable: String,
    /// Functions that touch it without the lock; the report has one of them.
    pub functions: Vec<String>,
    pub story: String,
}

#[derive(Deserialize)]
struct File {
    race: Vec<Named>,
}

static NAMED: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let file: File = toml::from_str(percuss_data::file("known-races.toml")).expect("a test reads it");
    file.race
});

/// One report of the sanitizer, as far as a known race is recognised by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Race {
    /// What kind, as the sanitizer says: `data race`, `heap-use-after-free` and so on.
    pub kind: String,
    /// Functions of each side, the innermost first.
    pub sides: Vec<Vec<String>>,
    /// The global variable, when it is one.
    pub variable: Option<String>,
    pub text: String,
}

impl Race {
    /// A race that has a name.
    pub fn named(&self) -> Option<&'static Named> {
        // A race on the heap has no name that would be the same in the next run.
        let variable = self.variable.as_deref()?;
        // A static variable of a function has the function's name before its own, or a number after it.
        let same = |named: &Named| variable.split('.').any(|part| part == named.variable);
        let there = |named: &Named| self.sides.iter().flatten().any(|f| named.functions.contains(f));
        NAMED.iter().find(|named| self.kind == "data race" && same(named) && there(named))
    }

    /// Headline: where it is.
    pub fn title(&self) -> String {
        let place = |side: Option<&Vec<String>>| side.and_then(|s| s.first()).map_or("?", String::as_str).to_owned();
        let on = self.variable.as_deref().map_or(String::new(), |v| format!(" on {v}"));
        format!("ThreadSanitizer: {}{on} in {} and {}", self.kind, place(self.sides.first()), place(self.sides.get(1)))
    }
}

/// The reports in what the sanitizer wrote.
pub fn parse(text: &str) -> Vec<Race> {
    let mut out = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("WARNING: ThreadSanitizer: ") else { continue };
        // The number differs from run to run, and the kind is part of the title.
        let kind = kind.split(" (pid=").next().unwrap_or(kind).to_owned();
        let mut race = Race { kind, sides: Vec::new(), variable: None, text: line.to_owned() };
        // A line of equals signs ends each report.
        for line in lines.by_ref().take_while(|line| !line.starts_with("=====")) {
            race.text += "\n";
            race.text += line;
            race.note(line.trim_start());
        }
        out.push(race);
    }
    out
}

/// How the part about one side of a race begins.
const SIDES: [&str; 7] =
    ["Read of", "Write of", "Previous read", "Previous write", "Atomic read", "Atomic write", "Previous atomic"];
/// How what follows the sides begins: where threads and memory come from.
const ORIGINS: [&str; 3] = ["Thread T", "Mutex", "As if"];

impl Race {
    fn note(&mut self, line: &str) {
        let begins = |with: &[&str]| with.iter().any(|s| line.starts_with(s));
        if let Some(frame) = line.strip_prefix('#') {
            // A frame before the first side belongs to a part of the report that is not read.
            let function = frame.split_whitespace().nth(1).unwrap_or("?");
            if let Some(side) = self.sides.last_mut() {
                side.push(function.to_owned());
            }
        } else if begins(&SIDES) || begins(&ORIGINS) {
            self.sides.push(Vec::new());
        } else if let Some(rest) = line.strip_prefix("Location is global '") {
            self.variable = rest.split('\'').next().map(str::to_owned);
        }
    }
}

/// Races by name, with how often they were reported; those without a name apart, each kind once.
#[derive(Debug, Default)]
pub struct Sorted {
    pub known: BTreeMap<&'static str, (u64, &'static Named)>,
    pub new: Vec<(Race, u64)>,
}

/// Sorts reports into known races and new ones. Two new reports with the same title are the same race: line numbers and
/// addresses differ from run to run.
pub fn sort(races: Vec<Race>) -> Sorted {
    let mut out = Sorted::default();
    for mut race in races {
        // Stacks after the two sides say where threads and memory come from, not where the race is.
        race.sides.truncate(2);
        match race.named() {
            Some(named) => out.known.entry(&named.name).or_insert((0, named)).0 += 1,
            None => match out.new.iter_mut().find(|(r, _)| r.title() == race.title()) {
                Some((_, n)) => *n += 1,
                None => out.new.push((race, 1)),
            },
        }
    }
    out
}

/// What the sanitizer of this process wrote, with `log_path` set to `log`.
///
/// # Errors
/// A file cannot be read.
pub fn written(log: &Path) -> std::io::Result<String> {
    let file = format!("{}.{}", log.display(), std::process::id());
    match std::fs::read(&file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        // There is none as long as there is nothing to say.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(variable: &str, reader: &str, writer: &str) -> String {
        format!(
            "==================\n\
             WARNING: ThreadSanitizer: data race (pid=7)\n  \
             Read of size 4 at 0x55 by thread T2:\n    \
             #0 {reader} mm/percpu.c:1 (percuss+0x1)\n    #1 percuss_alloc c/unit.c:2 (percuss+0x2)\n\n  \
             Previous write of size 4 at 0x55 by thread T1:\n    \
             #0 {writer} mm/percpu.c:3 (percuss+0x3)\n\n  \
             Location is global '{variable}' of size 4 at 0x55 (percuss+0x55)\n\n  \
             Thread T2 'soak 1' (tid=9, running) created by main thread at:\n    #0 pthread_create <null>\n\
             ==================\n"
        )
    }

    #[test]
    fn a_race_is_known_by_variable_and_place() {
        let text = report("pcpu_nr_empty_pop_pages", "pcpu_alloc_noprof", "pcpu_update_empty_pages")
            + &report("pcpu_nr_empty_pop_pages", "pcpu_balance_workfn", "pcpu_update_empty_pages")
            + &report("pcpu_alloc_noprof.warn_limit", "pcpu_alloc_noprof", "pcpu_alloc_noprof")
            + &report("percuss_touched", "pcpu_alloc_noprof", "pcpu_alloc_noprof");
        let races = parse(&text);
        assert_eq!(races.len(), 4);
        assert_eq!(races[0].sides[0], ["pcpu_alloc_noprof", "percuss_alloc"]);
        let sorted = sort(races);
        assert_eq!(sorted.known.keys().copied().collect::<Vec<_>>(), ["B14", "B15"]);
        let new: Vec<String> = sorted.new.iter().map(|(r, _)| r.title()).collect();
        assert_eq!(
            new,
            [
                "ThreadSanitizer: data race on pcpu_nr_empty_pop_pages in pcpu_balance_workfn and pcpu_update_empty_pages",
                "ThreadSanitizer: data race on percuss_touched in pcpu_alloc_noprof and pcpu_alloc_noprof",
            ],
            "another place, or another variable, is another race"
        );
    }

    #[test]
    fn what_is_no_report_is_none() {
        assert!(parse("").is_empty() && parse("==================\nhello\n").is_empty());
        let deadlock = "WARNING: ThreadSanitizer: lock-order-inversion (potential deadlock) (pid=3)\n  Cycle\n";
        assert_eq!(parse(deadlock)[0].kind, "lock-order-inversion (potential deadlock)");
        assert!(parse(deadlock)[0].named().is_none());
    }
}
