// SPDX-License-Identifier: GPL-2.0-only
//! The functions that a C file defines, with their lines.

use crate::text::Text;

/// A function, by the lines from the first of its head to its closing brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub first: u32,
    pub last: u32,
    /// The tree without the change does not define it.
    pub new: bool,
}

/// The definitions in a text, in order.
///
/// A brace in the first column begins or ends one, whatever was counted before: where `#if` chooses between two heads
/// or two ends, braces do not match, and the kernel's style does.
pub(super) fn functions(text: &str, code: &[Text]) -> Vec<Function> {
    let bytes = text.as_bytes();
    let mut found: Vec<Function> = Vec::new();
    let (mut depth, mut line, mut open) = (0u32, 1, None);
    // Where the code after the last declaration or definition begins.
    let mut since = 0;
    for at in 0..bytes.len() {
        let first_column = at == 0 || bytes[at - 1] == b'\n';
        match bytes[at] {
            b'\n' => line += 1,
            _ if code[at] != Text::Code => {}
            b'{' => {
                depth = if first_column { 0 } else { depth };
                if depth == 0 {
                    open = head(text, code, since, at);
                }
                depth += 1;
            }
            b'}' => {
                depth = if first_column { 0 } else { depth.saturating_sub(1) };
                if depth == 0 {
                    found.extend(open.take().map(|(name, first)| Function { name, first, last: line, new: false }));
                    since = at + 1;
                }
            }
            b';' if depth == 0 => since = at + 1,
            _ => {}
        }
    }
    found
}

/// The name of the function whose body begins at `brace`, and its first line; None where the brace is that of a struct
/// or of an initializer. `since` is where the declaration before it ends.
fn head(text: &str, code: &[Text], since: usize, brace: usize) -> Option<(String, u32)> {
    let bytes = text.as_bytes();
    let places: Vec<usize> =
        (since..brace).filter(|&i| code[i] == Text::Code && !bytes[i].is_ascii_whitespace()).collect();
    let start = *places.first()?;
    let mut at = places.len();
    loop {
        // Attributes without arguments may stand between the parameters and the brace.
        at -= word(bytes, &places[..at]).len();
        let open = opening(bytes, &places[..at])?;
        let name = word(bytes, &places[..open]);
        let before = open - name.len();
        // `f(int a) __must_hold(&lock) {`: what another pair of parentheses precedes is an attribute.
        if before == 0 || bytes[places[before - 1]] != b')' {
            let name = String::from_utf8(name).ok().filter(|name| !name.is_empty())?;
            let first = bytes[..start].iter().filter(|&&b| b == b'\n').count() as u32 + 1;
            return Some((name, first));
        }
        at = before;
    }
}

/// The identifier at the end of the characters at `places`; it may be empty.
fn word(bytes: &[u8], places: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = None;
    for &place in places.iter().rev() {
        let part = bytes[place] == b'_' || bytes[place].is_ascii_alphanumeric();
        // A gap is a blank, and `int f` are two words.
        if !part || next.is_some_and(|next| place + 1 != next) {
            break;
        }
        out.push(bytes[place]);
        next = Some(place);
    }
    out.reverse();
    out
}

/// Index of the parenthesis that the last of the characters closes; None when the last one closes none.
fn opening(bytes: &[u8], places: &[usize]) -> Option<usize> {
    let mut depth = 0;
    for (i, &place) in places.iter().enumerate().rev() {
        match bytes[place] {
            b')' => depth += 1,
            b'(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (bytes[place] == b'(').then_some(i);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::code_mask;

    fn of(text: &str) -> Vec<(String, u32, u32)> {
        functions(text, &code_mask(text)).into_iter().map(|f| (f.name, f.first, f.last)).collect()
    }

    #[test]
    fn heads_in_the_styles_of_the_kernel() {
        let text = "static int one(void) { return 1; }\n/* two() { */\nstatic inline\nvoid *two(int (*f)(int), int a)\n\
            \t__must_hold(&lock) __cold\n{\n\tif (a) {\n\t}\n}\nstruct s {\n\tint x;\n};\nint t[] = { 1, };\nEXPORT(two);\n";
        assert_eq!(of(text), [("one".to_owned(), 1, 1), ("two".to_owned(), 3, 9)]);
    }

    #[test]
    fn unmatched_braces_do_not_swallow_the_rest() {
        let text = "void a(void)\n{\n#ifdef X\n\tif (x) {\n#else\n\tif (y) {\n#endif\n\t}\n}\nvoid b(void)\n{\n}\n";
        assert_eq!(of(text), [("a".to_owned(), 1, 9), ("b".to_owned(), 10, 12)]);
        assert_eq!(of("}\n{\n} ) {\n( {\n"), []);
    }
}
