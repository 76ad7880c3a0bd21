// SPDX-License-Identifier: GPL-2.0-only
//! Targets for our own parsers.
//!
//! They read what other people send, so no input may make them panic.

use crate::trace::{Trace, is_trace};
use percuss_program::Program;
use percuss_source::patch::parse;

/// Reads bytes as a program in both forms, and checks that each gives the other back.
///
/// # Panics
/// On any finding.
pub fn program_text(bytes: &[u8]) {
    let decoded = Program::decode(bytes);
    assert!(decoded.is_repaired(), "decoding leaves something to repair");
    forms(&decoded);
    if let Ok(strict) = Program::decode_strict(bytes) {
        // What the strict decoder takes must mean the same to both, since files are read by one and inputs by the
        // other.
        assert_eq!(strict, decoded, "two decoders, two programs");
    }
    match String::from_utf8_lossy(bytes).parse::<Program>() {
        Ok(program) => forms(&program),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// Checks that text and bytes are two forms of the program.
fn forms(program: &Program) {
    let text = program.to_string();
    let again = text.parse::<Program>().expect("what is printed is a program");
    assert_eq!(&again, program, "the text form is another program");
    assert_eq!(again.to_string(), text);
    // Decoding repairs a program, so only repaired ones come back as they were.
    if program.is_repaired() {
        assert_eq!(&Program::decode(&program.encode()), program, "the byte form is another program");
    }
}

/// The file that patches are applied to.
///
/// Short, so that random hunks fit sometimes.
const FILE: &str = "one\ntwo\n\tthree\n";

/// Reads diffs, mails and threads, whole and damaged, puts them in order and applies them to a file.
///
/// # Panics
/// On any finding.
pub fn mbox(bytes: &[u8]) {
    for lenient in [false, true] {
        let patches = parse("input", bytes, lenient).map(|series| series.patches);
        // A patch that does not fit is an error like any other; what counts is that none of them panics.
        let results = patches.map(|all| all.iter().map(|patch| patch.on_text(FILE)).collect::<Vec<_>>());
        // An error without a message would not help the user.
        let errors = match results {
            Ok(results) => results.into_iter().filter_map(Result::err).collect(),
            Err(e) => vec![e],
        };
        assert!(errors.iter().all(|e| !e.to_string().is_empty()));
    }
}

/// Reads a trace: the result is a program that is legal in every form, or an error names the line that is no trace.
///
/// # Panics
/// On any finding.
pub fn trace(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<Trace>() {
        Ok(trace) => {
            assert!(trace.records.is_empty() || is_trace(&text), "events, and no trace");
            let program = trace.import().program;
            assert!(program.is_repaired(), "an import leaves something to repair");
            forms(&program);
        }
        Err(e) => assert!(e.line > 0 && is_trace(&text), "no trace, and an event that is cut off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_program::Generator;

    const DIFF: &str = "--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n \tthree\n";

    #[test]
    fn programs_and_what_is_none() {
        for i in 0..100 {
            let program = Generator::new(6).program(i);
            program_text(&program.encode());
            program_text(program.to_string().as_bytes());
        }
        for bytes in [&b""[..], b"\xff\xfe", b"task a\n  x = alloc\n", b"boot cpus=0\n", &[1; 35]] {
            program_text(bytes);
        }
    }

    #[test]
    fn patches_and_what_is_none() {
        let mail = format!("From x Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH 1/1] x\n\n{DIFF}-- \n2\n");
        for bytes in
            [DIFF.as_bytes(), mail.as_bytes(), b"", b"\0", b"@@ -1 +1 @@\n", b"From x\n\n> --- a/mm/percpu.c\n"]
        {
            mbox(bytes);
        }
        let series = parse("input", mail.as_bytes(), false).expect("a patch");
        assert_eq!(series.patches[0].on_text(FILE).expect("it fits"), ["one\n2\n\tthree\n"]);
    }
}
