// SPDX-License-Identifier: GPL-2.0-only
//! Follows the events of a run and counts each for the row that it belongs to.

use percuss_kernel::event::{Event, LockMove};
use percuss_kernel::{CONTEXTS, Cursor, DRAIN, Diag, OpOwner, events, op_owner};
use percuss_program::{Op, Program, op_at};

use super::chunks::Chunks;
use super::row::{Chunk, Row};
use crate::judge::audit::{Clues, allocates, could_sleep};
use crate::judge::interleaving::end;

/// Makes the rows, event by event: feed it all events, then take the rows from [`Follow::finish`].
pub(super) struct Follow<'p> {
    program: &'p Program,
    cursor: Cursor,
    chunks: Chunks,
    rows: Vec<Row>,
    /// What each row's events say of a failure.
    clues: Vec<Clues>,
    /// Rows that each context is in, the innermost last.
    open: [Vec<usize>; CONTEXTS],
}

impl<'p> Follow<'p> {
    pub fn new(program: &'p Program) -> Follow<'p> {
        Follow {
            program,
            cursor: Cursor::new(),
            chunks: Chunks::new(program.boot.reserved > 0),
            rows: Vec::new(),
            clues: Vec::new(),
            open: Default::default(),
        }
    }

    pub fn finish(self) -> Vec<Row> {
        self.rows
    }

    pub fn event(&mut self, event: &Event, text: Option<&str>) {
        // A work item is inside of what its host runs, so the host is looked at before the cursor leaves it.
        let depth = self.here().map_or(0, |row| self.rows[row].depth + 1);
        let before = self.cursor.context();
        self.cursor.advance(event);
        match *event {
            Event::OpBegin { op } => self.op_begins(op),
            Event::OpEnd { op, result } => self.op_ends(op, result),
            Event::WorkBegin => {
                self.open[self.cursor.context()].clear();
                self.begin(Row { label: "worker".to_owned(), depth, ..Row::default() });
            }
            Event::WorkEnd => drop(self.end(before)),
            Event::ReclaimBegin { kswapd: true, .. } => {
                self.begin(Row { label: "kswapd".to_owned(), depth, reclaims: 1, ..Row::default() });
            }
            Event::ReclaimEnd { .. } if self.cursor.in_kswapd() => drop(self.end(before)),
            Event::Boot { .. } | Event::Switch { .. } | Event::State { .. } => {}
            Event::Stopped { .. } | events!(locks | context | requests | releases | services | traces | defects) => {
                self.within(event, text);
            }
            events!(reclaim) => self.within(event, text),
        }
    }

    /// An event of the running context, in whatever row it is in; between two ops it is none's.
    fn within(&mut self, event: &Event, text: Option<&str>) {
        if let Some(row) = self.here() {
            self.clues[row].note(event);
            self.note(row, event, text);
        }
    }

    /// The row that the running context is in.
    fn here(&self) -> Option<usize> {
        self.open[self.cursor.context()].last().copied()
    }

    fn begin(&mut self, row: Row) {
        self.open[self.cursor.context()].push(self.rows.len());
        self.rows.push(row);
        self.clues.push(Clues::default());
    }

    fn end(&mut self, context: usize) -> Option<usize> {
        let row = self.open[context].pop()?;
        self.rows[row].ended = true;
        Some(row)
    }

    fn op_begins(&mut self, op: u32) {
        let number = (op & 0xff_ffff) + 1;
        let label = match op_owner(op) {
            OpOwner::Task(task) => {
                // What an abandoned op left open is over when the task's next one begins.
                self.open[self.cursor.context()].clear();
                format!("{}{number}", char::from(b'a' + task as u8))
            }
            OpOwner::Shrinker(nr) => format!("shrinker{nr}.{number}"),
            OpOwner::Handler(nr) => format!("handler{nr}.{number}"),
            OpOwner::Drain => "drain".to_owned(),
        };
        let depth = self.here().map_or(0, |row| self.rows[row].depth + 1);
        let text = op_at(self.program, op).map_or_else(String::new, |op| op.to_string());
        // The drain has no end of its own: it ends with the log.
        self.begin(Row { label, op: Some(op), depth, text, ended: op == DRAIN, ..Row::default() });
    }

    fn op_ends(&mut self, op: u32, result: u64) {
        let Some(row) = self.end(self.cursor.context()) else { return };
        if result == 0 && allocates(self.program, op) {
            self.rows[row].failed = Some(self.clues[row].why(could_sleep(self.program, op)));
        }
        if matches!(
            op_at(self.program, op),
            Some(Op::NrPages | Op::IsStatic { .. } | Op::Phys { .. } | Op::Call { .. })
        ) {
            self.rows[row].answer = Some(result);
        }
    }

    fn note(&mut self, row: usize, event: &Event, text: Option<&str>) {
        let now = &mut self.rows[row];
        match *event {
            Event::TraceAlloc(ref t) => now.area = Some(self.chunks.alloc(t)),
            Event::TraceFree { base_addr, off, ptr } => {
                let place = self.chunks.free(base_addr, off, ptr);
                match now.op {
                    Some(DRAIN) => now.freed += 1,
                    _ => now.area = Some(place),
                }
            }
            Event::TraceCreate { base_addr } => {
                now.made.push(Chunk { chunk: self.chunks.create(base_addr), base: base_addr })
            }
            Event::TraceDestroy { base_addr } => now.destroyed.push(self.chunks.destroy(base_addr)),
            Event::TraceAllocFail { .. } => {}
            Event::Diag { kind, .. } => printed(now, kind, text),
            Event::Map { nr, ok: true, .. } => now.populated += u64::from(nr),
            Event::Unmap { nr, .. } => now.depopulated += u64::from(nr),
            Event::ScheduleWork { queued } => now.queued |= queued,
            Event::ReclaimBegin { .. } => now.reclaims += 1,
            Event::Retry { .. } => now.retries += 1,
            Event::OomKill { .. } => now.oom_kills += 1,
            Event::Stopped { reason } => now.ends = Some(end(reason).to_owned()),
            Event::Boot { .. } | Event::Switch { .. } | Event::State { .. } => {}
            Event::OpBegin { .. } | Event::OpEnd { .. } | Event::WorkBegin | Event::WorkEnd => {}
            Event::ReclaimEnd { .. } | Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => {}
            Event::WakeKswapd | Event::NoMemory { .. } => {}
            events!(locks) => match event.lock() {
                Some((LockMove::Waits, lock)) => now.waits.push(lock.to_owned()),
                Some((LockMove::GivesUp, lock)) => now.killed = Some(lock.to_owned()),
                Some((LockMove::Takes | LockMove::Releases, _)) | None => {}
            },
            events!(requests | services) => {
                if let Some(what) = refused(event).filter(|what| !now.refused.iter().any(|r| r == what)) {
                    now.refused.push(what.to_owned());
                }
            }
            events!(context | releases | defects) => {}
        }
    }
}

fn printed(row: &mut Row, kind: Diag, text: Option<&str>) {
    // A text may be missing: the log keeps a limited number of them.
    let line = text.unwrap_or_default().trim();
    row.warned |= matches!(kind, Diag::Warn | Diag::Bug | Diag::Panic);
    match kind {
        Diag::Cont => match row.messages.last_mut() {
            // A continuation has its own leading blank, where there is one.
            Some(last) => last.push_str(text.unwrap_or_default().trim_end()),
            None => row.messages.push(line.to_owned()),
        },
        // A stack trace has no words.
        Diag::Stack => {}
        _ if line.is_empty() => {}
        Diag::Printk(_) => row.messages.push(text.unwrap_or_default().trim_end_matches('\n').to_owned()),
        Diag::Warn => row.messages.push(format!("WARNING: {line}")),
        Diag::Bug => row.messages.push(format!("BUG: {line}")),
        Diag::Panic => row.messages.push(format!("panic: {line}")),
        Diag::Loud => row.messages.push(format!("not modelled: {line}")),
    }
}

/// What a request that failed asked for.
fn refused(event: &Event) -> Option<&'static str> {
    match *event {
        Event::Kzalloc { addr: 0, .. } | Event::Vmalloc { addr: 0, .. } => Some("metadata"),
        Event::VmAreas { base: 0, .. } => Some("vm areas"),
        Event::PageAlloc { pfn: None, .. } => Some("page"),
        Event::PageTable { ok: false, .. } => Some("page table"),
        Event::Charge { ok: false, .. } => Some("memcg charge"),
        events!(flow | locks | context | requests | releases | services | reclaim | traces | defects) => None,
    }
}
