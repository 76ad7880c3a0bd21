// SPDX-License-Identifier: GPL-2.0-only
//! What `percuss replay --stats` adds: the kernel's text of the allocator's memory, as the tree's own code prints it, and
//! what an atomic caller would be granted after the program.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::wrap;
use percuss_engine::judge::stats::{Fit, Free, Stats};
use percuss_kernel::text::print_size;

/// Both texts and the note. `width` is that of the note; the kernel's text is left as it is.
pub fn stats(s: &Stats, width: usize) -> String {
    let mut out = String::new();
    for (title, text) in [("percpu_stats after boot", &s.before), ("percpu_stats after the program", &s.after)] {
        let text = text.as_deref().unwrap_or("(none: the tree has no such text, or the program did not get there)\n\n");
        let _ = write!(out, "{}\n{text}", title.bold());
    }
    if let Some(free) = &s.room {
        out += &room(free, &s.sizes, width);
    }
    out
}

fn room(free: &Free, sizes: &[Fit], width: usize) -> String {
    let mut out = format!("{}\n", "what an atomic caller would be granted after the program".bold());
    let Free { populated, populated_run, all, run } = free;
    let text = format!(
        "{populated} bytes of each unit are free in populated pages, in runs of at most {populated_run}; {all} in all, in \
         runs of at most {run}"
    );
    out += &wrap("  ", 2, &text, width);
    for alike in sizes.chunk_by(|a, b| outcome(a, free) == outcome(b, free)) {
        let [first, last] = [&alike[0], &alike[alike.len() - 1]].map(|fit| print_size(fit.size));
        let sizes = if alike.len() == 1 { first } else { format!("{first} to {last}") };
        out += &wrap(&format!("  {sizes:<11} "), 14, &outcome(&alike[0], free), width);
    }
    out.push('\n');
    out
}

/// What becomes of a size, and why: the same words for sizes that can be put in one line.
fn outcome(fit: &Fit, free: &Free) -> String {
    let size = u64::from(fit.size);
    if fit.granted {
        return "is granted".to_owned();
    }
    if size <= free.populated_run {
        let quirks: Vec<&str> = fit.hidden_by.iter().map(|q| q.name()).collect();
        return match quirks.is_empty() {
            true => "fails, although a free and populated run is long enough".to_owned(),
            false => {
                format!("fails, although a free and populated run is long enough: hints hide it, {}", quirks.join(" "))
            }
        };
    }
    match () {
        () if size <= free.populated => "fails: as many bytes are free in populated pages, but not in one run",
        () if size <= free.run => "fails: a free run is long enough, but it is not populated",
        () if size <= free.all => "fails: as many bytes are free, but neither populated nor in one run",
        () => "fails: fewer bytes are free",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_kernel::Quirk;

    #[test]
    fn sizes_are_put_together_by_what_becomes_of_them() {
        let free = Free { populated: 48, populated_run: 16, all: 200, run: 64 };
        let fit = |size| Fit { size, granted: size == 4, hidden_by: if size == 8 { vec![Quirk::B24] } else { vec![] } };
        let sizes: Vec<Fit> = [4, 8, 16, 32, 64, 128, 256, 512].map(fit).into();
        let text = room(&free, &sizes, 200);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "  4           is granted",
                "  8           fails, although a free and populated run is long enough: hints hide it, B24",
                "  16          fails, although a free and populated run is long enough",
                "  32          fails: as many bytes are free in populated pages, but not in one run",
                "  64          fails: a free run is long enough, but it is not populated",
                "  128         fails: as many bytes are free, but neither populated nor in one run",
                "  256 to 512  fails: fewer bytes are free",
                "",
            ]
        );
    }
}
