// SPDX-License-Identifier: GPL-2.0-only
//! The text programs that come with percuss, and their numbers among the programs of a check.

use percuss_program::Program;

/// Number of the first program of the corpus: far above those of all generated programs, so that a number alone says where
/// a program comes from.
pub const CORPUS_INDEX: u64 = 1 << 63;

/// The text programs that every check runs, as (file name, text), in the order of their numbers.
pub fn corpus() -> impl Iterator<Item = (&'static str, &'static str)> {
    percuss_data::folder("corpora/lockstep")
}

/// The same programs, parsed.
///
/// # Panics
/// One has a mistake. The files are part of the executable, and a test parses them.
pub fn corpus_programs() -> Vec<Program> {
    let parse = |(name, text): (&str, &str)| {
        text.parse().unwrap_or_else(|e| panic!("corpora/lockstep/{name} is part of percuss, and does not parse: {e}"))
    };
    corpus().map(parse).collect()
}

/// File name of the program of the corpus that has this number; None for a generated program.
pub fn corpus_name(index: u64) -> Option<&'static str> {
    // Numbers below it are those of generated programs.
    let place = usize::try_from(index.checked_sub(CORPUS_INDEX)?).expect("the corpus fits the memory");
    corpus().nth(place).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_the_files() {
        let programs = corpus_programs();
        assert!(!programs.is_empty());
        for (index, (name, _)) in (CORPUS_INDEX..).zip(corpus()) {
            assert_eq!(corpus_name(index), Some(name));
        }
        assert_eq!(corpus_name(CORPUS_INDEX + programs.len() as u64), None);
        assert_eq!(corpus_name(0), None);
    }
}
