// SPDX-License-Identifier: GPL-2.0-only
//! Laying out text: wrapped lines, grouped digits. All text reports are built from these, so that they break lines and
//! write numbers alike.

/// Words of `text`, in lines of at most `width` characters where words allow it. The first line begins with `first`,
/// the others with as many spaces; `first` may hold colour codes, so its width is said apart.
pub fn wrap(first: &str, indent: usize, text: &str, width: usize) -> String {
    let mut out = first.to_owned();
    let mut at = indent;
    let mut begins = true;
    for word in text.split_ascii_whitespace() {
        // Characters, not bytes: texts hold dashes and names that are not ASCII.
        let length = word.chars().count();
        // A word that is wider than a line stands alone on it: hashes and paths are copied, and must not be broken.
        if !begins && at + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            at = indent;
            begins = true;
        }
        if !begins {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += length;
        begins = false;
    }
    out.push('\n');
    out
}

/// Items that stay in one piece, wrapped likewise, with two spaces between them. For lists of `name value` pairs,
/// where a line break between name and value would mislead.
pub fn wrap_items(first: &str, indent: usize, items: &[String], width: usize) -> String {
    // Each item ends with glue, which becomes the second of the two spaces between items.
    let glued: Vec<String> = items.iter().map(|i| i.replace(' ', GLUE) + GLUE).collect();
    // One column more: the glue at the end of a line is trimmed below.
    let text = wrap(first, indent, &glued.join(" "), width + 1);
    text.lines().map(|l| l.replace(GLUE, " ").trim_end().to_owned() + "\n").collect()
}

const GLUE: &str = "\u{a0}";

/// `2 594 292`, or a dash for 0: in a column of large numbers a dash is easier to see.
pub fn count(n: u64) -> String {
    if n == 0 {
        return "-".to_owned();
    }
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(d);
    }
    out
}

/// `1 program`, `2 programs`.
pub fn plural(n: u64, what: &str) -> String {
    // In a sentence the dash that `count` gives for 0 would read badly.
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", if n == 0 { "0".to_owned() } else { count(n) }) }
}

pub fn share(part: u64, whole: u64) -> String {
    let permille = part * 1000 / whole.max(1);
    format!("{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_between_words() {
        assert_eq!(wrap("ab  ", 4, "one two three", 11), "ab  one two\n    three\n");
        assert_eq!(wrap("", 0, "much-too-long x", 4), "much-too-long\nx\n");
        assert_eq!(wrap("- ", 2, "", 4), "- \n");
        assert_eq!(wrap_items("", 0, &["a 1".into(), "b 2".into()], 7), "a 1\nb 2\n");
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 7, 999, 1000, 2_594_292].map(count).join("|"), "-|7|999|1 000|2 594 292");
        assert_eq!((plural(1, "program").as_str(), plural(0, "op").as_str()), ("1 program", "0 ops"));
        assert_eq!(share(1, 8), "12.5 %");
    }
}
