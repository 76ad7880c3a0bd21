// SPDX-License-Identifier: GPL-2.0-only
//! Programs as bytes: what fuzzers mutate and corpora hold.
//!
//! ```text
//! header   version flags caller cpus groups static reserved dyn atom unit pages 0 0 0      (14 bytes)
//!          version flags caller cpus:8 static:4 reserved:4 dyn:4 atom:4 unit:4 pages:4     (35, flags & 0xc0 == 0xc0)
//! record   code operands                                                                   (7)
//! ```
//!
//! Everything is little endian. A record is one of these:
//!
//! * an op of the current list;
//! * the start of the next task, shrinker or handler, whose ops then follow;
//! * a fault, or the memory of the machine;
//! * up to ten turns of tasks to the end of an op, or up to three turns of any kind;
//! * *wide*: an op, fault, memory or turn with operands in long form, over as many records as it takes;
//! * a call of a function by its name, twice wide.
//!
//! Short forms are indices into tables of values worth trying; what has no short form is written wide, so every program
//! has a byte form. Both headers are whole records long, and all records have one length: a mutation that drops or
//! copies records leaves the others aligned.
//!
//! Every byte string decodes, since a fuzzer makes any: unknown codes are `alloc`, indices are taken modulo, what is
//! missing is 0, and [`Program::repair`] does the rest.

mod call;
mod header;

pub use self::header::VERSION;
use self::header::{HEADER, get_geometry, header_len, put_geometry};
use super::codes::{Long, RECORD, Short};
use super::op::{Op, TABLE};
use super::{Handler, Program, Shrinker, Turn};
use percuss_kernel::event::Site;
use percuss_kernel::{Fault, Memory, limits};

/// Length of the shortest program with a record.
///
/// Below it there is nothing for a mutation of ops to work on.
pub(crate) const RECORD_HEADER: usize = HEADER + RECORD;
/// Value of the caller byte that marks `unsafe-caller`.
///
/// One value of 256, so that random bytes hardly ever make a program whose findings are its own fault.
const UNSAFE: u8 = 0xa5;

// Codes of records that are no ops. They are the last of the 64 codes, so that new ops get codes before them.
const CODES: u8 = 64;
const TURNS: u8 = 58;
const MEMORY: u8 = 59;
const TASK: u8 = 60;
const FAULT: u8 = 61;
const SCHEDULE: u8 = 62;
const WIDE: u8 = 63;
/// Turns in a SCHEDULE record, two in each byte after the count: tasks only (four bits), to the end of their op.
const ENTRIES: usize = 10;
/// Turns in a TURNS record, two bytes each: lane and points.
const PREEMPTING: usize = 3;
/// Lane byte of an unused entry in a TURNS record.
const NO_LANE: u8 = 0xff;
/// Upper half of the lane byte of kswapd's turns.
///
/// With any other upper half than this and the next, the lower half is a task.
const KSWAPD_LANE: u8 = 0xe0;
/// Upper half of the lane byte of turns that fire a handler, whose index is the lower half.
const HANDLER_LANE: u8 = 0xd0;

/// First operand of a TASK record that starts a shrinker.
///
/// Any other value starts a task, so that random bytes make tasks.
const GATED: u8 = 0x51;
const ALWAYS: u8 = 0x52;
/// The same for handlers of hard and soft interrupts, but only with HANDLER as second operand.
///
/// All ops after a handler's start are its own, so random bytes that made one easily would lose their tasks.
const HARD: u8 = 0x53;
const SOFT: u8 = 0x54;
const HANDLER: u8 = 0x68;
/// Set in the `reserve` byte of a MEMORY record if kswapd does not run.
///
/// The count itself is at most 127.
const NO_KSWAPD: u8 = 0x80;

/// Row in the table of each code; codes without an op are `alloc`.
///
/// Two ops with one code do not build.
const ROW_OF: [u8; CODES as usize] = {
    let mut rows = [0; CODES as usize];
    let mut row = 0;
    while row < TABLE.len() {
        let mut code = TABLE[row].codes.0;
        while code <= TABLE[row].codes.1 {
            assert!(code < TURNS && rows[code as usize] == 0, "two ops with one code");
            rows[code as usize] = row as u8;
            code += 1;
        }
        row += 1;
    }
    rows
};

/// Why a file is not a program.
///
/// Only [`Program::decode_strict`] refuses bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    #[error("empty: a program starts with its version, {VERSION:#04x}")]
    Empty,
    /// The version byte is of another percuss, or the file is no program.
    #[error("the version is {0:#04x}, expected {VERSION:#04x}: written by another percuss, or no program")]
    Version(u8),
    /// The file is shorter than its header, in bytes.
    #[error("the header has {found} of its {expected} bytes")]
    Header { found: usize, expected: usize },
    /// The last record is not whole: a file that was cut.
    #[error("{extra} bytes of trailing garbage at offset {offset}")]
    Trailing {
        /// Offset in bytes from the start of the file.
        offset: usize,
        extra: usize,
    },
}

/// Pads the last record with zeros.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(RECORD), 0);
}

/// Writes a fault short if the count of allocations fits two bytes and the number of failures one; 255 of the latter
/// means all.
fn put_fault(fault: Fault, out: &mut Vec<u8>) {
    let Fault { site, nth, times } = fault;
    // 255 is taken for "all", so a plain count of 255 must be written wide.
    let short_times = if times == u32::MAX { Some(255) } else { u8::try_from(times).ok().filter(|&t| t < 255) };
    match (u16::try_from(nth), short_times) {
        (Ok(nth), Some(times)) => {
            out.extend([FAULT, site as u8]);
            out.extend(nth.to_le_bytes());
            out.push(times);
        }
        _ => {
            out.extend([WIDE, FAULT, site as u8]);
            out.extend(nth.to_le_bytes());
            out.extend(times.to_le_bytes());
        }
    }
    pad(out);
}

/// Writes memory short if all counts fit a byte.
fn put_memory(memory: Memory, out: &mut Vec<u8>) {
    let Memory { free, reserve, clean, io, fs, oom, kswapd } = memory;
    // One bit more in a byte that has room, as the short record is full.
    let reserve = reserve | if kswapd { 0 } else { NO_KSWAPD };
    let counts = [free, clean, io, fs, oom];
    if counts.iter().all(|n| *n <= 255) {
        out.extend([MEMORY, reserve]);
        out.extend(counts.map(|n| n as u8));
    } else {
        out.extend([WIDE, MEMORY, reserve]);
        counts.iter().for_each(|n| out.extend(n.to_le_bytes()));
    }
    pad(out);
}

fn memory(reserve: u8, count: [u16; 5]) -> Memory {
    let [free, clean, io, fs, oom] = count;
    Memory { free, reserve: reserve & !NO_KSWAPD, clean, io, fs, oom, kswapd: reserve & NO_KSWAPD == 0 }
}

fn put_schedule(schedule: &[Turn], out: &mut Vec<u8>) {
    // Which kind of record a turn goes into: two short forms, one for tasks to the end of an op and one for few points.
    let kind = |turn: &Turn| match turn.points {
        0 if turn.lane < Turn::KSWAPD => 0,
        0..=255 => 1,
        _ => 2,
    };
    // Turns of one kind in a row share records; the order of turns must stay.
    for run in schedule.chunk_by(|a, b| kind(a) == kind(b)) {
        match kind(&run[0]) {
            0 => run.chunks(ENTRIES).for_each(|turns| {
                out.extend([SCHEDULE, turns.len() as u8]);
                // The second of a pair takes the upper half; for an odd number it is 0 and the count hides it.
                out.extend(turns.chunks(2).map(|pair| pair[0].lane | pair.get(1).map_or(0, |t| t.lane) << 4));
                pad(out);
            }),
            1 => run.chunks(PREEMPTING).for_each(|turns| {
                out.push(TURNS);
                turns.iter().for_each(|t| out.extend([lane_byte(*t), t.points as u8]));
                // Unused entries cannot be zeros, which would be turns of the first task.
                out.resize(out.len() + 2 * (PREEMPTING - turns.len()), NO_LANE);
            }),
            _ => run.iter().for_each(|turn| {
                out.extend([WIDE, TURNS, lane_byte(*turn)]);
                out.extend(turn.points.to_le_bytes());
                pad(out);
            }),
        }
    }
}

/// The lane byte of a turn in TURNS and wide records.
fn lane_byte(turn: Turn) -> u8 {
    match turn.fires() {
        Some(handler) => HANDLER_LANE | handler as u8,
        None if turn.lane == Turn::KSWAPD => KSWAPD_LANE,
        None => turn.lane,
    }
}

/// The turn of a lane byte; None for an unused entry.
///
/// Unlisted upper halves are tasks, so nearly every byte is a turn.
fn get_turn(lane: u8, points: u32) -> Option<Turn> {
    match lane {
        NO_LANE => None,
        _ if lane & 0xf0 == KSWAPD_LANE => Some(Turn { lane: Turn::KSWAPD, points }),
        _ if lane & 0xf0 == HANDLER_LANE => Some(Turn::handler(usize::from(lane & 0xf))),
        _ => Some(Turn { lane: lane & 0xf, points }),
    }
}

fn put_ops(ops: &[Op], out: &mut Vec<u8>) {
    for op in ops {
        if let Op::Call { dst, call } = *op {
            out.extend([WIDE, WIDE]);
            call::put(dst, call, out);
            pad(out);
            continue;
        }
        let mut short = Short::default();
        // The short form is preferred: fuzzers mutate it into other useful values.
        if op.put_short(&mut short) {
            out.push(op.info().codes.0);
            out.extend(short.bytes());
        } else {
            out.extend([WIDE, op.info().codes.0]);
            op.put_long(out);
            pad(out);
        }
    }
}

impl Program {
    /// The byte form. Decoding it gives the program back if [`Program::repair`] would leave the program as it is.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + RECORD * (self.nr_ops() + self.tasks.len()));
        let boot = &self.boot;
        let flags = boot.first as u8 | u8::from(boot.interleaved) << 2 | u8::from(!boot.kmem) << 3;
        put_geometry(boot, flags, if self.unsafe_caller { UNSAFE } else { 0 }, &mut out);
        // Memory and faults come first, so that cutting the end of the bytes leaves the circumstances of the ops.
        if let Some(memory) = self.memory {
            put_memory(memory, &mut out);
        }
        for &fault in &self.faults {
            put_fault(fault, &mut out);
        }
        for (i, ops) in self.tasks.iter().enumerate() {
            // The first task needs no record: ops after the header are its own.
            if i > 0 {
                out.push(TASK);
                pad(&mut out);
            }
            put_ops(ops, &mut out);
        }
        for shrinker in &self.shrinkers {
            out.extend([TASK, if shrinker.gated { GATED } else { ALWAYS }, shrinker.objects]);
            pad(&mut out);
            put_ops(&shrinker.ops, &mut out);
        }
        for handler in &self.handlers {
            out.extend([TASK, if handler.hard { HARD } else { SOFT }, HANDLER]);
            pad(&mut out);
            put_ops(&handler.ops, &mut out);
        }
        put_schedule(&self.schedule, &mut out);
        out
    }

    /// The program of any bytes, for fuzzers.
    ///
    /// Ignores the version and never fails.
    pub fn decode(bytes: &[u8]) -> Program {
        let mut program =
            Program { boot: get_geometry(bytes), unsafe_caller: bytes.get(2) == Some(&UNSAFE), ..Program::default() };
        let mut rest = bytes.get(header_len(bytes)..).unwrap_or(&[]);
        let mut nr_ops = 0;
        while !rest.is_empty() {
            // All 256 values are codes, so no byte is wasted on errors.
            let code = rest[0] % CODES;
            let used = program.record(code, &rest[1..], &mut nr_ops);
            rest = rest.get(used..).unwrap_or(&[]);
        }
        // Whatever was decoded becomes a program that may run.
        program.repair();
        program
    }

    /// Adds what one record says to the program, and returns the bytes it takes.
    fn record(&mut self, code: u8, operands: &[u8], nr_ops: &mut usize) -> usize {
        let byte = |i: usize| operands.get(i).copied().unwrap_or(0);
        let site = |code: u8| Site::ALL[usize::from(code) % Site::ALL.len()].0;
        let mut used = RECORD;
        let op = match code {
            TASK if matches!(byte(0), GATED | ALWAYS) => {
                // The byte form has tasks before shrinkers and these before handlers; a record out of order is ignored,
                // so that a program decodes in the order in which it would be written.
                if self.shrinkers.len() < limits::SHRINKERS && self.handlers.is_empty() {
                    self.shrinkers.push(Shrinker { gated: byte(0) == GATED, objects: byte(1), ops: Vec::new() });
                }
                return used;
            }
            TASK if matches!(byte(0), HARD | SOFT) && byte(1) == HANDLER => {
                if self.handlers.len() < limits::HANDLERS {
                    self.handlers.push(Handler { hard: byte(0) == HARD, ops: Vec::new() });
                }
                return used;
            }
            MEMORY => {
                self.memory = Some(memory(byte(0), std::array::from_fn(|i| u16::from(byte(1 + i)))));
                return used;
            }
            TASK if !self.shrinkers.is_empty() || !self.handlers.is_empty() => return used,
            TASK => {
                if self.tasks.len() < limits::TASKS {
                    self.tasks.push(Vec::new());
                }
                return used;
            }
            SCHEDULE => {
                let count = usize::from(byte(0)) % (ENTRIES + 1);
                let task = |i: usize| byte(1 + i / 2) >> (i % 2 * 4) & 0xf;
                self.schedule.extend((0..count).map(|i| Turn { lane: task(i), points: 0 }));
                return used;
            }
            TURNS => {
                let turn = |i: usize| get_turn(byte(2 * i), u32::from(byte(2 * i + 1)));
                self.schedule.extend((0..PREEMPTING).filter_map(turn));
                return used;
            }
            FAULT => {
                let times = if byte(3) == 255 { u32::MAX } else { u32::from(byte(3)) };
                self.faults.push(Fault {
                    site: site(byte(0)),
                    nth: u32::from_le_bytes([byte(1), byte(2), 0, 0]),
                    times,
                });
                return used;
            }
            WIDE => {
                let inner = byte(0) % CODES;
                let mut long = Long::new(operands, 1);
                let op = match inner {
                    WIDE => call::get(&operands[1.min(operands.len())..]).map(|(op, len)| {
                        long.skip(len);
                        op
                    }),
                    FAULT => {
                        let site = site(long.get(1) as u8);
                        self.faults.push(Fault { site, nth: long.get(4), times: long.get(4) });
                        None
                    }
                    MEMORY => {
                        let reserve = long.get(1) as u8;
                        self.memory = Some(memory(reserve, std::array::from_fn(|_| long.get(2) as u16)));
                        None
                    }
                    TURNS => {
                        let lane = long.get(1) as u8;
                        self.schedule.extend(get_turn(lane, long.get(4)));
                        None
                    }
                    // Other records have no wide form.
                    TASK.. => None,
                    _ => Some(Op::get_long(usize::from(ROW_OF[usize::from(inner)]), &mut long)),
                };
                used = (1 + long.at()).next_multiple_of(RECORD);
                op
            }
            _ => {
                let mut short = Short::new(std::array::from_fn(byte));
                Some(Op::get_short(usize::from(ROW_OF[usize::from(code)]), &mut short))
            }
        };
        // Counted across lists, since an endless input must not take memory without end.
        if let Some(op) = op.filter(|_| *nr_ops < limits::OPS) {
            *nr_ops += 1;
            // Ops belong to the list that was started last.
            let handler = self.handlers.last_mut().map(|h| &mut h.ops);
            let ops = handler.or(self.shrinkers.last_mut().map(|s| &mut s.ops)).or(self.tasks.last_mut());
            ops.expect("there is always a task").push(op);
        }
        used
    }

    /// The program of a file.
    ///
    /// Refuses another version, a short header and an incomplete record, which a fuzzer's bytes may have but a stored
    /// program does not.
    pub fn decode_strict(bytes: &[u8]) -> Result<Program, BytesError> {
        match bytes.first() {
            None => return Err(BytesError::Empty),
            Some(&VERSION) => {}
            Some(&other) => return Err(BytesError::Version(other)),
        }
        let header = header_len(bytes);
        if bytes.len() < header {
            return Err(BytesError::Header { found: bytes.len(), expected: header });
        }
        // A file that was written whole has whole records only.
        let extra = (bytes.len() - header) % RECORD;
        if extra != 0 {
            return Err(BytesError::Trailing { offset: bytes.len() - extra, extra });
        }
        Ok(Program::decode(bytes))
    }
}

impl<'a> arbitrary::Arbitrary<'a> for Program {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Program> {
        let len = u.len();
        Ok(Program::from_fuzzer(u.bytes(len)?))
    }

    fn arbitrary_take_rest(u: arbitrary::Unstructured<'a>) -> arbitrary::Result<Program> {
        Ok(Program::from_fuzzer(u.take_rest()))
    }
}

impl Program {
    /// The program that a fuzzer runs for some bytes.
    ///
    /// The caller is made safe whatever they say, so that every finding is the tree's fault.
    fn from_fuzzer(bytes: &[u8]) -> Program {
        let mut program = Program::decode(bytes);
        // Only then is there something left to repair.
        if program.unsafe_caller || !program.calls().is_empty() {
            program.unsafe_caller = false;
            // A name that a fuzzer makes is of no function.
            program.lists_mut().for_each(|ops| ops.retain(|op| !matches!(op, Op::Call { .. })));
            program.repair();
        }
        program
    }
}
