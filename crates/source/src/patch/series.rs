// SPDX-License-Identifier: GPL-2.0-only
//! Which messages are the patches of a series, and in which order.
//!
//! A saved thread has a cover letter, answers with sketches, copies that came by several lists, and often older
//! versions. The subjects decide; when they leave two possibilities, it is an error and not a guess.

use super::PatchError;
use super::mbox::Message;

/// What the brackets before a subject say, as in `[RFC PATCH v4 2/3]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tag {
    /// Major and minor: (4, 0) for `v4`, (4, 1) for `v4.1`, and (1, 0) when none is given.
    pub version: (u32, u32),
    /// Number and length of the series: (2, 3) for `2/3`.
    pub number: Option<(u32, u32)>,
    /// Whether it has the word PATCH.
    pub patch: bool,
}

/// Takes the brackets off a subject, and reads what is in them. Words that mean nothing here, as `RFC` and the names of
/// subsystems, are skipped.
pub(super) fn tag(subject: &str) -> (Tag, String) {
    let mut tag = Tag { version: (1, 0), ..Tag::default() };
    let mut rest = subject.trim();
    // There may be several, as in `[PATCH 1/2] [mm]`.
    while let Some((inner, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // Other words, such as RFC or the name of a list, are ignored.
        for word in inner.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
            read_word(word, &mut tag);
        }
        rest = behind.trim_start();
    }
    (tag, rest.to_owned())
}

fn read_word(word: &str, tag: &mut Tag) {
    let upper = word.to_ascii_uppercase();
    // `PATCHv2` and `PATCH-v2` are common, though git writes `PATCH v2`.
    let (patch, version) = match upper.strip_prefix("PATCH") {
        Some(rest) => (true, rest.trim_start_matches('-')),
        None => (false, upper.as_str()),
    };
    tag.patch |= patch;
    if let Some(version) = version.strip_prefix('V') {
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        // A word such as `VM` begins with the same letter.
        if let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) {
            tag.version = (major, minor);
        }
    }
    // git pads with zeros when there are ten and more.
    if let Some((number, of)) = word.split_once('/')
        && let (Ok(number), Ok(of)) = (number.parse(), of.parse())
    {
        tag.number = Some((number, of));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Number and length of the series, where the subject has them.
    pub number: Option<(u32, u32)>,
    pub title: String,
    pub text: String,
}

/// The patches among the messages of `file`, in order, and what a person should know about the choice.
///
/// With `quoted`, where no message has a patch of its own, those count that the answers quote.
///
/// # Errors
/// No message has a patch, or two different ones have the same number.
pub(super) fn choose(
    file: &str,
    messages: Vec<Message>,
    quoted: bool,
) -> Result<(Vec<Member>, Vec<String>), PatchError> {
    let all = messages.len();
    let own = messages.iter().any(|m| !m.is_reply() && m.has_diff());
    let patches = messages.into_iter().filter(|m| (!m.is_reply() || (quoted && !own)) && m.has_diff()).map(|m| {
        let (tag, title) = tag(m.answered());
        (tag, Member { number: None, title, text: m.body })
    });
    let mut patches: Vec<(Tag, Member)> = patches.collect();
    if patches.is_empty() {
        return Err(PatchError::NoDiff { patch: file.to_owned(), messages: all });
    }
    // In a thread, a diff without the word PATCH in its subject is a sketch. Alone, it is the patch.
    if patches.iter().any(|(tag, _)| tag.patch) {
        patches.retain(|(tag, _)| tag.patch);
    }
    let mut notes = Vec::new();
    newest(file, &mut patches, &mut notes);
    // Without numbers, the order of the file is the best there is.
    if patches.iter().all(|(tag, _)| tag.number.is_some()) {
        // A stable sort: of two with one number, the file's first comes first.
        patches.sort_by_key(|(tag, _)| tag.number);
    }
    let mut members: Vec<Member> = Vec::new();
    for (tag, mut member) in patches {
        member.number = tag.number;
        match members.last() {
            Some(last) if tag.number.is_some() && last.number == member.number => {
                // The same mail came by two lists, each of which may add blank lines at the end.
                if last.text.trim_end() != member.text.trim_end() {
                    return Err(twice(file, last, &member));
                }
            }
            _ => members.push(member),
        }
    }
    missing(file, &members, &mut notes);
    Ok((members, notes))
}

/// Keeps the newest version only, and notes which ones are left out.
fn newest(file: &str, patches: &mut Vec<(Tag, Member)>, notes: &mut Vec<String>) {
    let mut versions: Vec<(u32, u32)> = patches.iter().map(|(tag, _)| tag.version).collect();
    versions.sort_unstable();
    versions.dedup();
    let Some((newest, older)) = versions.split_last() else { return };
    if older.is_empty() {
        return;
    }
    let name = |(major, minor): &(u32, u32)| match minor {
        0 => format!("v{major}"),
        minor => format!("v{major}.{minor}"),
    };
    let older: Vec<String> = older.iter().map(name).collect();
    // A note and no error: threads mostly hold the older versions too, and the newest is what is meant.
    notes.push(format!("{file} has several versions: {} is used, {} is left out", name(newest), older.join(", ")));
    patches.retain(|(tag, _)| tag.version == *newest);
}

fn twice(file: &str, first: &Member, second: &Member) -> PatchError {
    let (number, of) = first.number.unwrap_or_default();
    PatchError::Twice {
        patch: file.to_owned(),
        number: format!("{number}/{of}"),
        titles: [first.title.clone(), second.title.clone()],
    }
}

/// Notes which numbers of the series are not there. It is no error: the missing ones may be for other subsystems.
fn missing(file: &str, members: &[Member], notes: &mut Vec<String>) {
    // Without numbers nothing says how many there should be.
    let Some((_, of)) = members.last().and_then(|member| member.number) else { return };
    let there = |n: &u32| members.iter().any(|member| member.number.is_some_and(|(number, _)| number == *n));
    // A subject can claim any length; the note must stay readable.
    let gone: Vec<String> = (1..=of.min(999)).filter(|n| !there(n)).map(|n| format!("{n}/{of}")).collect();
    if !gone.is_empty() {
        notes.push(format!("{file} lacks {} of its series", gone.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: &str, line: &str) -> Message {
        let body = match line {
            "" => "no diff\n".to_owned(),
            line => format!("why\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+{line}\n"),
        };
        Message { subject: subject.to_owned(), body }
    }

    fn titles(mails: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mails = mails.iter().map(|(subject, line)| mail(subject, line)).collect();
        let (members, notes) = choose("m", mails, false).unwrap();
        (members.into_iter().map(|member| member.title).collect(), notes)
    }

    #[test]
    fn tags() {
        let of = |subject: &str| tag(subject).0;
        assert_eq!(of("[RFC PATCH v4 2/3] x"), Tag { version: (4, 0), number: Some((2, 3)), patch: true });
        assert_eq!(of("[PATCHv2,02/10][mm] x"), Tag { version: (2, 0), number: Some((2, 10)), patch: true });
        assert_eq!(of("[PATCH v2.1] x").version, (2, 1));
        assert_eq!(tag("[PATCH 1/2] [mm] a [b]"), (of("[PATCH 1/2]"), "a [b]".to_owned()));
        assert_eq!(tag("plain"), (Tag { version: (1, 0), ..Tag::default() }, "plain".to_owned()));
    }

    #[test]
    fn a_thread_out_of_order() {
        let (titles, notes) = titles(&[
            ("[PATCH 0/3] cover", ""),
            ("Re: [PATCH 2/3] two", "sketch"),
            ("[PATCH 3/3] three", "3"),
            ("[PATCH 1/3] one", "1"),
            ("[PATCH 2/3] two", "2"),
            ("[PATCH 1/3] one", "1"),
            ("what about this", "idea"),
        ]);
        assert_eq!(titles, ["one", "two", "three"]);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn the_newest_version() {
        let (titles, notes) = titles(&[("[PATCH 1/1] a", "1"), ("[PATCH v3 1/2] c", "3"), ("[PATCH v2] b", "2")]);
        assert_eq!(titles, ["c"]);
        assert_eq!(notes, ["m has several versions: v3 is used, v1, v2 is left out", "m lacks 2/2 of its series"]);
    }

    #[test]
    fn what_answers_quote_counts_where_there_is_nothing_else() {
        let mails = || vec![mail("Re: [PATCH v3 3/3] three", "3"), mail("Re: Aw: [PATCH v3 0/3] cover", "")];
        let (members, notes) = choose("m", mails(), true).unwrap();
        assert_eq!((members.len(), members[0].title.as_str(), members[0].number), (1, "three", Some((3, 3))));
        assert_eq!(notes, ["m lacks 1/3, 2/3 of its series"]);
        let own = vec![mail("[PATCH] own", "1"), mail("Re: [PATCH] own", "2")];
        assert_eq!(choose("m", own, true).unwrap().0.len(), 1);
        assert!(choose("m", mails(), false).is_err());
    }

    #[test]
    fn what_is_no_series() {
        let error = |mails: &[(&str, &str)]| {
            let mails = mails.iter().map(|(subject, line)| mail(subject, line)).collect();
            choose("m", mails, false).unwrap_err().to_string()
        };
        assert!(error(&[]).contains("m has no message with a diff"));
        assert!(error(&[("[PATCH 0/2] cover", ""), ("Re: x", "1")]).contains("2 messages"));
        assert!(error(&[("[PATCH 1/2] a", "1"), ("[PATCH 1/2] b", "2")]).contains("both are 1/2"));
    }
}
