// SPDX-License-Identifier: GPL-2.0-only
//! The lines that are left after the preprocessor, from its line markers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Adds the lines of a preprocessed text that are not blank, for each file that `named` has a name for.
pub(super) fn alive(text: &str, named: impl Fn(&Path) -> Option<String>, lines: &mut BTreeMap<String, BTreeSet<u32>>) {
    let mut file: Option<&mut BTreeSet<u32>> = None;
    let mut number = 0;
    for line in text.lines() {
        if let Some((next, path)) = marker(line) {
            // The line after a marker has the number in it.
            number = next;
            file = named(&path).map(|name| lines.entry(name).or_default());
            continue;
        }
        if let Some(file) = &mut file
            && !line.trim().is_empty()
        {
            file.insert(number);
        }
        number = number.saturating_add(1);
    }
}

/// The number and the path of a line marker, such as `# 12 "mm/percpu.c" 2`.
fn marker(line: &str) -> Option<(u32, PathBuf)> {
    let (number, rest) = line.strip_prefix("# ")?.split_once(' ')?;
    let (path, _) = rest.strip_prefix('"')?.rsplit_once('"')?;
    Some((number.parse().ok()?, PathBuf::from(path.replace("\\\\", "\\").replace("\\\"", "\""))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_number_the_lines_of_each_file() {
        let text = "# 1 \"/t/a.c\"\n# 1 \"<built-in>\" 1\n#define X 1\n# 1 \"/t/a.c\" 2\n\nint a;\n\
            # 1 \"/t/b.h\" 1\nint b;\n# 7 \"/t/a.c\" 2\n\nint c;\n#pragma x\n";
        let mut lines = BTreeMap::new();
        let named = |path: &Path| path.strip_prefix("/t").ok().map(|p| p.display().to_string());
        alive(text, named, &mut lines);
        let expected = [("a.c".to_owned(), BTreeSet::from([2, 8, 9])), ("b.h".to_owned(), BTreeSet::from([1]))];
        assert_eq!(lines, BTreeMap::from(expected));
    }
}
