// SPDX-License-Identifier: GPL-2.0-only
//! Where two event streams part, in words that are the same for every program: the kinds of the two events, and the
//! fields in which two events of one kind differ.

/// What the left stream does instead of what the right one does. Both are events as [`Detail::Parting`] has them.
///
/// Values are left out, but for masks: sizes, addresses and digests are other ones in every program.
///
/// [`Detail::Parting`]: percuss_oracle::Detail::Parting
pub fn parting(left: &str, right: &str) -> String {
    let ((kind, fields), (other, others)) = (split(left), split(right));
    if kind != other {
        return format!("{} instead of {}", named(kind, &fields), named(other, &others));
    }
    let differ: Vec<String> = fields
        .iter()
        .zip(&others)
        .filter(|(a, b)| a != b)
        .map(|((name, value), (_, before))| match name.as_str() {
            "gfp" => format!("{value} instead of {before}"),
            "digest" => "the state that it leaves".to_owned(),
            _ => name.clone(),
        })
        .collect();
    format!("{kind}: {}", differ.join(", "))
}

/// A kind with its mask or lock, which say what it is about.
fn named(kind: &str, fields: &[(String, String)]) -> String {
    let about = fields.iter().find(|(name, _)| name == "lock" || name == "gfp");
    about.map_or_else(|| kind.to_owned(), |(_, value)| format!("{kind} {value}"))
}

/// The kind of an event and its fields, from its debug form.
fn split(event: &str) -> (&str, Vec<(String, String)>) {
    let kind = event.split([' ', '(', '{']).next().unwrap_or_default();
    // A record in a variant of the same name is written with both names.
    let body = event.rsplit_once('{').map_or("", |(_, body)| body.trim_end_matches([' ', '}', ')']));
    let fields = body.split(", ").filter_map(|field| field.trim().split_once(": "));
    (kind, fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_depend_on_the_program_are_left_out() {
        let free = |off| format!("TraceFree {{ base_addr: 100005000, off: {off}, ptr: 105040 }}");
        assert_eq!(parting(&free(10), &free(40)), "TraceFree: off");
        let unlock = |digest| format!("SpinUnlock {{ lock: Pcpu, irq: Save, digest: {digest} }}");
        assert_eq!(parting(&unlock(1), &unlock(2)), "SpinUnlock: the state that it leaves");
        assert_eq!(parting("CondResched", &unlock(2)), "CondResched instead of SpinUnlock Pcpu");
        let pages = |gfp| format!("PageAlloc {{ node: 0, gfp: {gfp}, pfn: Some(ffe7) }}");
        let masks = "PageAlloc: GFP_ATOMIC|__GFP_NOWARN instead of GFP_KERNEL";
        assert_eq!(parting(&pages("GFP_ATOMIC|__GFP_NOWARN"), &pages("GFP_KERNEL")), masks);
    }
}
