// SPDX-License-Identifier: GPL-2.0-only
//! docs/detection.md has the table of oracles as the code has it.

use std::path::Path;

use percuss_oracle::table::markdown;

/// `PERCUSS_BLESS=1` puts the table there.
#[test]
fn the_page_has_the_table_of_oracles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/detection.md");
    let (text, wanted) = (std::fs::read_to_string(&path).unwrap(), markdown());
    let begin = "<!-- oracles -->\n";
    let at = text.find(begin).unwrap() + begin.len();
    let end = at + text[at..].find("<!-- end of oracles -->").unwrap();
    if std::env::var_os("PERCUSS_BLESS").is_some() && text[at..end] != wanted {
        std::fs::write(path, format!("{}{wanted}{}", &text[..at], &text[end..])).unwrap();
        return;
    }
    assert_eq!(text[at..end], wanted, "run this test with PERCUSS_BLESS=1");
}
