// SPDX-License-Identifier: GPL-2.0-only
//! How calls travel between percuss and a worker process: one JSON object a line, in both directions.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A call to a worker. The type of the call names the type of its reply, so that a caller has no reply of another kind to
/// deal with: a line that is not such a reply does not parse.
pub trait Call: Clone {
    /// What the line to the worker is read as: the worker cannot know in advance which call comes.
    type Wire: From<Self> + Serialize;
    /// What the worker may send any number of times before its reply.
    type Note: Serialize + DeserializeOwned;
    /// What the worker sends once, as the last line of its answer.
    type Reply: Serialize + DeserializeOwned;
    /// How many times [`SILENCE`](super::SILENCE) the worker may take for one line. The CPU time of each program is
    /// limited by the worker itself, so only calls that run many programs need more than 1.
    const PATIENCE: u32 = 1;
}

/// The note of a call that sends none.
#[derive(Debug, Serialize, Deserialize)]
pub enum NoNote {}

/// A line from the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Line<N, R> {
    Note(N),
    Done(R),
}

/// What a worker does for a call.
pub trait Answer<C: Call> {
    /// Carries out the call; `note` sends a note at once.
    ///
    /// # Errors
    /// The system refuses memory or a timer. The process ends then, since a worker has no other way to go on.
    fn answer(&mut self, call: C, note: &mut dyn FnMut(C::Note)) -> io::Result<C::Reply>;
}

/// Carries out a call and sends its notes and its reply.
///
/// # Errors
/// Those of [`Answer::answer`], and of the output.
pub fn respond<C: Call>(worker: &mut impl Answer<C>, call: C, out: &mut impl Write) -> io::Result<()> {
    let mut note = |note: C::Note| {
        // Ignore write errors: the reader is gone, which the reply finds out as well.
        let _ = write_line(out, &Line::<C::Note, C::Reply>::Note(note));
    };
    let reply = worker.answer(call, &mut note)?;
    reply_to::<C>(out, reply)
}

/// Sends the reply to a call.
///
/// # Errors
/// The output cannot be written.
pub fn reply_to<C: Call>(out: &mut impl Write, reply: C::Reply) -> io::Result<()> {
    write_line(out, &Line::<C::Note, C::Reply>::Done(reply))
}

/// Writes one line and flushes it, since the reader waits for whole lines.
///
/// # Errors
/// The output cannot be written.
pub fn write_line(out: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what)?;
    // JSON escapes line breaks in strings, so the only one in the output is at its end.
    line.push('\n');
    out.write_all(line.as_bytes())?;
    out.flush()
}
