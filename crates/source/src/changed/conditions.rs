// SPDX-License-Identifier: GPL-2.0-only
//! The parts of a C file that `#if` and its like decide about.

/// Lines that are compiled under a condition, without the directives around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub first: u32,
    /// Less than `first` where there is no line between the directives.
    pub last: u32,
    /// What switches the lines on, as short as it can be said: `CONFIG_NUMA`, `!CONFIG_SMP`, or the expression.
    pub when: String,
}

impl Condition {
    /// Whether a line is under it, directives not counted.
    pub fn holds(&self, line: u32) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// All conditions of a text, outer ones before those in them. One that is never closed holds to the end.
///
/// A directive that a comment hides is not seen as hidden; the kernel has none.
pub(super) fn conditions(text: &str) -> Vec<Condition> {
    let mut all: Vec<Condition> = Vec::new();
    // For each level the part that is open, and the conditions of those before it.
    let mut open: Vec<(usize, Vec<String>)> = Vec::new();
    let mut number = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        number += 1;
        let (first, mut line) = (number, line.to_owned());
        while line.ends_with('\\') {
            line.pop();
            line += lines.next().unwrap_or_default();
            number += 1;
        }
        let Some((word, rest)) = directive(&line) else { continue };
        let when = match word {
            "if" | "elif" => expression(rest),
            "ifdef" | "elifdef" => name(rest).to_owned(),
            "ifndef" | "elifndef" => not(name(rest)),
            "else" => String::new(),
            "endif" => String::new(),
            _ => continue,
        };
        let mut before = Vec::new();
        if !word.starts_with("if") {
            let Some((part, conditions)) = open.pop() else { continue };
            all[part].last = first - 1;
            before = conditions;
        }
        if word == "endif" {
            continue;
        }
        // What an `#else` is compiled under is what nothing before it was.
        let when = if word == "else" { before.iter().map(|c| not(c)).collect::<Vec<_>>().join(" && ") } else { when };
        before.push(when.clone());
        open.push((all.len(), before));
        all.push(Condition { first: number + 1, last: u32::MAX, when });
    }
    all
}

/// The word of a directive and what follows it.
fn directive(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start().strip_prefix('#')?.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    Some((&rest[..end], uncommented(&rest[end..])))
}

fn uncommented(text: &str) -> &str {
    let end = ["/*", "//"].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    text[..end].trim()
}

fn name(rest: &str) -> &str {
    rest.split_whitespace().next().unwrap_or_default()
}

/// An expression in short: that a symbol is defined, or enabled, is said by its name alone.
fn expression(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (bang, positive) = plain.strip_prefix('!').map_or(("", plain.as_str()), |rest| ("!", rest.trim_start()));
    for test in ["defined", "IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE"] {
        let Some(rest) = positive.strip_prefix(test) else { continue };
        let symbol = rest.trim().trim_start_matches('(').trim_end_matches(')').trim();
        if !symbol.is_empty() && symbol.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            return format!("{bang}{symbol}");
        }
    }
    plain
}

fn not(condition: &str) -> String {
    let simple = |text: &str| text.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    match condition.strip_prefix('!') {
        Some(rest) if simple(rest) => rest.to_owned(),
        _ if simple(condition) => format!("!{condition}"),
        _ => format!("!({condition})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(u32, u32, String)> {
        conditions(text).into_iter().map(|c| (c.first, c.last, c.when)).collect()
    }

    #[test]
    fn parts_have_the_condition_that_switches_them() {
        let text = "#ifdef CONFIG_A\na\n#elif defined(CONFIG_B) /* b */\nb\n# else\nc\n#endif\n#if X > 1 && \\\n  Y\nd\n#endif\n";
        let expected =
            [(2, 2, "CONFIG_A"), (4, 4, "CONFIG_B"), (6, 6, "!CONFIG_A && !CONFIG_B"), (10, 10, "X > 1 && Y")];
        assert_eq!(of(text), expected.map(|(first, last, when)| (first, last, when.to_owned())));
    }

    #[test]
    fn outer_conditions_come_first() {
        let text = "#ifndef A_H\n#define A_H\n#if IS_ENABLED(CONFIG_N)\nx\n#else\ny\n#endif\n#endif\n";
        let expected = [(2, 7, "!A_H"), (4, 4, "CONFIG_N"), (6, 6, "!CONFIG_N")];
        assert_eq!(of(text), expected.map(|(first, last, when)| (first, last, when.to_owned())));
        assert_eq!(of("#endif\n#else\n#if !defined X"), [(4, u32::MAX, "!X".to_owned())]);
    }
}
