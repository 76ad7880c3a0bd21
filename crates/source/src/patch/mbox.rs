// SPDX-License-Identifier: GPL-2.0-only
//! Mails: an mbox as mailing lists serve it, `git format-patch` output, or one raw message.
//!
//! Only subjects and texts matter. A message that cannot be parsed is left out; whether a patch of the series is
//! missing shows in the numbering.

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};

use super::diff;

/// A message: its subject on one line and its text, both decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub subject: String,
    pub body: String,
}

impl Message {
    /// Whether it answers another message: what it has of a patch is a quotation or a sketch. Other languages' mail
    /// programs have prefixes of their own.
    pub fn is_reply(&self) -> bool {
        reply(&self.subject).is_some()
    }

    /// The subject of what it answers, or its own.
    pub fn answered(&self) -> &str {
        let mut subject = self.subject.as_str();
        while let Some(rest) = reply(subject) {
            subject = rest.trim_start();
        }
        subject
    }

    pub fn has_diff(&self) -> bool {
        !matches!(diff::parse(&self.body), Err(diff::Wrong::None))
    }
}

/// What follows the prefix of an answer's subject.
fn reply(subject: &str) -> Option<&str> {
    let lower = subject.to_ascii_lowercase();
    if lower.starts_with("re[") {
        // Some mail programs count, as in `Re[2]:`.
        return subject.split_once(':').map(|(_, rest)| rest);
    }
    // Lower case of ASCII has the same length.
    ["re:", "aw:", "fwd:", "fw:"].iter().find(|begin| lower.starts_with(*begin)).map(|begin| &subject[begin.len()..])
}

/// Whether a file is mail: it begins with a separator or with headers. A diff may begin with `Index: FILE`, which looks
/// like a header, so there must be one that every mail has.
pub(super) fn is_mail(bytes: &[u8]) -> bool {
    // The beginning is enough, and a large file is not copied.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
    let mut lines = text.trim_start().lines();
    let Some(first) = lines.next() else { return false };
    let header = |line: &str| {
        let name = line.split_once(':').map(|(name, _)| name);
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    let known = |line: &str| {
        let line = line.to_ascii_lowercase();
        ["from:", "subject:", "date:", "message-id:", "received:", "return-path:"].iter().any(|h| line.starts_with(h))
    };
    // An mbox may begin with a separator of any form.
    if first.starts_with("From ") {
        return true;
    }
    header(first) && text.trim_start().lines().take_while(|line| !line.is_empty()).any(known)
}

pub(super) fn messages(bytes: &[u8]) -> Vec<Message> {
    split(bytes).iter().filter_map(|raw| message(raw)).collect()
}

/// Whether a line separates messages: `From`, the sender, and a time as `ctime()` writes it. Any other line that begins
/// so is a sentence: not every program quotes those.
fn separates(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let text = String::from_utf8_lossy(rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    let time = |word: &&str| word.split(':').count() >= 2 && word.bytes().all(|b| b == b':' || b.is_ascii_digit());
    let year = |word: &&str| word.len() == 4 && word.parse::<u16>().is_ok_and(|year| year > 1969);
    words.len() >= 4 && words.iter().any(time) && words.iter().any(year)
}

/// Splits an mbox, and takes its quoting of `From ` lines back: one `>` of each such line, as in the `mboxrd` format
/// that lore.kernel.org serves.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if separates(line) {
            out.push(Vec::new());
            continue;
        }
        if out.is_empty() {
            // A message saved by hand may have no separator, and blank lines before it.
            if line.trim_ascii().is_empty() {
                continue;
            }
            out.push(Vec::new());
        }
        let quoted = line.iter().take_while(|b| **b == b'>').count();
        // mboxrd quotes such lines of a message with one more mark than they had.
        let line = if quoted > 0 && line[quoted..].starts_with(b"From ") { &line[1..] } else { line };
        out.last_mut().expect("there is one").extend_from_slice(line);
    }
    // A separator may have no message after it.
    out.retain(|raw| !raw.trim_ascii().is_empty());
    out
}

fn message(raw: &[u8]) -> Option<Message> {
    // One broken message must not make a whole thread unreadable.
    let mail = parse_mail(raw).ok()?;
    let subject = mail.headers.get_first_value("Subject").unwrap_or_default();
    let mut body = String::new();
    texts(&mail, &mut body);
    // Long subjects are folded over several lines.
    Some(Message { subject: subject.split_whitespace().collect::<Vec<_>>().join(" "), body })
}

/// The plain texts of a message and its attachments, one after the other. HTML is left out: it repeats the plain text.
fn texts(mail: &ParsedMail<'_>, out: &mut String) {
    // A message of several parts has no text of its own.
    if !mail.subparts.is_empty() {
        mail.subparts.iter().for_each(|part| texts(part, out));
        return;
    }
    // An HTML part repeats the plain one, with its blanks lost.
    if !mail.ctype.mimetype.starts_with("text/") || mail.ctype.mimetype == "text/html" {
        return;
    }
    // A part whose encoding is broken is left out.
    let Ok(text) = mail.get_body() else { return };
    // Encoded bodies keep the CR LF of mail, which transport takes away from others. A CR LF in a plain body is the
    // patch's own and stays, to be reported.
    let encoding = mail.headers.get_first_value("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let encoded = encoding == "base64" || encoding == "quoted-printable";
    *out += &if encoded { text.replace("\r\n", "\n") } else { text };
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a = b\n+c = é\n";

    #[test]
    fn encodings() {
        let base64 = {
            // "--- a/f\r\n+++ b/f\r\n@@ -1 +1 @@\r\n-a\r\n+é\r\n"
            "LS0tIGEvZg0KKysrIGIvZg0KQEAgLTEgKzEgQEANCi1hDQorw6kNCg=="
        };
        let mail = |encoding: &str, body: &str| {
            format!(
                "Subject: [PATCH]\n long =?utf-8?q?caf=C3=A9?=\nMIME-Version: 1.0\n\
                Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n{body}"
            )
        };
        let one = |encoding: &str, body: &str| messages(mail(encoding, body).as_bytes()).remove(0);
        let quoted = DIFF.replace('=', "=3D").replace('é', "=C3=A9");
        assert_eq!(one("quoted-printable", &quoted).body, DIFF);
        assert_eq!(one("8bit", DIFF).body, DIFF);
        assert_eq!(one("8bit", DIFF).subject, "[PATCH] long café");
        assert_eq!(one("base64", base64).body, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+é\n");
    }

    #[test]
    fn an_mbox_is_split_and_unquoted() {
        let mbox = "From mboxrd@z Thu Jan  1 00:00:00 1970\nSubject: one\n\n>From here\n>>From there\n\
            From all sides, 1:2\n\nFrom mboxrd@z Thu Jan  1 00:00:00 1970\nSubject: Re: two\n\n> x\n";
        let found = messages(mbox.as_bytes());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].body, "From here\n>From there\nFrom all sides, 1:2\n\n");
        assert!(found[1].is_reply() && !found[0].is_reply());
    }

    #[test]
    fn attachments() {
        let mail = format!(
            "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHi\n\
             --b\nContent-Type: text/html\n\n<p>\n--b\nContent-Type: text/x-patch\n\n{DIFF}--b--\n"
        );
        let found = messages(mail.as_bytes());
        assert!(found[0].has_diff() && !found[0].body.contains("<p>"), "{found:?}");
    }

    #[test]
    fn what_is_mail() {
        assert!(is_mail(b"From 1234 Mon Sep 17 00:00:00 2001\n"));
        assert!(is_mail(b"Received: by x\n\tid 1\nSubject: y\n\n"));
        assert!(!is_mail(b"diff --git a/f b/f\n") && !is_mail(b"Index: f\n--- a\n") && !is_mail(b""));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut mail = b"From x Mon Sep 17 00:00:00 2001\nSubject: =?utf-8?q?=?=\n\n".to_vec();
            mail.extend(bytes);
            let _ = messages(&mail);
        }
    }
}
