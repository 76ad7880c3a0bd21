// SPDX-License-Identifier: GPL-2.0-only
//! Reading what `/sys/kernel/tracing/trace` or `trace-cmd report` print of the percpu tracepoints.
//!
//! Fields are found by name, since kernels add some and change their order. Lines of other tracepoints are skipped; a
//! percpu event that is cut off is an error, for skipping it would silently change the workload.

use std::collections::BTreeSet;
use std::str::FromStr;

use percuss_kernel::gfp::Gfp;

/// One event of the five percpu tracepoints of `include/trace/events/percpu.h`, as far as a program can have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// `percpu_alloc_percpu`: an area was handed out.
    Alloc {
        asked: Asked,
        ptr: u64,
        /// Bytes charged for all CPUs, from v6.0 on.
        bytes: Option<u64>,
        /// The caller's mask, from v6.0 on.
        gfp: Option<Gfp>,
    },
    Fail(Asked),
    /// `percpu_free_percpu`, with the per-CPU pointer.
    Free(u64),
    Create,
    Destroy,
}

/// A request, its size and alignment in bytes as the allocator rounded them: sizes to multiples of 4, alignments to 4
/// at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// From the reserved chunk, as module loading asks.
    pub reserved: bool,
    /// The allocator must not sleep: it takes no sleeping lock and populates no pages.
    pub atomic: bool,
    pub size: u64,
    pub align: u64,
}

/// An event and the CPU it happened on. Tasks and times are not kept: no op has either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    pub cpu: u32,
    pub event: Event,
}

/// The percpu events of a trace, in its order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    pub records: Vec<Record>,
    /// Events of any kind that the trace says it has lost. Some of them may be allocations whose frees are in it.
    pub lost: u64,
    /// Flags of masks that percuss does not know, such as those of newer kernels: they count as not set.
    pub unknown: BTreeSet<String>,
}

/// A line that begins like a percpu event and does not go on like one. `line` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {problem} in an event {event}\n  help: give the trace as ftrace prints it; a line may have been cut off"
)]
pub struct TraceError {
    pub line: usize,
    pub event: &'static str,
    pub problem: String,
}

const NAMES: [&str; 5] = [
    "percpu_alloc_percpu",
    "percpu_alloc_percpu_fail",
    "percpu_free_percpu",
    "percpu_create_chunk",
    "percpu_destroy_chunk",
];

/// The tracepoint of a line: what stands before its name, the name, and the fields after it. None for other lines.
pub(super) fn event(line: &str) -> Option<(&str, &'static str, &str)> {
    NAMES.iter().find_map(|name| {
        let at = line.match_indices(name).map(|(at, _)| at).find(|at| {
            // A name is bounded on both sides: `percpu_alloc_percpu` begins `percpu_alloc_percpu_fail` as well. perf
            // puts the subsystem and a colon before it.
            let before = line[..*at].chars().next_back().is_some_and(|c| c == ' ' || c == '\t' || c == ':');
            before && line[at + name.len()..].starts_with(':')
        })?;
        Some((&line[..at], *name, &line[at + name.len() + 1..]))
    })
}

impl FromStr for Trace {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Trace, TraceError> {
        let mut trace = Trace::default();
        for (i, line) in text.lines().enumerate() {
            trace.lost += lost(line);
            // After the header's counts have been read, comments hold nothing.
            if line.starts_with('#') {
                continue;
            }
            let Some((head, name, fields)) = event(line) else { continue };
            let fields = Fields { line: i + 1, event: name, text: fields };
            // The CPU stands before the event's name, in a part that trace options change.
            let cpu = fields.cpu(head)?;
            trace.records.push(Record { cpu, event: fields.event(&mut trace.unknown)? });
        }
        Ok(trace)
    }
}

/// Events that a line says are missing: the header counts what is there and what was written, and a line `[LOST n
/// EVENTS]` is where a CPU's buffer ran over.
fn lost(line: &str) -> u64 {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse::<u64>().ok());
    if line.starts_with('#') {
        let counts = line.split_once("entries-in-buffer/entries-written:").and_then(|(_, c)| c.trim().split_once('/'));
        let counts = counts.and_then(|(there, written)| Some((number(there)?, number(written)?)));
        return counts.map_or(0, |(there, written)| written.saturating_sub(there));
    }
    line.split_once("[LOST ").and_then(|(_, rest)| number(rest)).unwrap_or(0)
}

/// The fields of an event, `name=value`.
struct Fields<'t> {
    line: usize,
    event: &'static str,
    text: &'t str,
}

impl Fields<'_> {
    fn event(&self, unknown: &mut BTreeSet<String>) -> Result<Event, TraceError> {
        Ok(match self.event {
            "percpu_alloc_percpu" => Event::Alloc {
                asked: self.asked()?,
                ptr: self.pointer("ptr")?,
                bytes: self.find("bytes_alloc").map(|_| self.number("bytes_alloc")).transpose()?,
                gfp: self.find("gfp_flags").map(|mask| gfp(mask, unknown)),
            },
            "percpu_alloc_percpu_fail" => Event::Fail(self.asked()?),
            "percpu_free_percpu" => Event::Free(self.pointer("ptr")?),
            "percpu_create_chunk" => Event::Create,
            // No other name is in `NAMES`.
            _ => Event::Destroy,
        })
    }

    fn asked(&self) -> Result<Asked, TraceError> {
        Ok(Asked {
            reserved: self.number("reserved")? != 0,
            atomic: self.number("is_atomic")? != 0,
            size: self.number("size")?,
            align: self.number("align")?,
        })
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn value<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, TraceError> {
        let Some(text) = self.find(name) else { return Err(self.error(format!("there is no {name}="))) };
        parse(text).ok_or_else(|| self.error(format!("{name}={text} is no number")))
    }

    fn number(&self, name: &str) -> Result<u64, TraceError> {
        self.value(name, |text| text.parse().ok())
    }

    fn pointer(&self, name: &str) -> Result<u64, TraceError> {
        // With the prefix or without, as tools differ.
        self.value(name, |text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok())
    }

    /// The CPU, in brackets before the event's name. The last brackets count, for a task's name may have some as well.
    fn cpu(&self, head: &str) -> Result<u32, TraceError> {
        let inside = head.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let cpu = inside.and_then(|(cpu, _)| cpu.trim().parse().ok());
        cpu.ok_or_else(|| self.error("there is no [CPU]".to_owned()))
    }

    fn error(&self, problem: String) -> TraceError {
        TraceError { line: self.line, event: self.event, problem }
    }
}

/// A mask in the words of the kernel's trace flags, joined by `|`; `none` is the empty one.
fn gfp(mask: &str, unknown: &mut BTreeSet<String>) -> Gfp {
    let flags = mask.split('|').filter(|word| *word != "none");
    flags.fold(Gfp::NONE, |all, word| match word {
        // Masks for user pages: what they add to GFP_KERNEL concerns zones and movability, which no percpu code looks
        // at.
        "GFP_USER" | "GFP_HIGHUSER" | "GFP_HIGHUSER_MOVABLE" | "GFP_TRANSHUGE" => all | Gfp::KERNEL,
        "__GFP_RECLAIM" => all | Gfp::DIRECT_RECLAIM | Gfp::KSWAPD_RECLAIM,
        _ => match word.parse::<Gfp>() {
            Ok(flag) => all | flag,
            Err(_) => {
                unknown.insert(word.to_owned());
                all
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOC: &str = "          <idle>-0       [002] d..1.     0.431913: percpu_alloc_percpu: call_site=alloc_desc+0x57/0x240 \
        reserved=0 is_atomic=0 size=8 align=4 base_addr=ff1100017ba3b000 off=2416 ptr=000000000003b970 bytes_alloc=48 \
        gfp_flags=GFP_KERNEL|__GFP_ZERO|__GFP_NEW";

    #[test]
    fn lines_are_events() {
        let text = format!(
            "# tracer: nop\n# entries-in-buffer/entries-written: 4/9   #P:1\n{ALLOC}\nCPU:2 [LOST 5 EVENTS]\n \
             init-1 [001] ..... 1.2: sched_switch: x\n init-1 [001] d..1. 1.24: percpu_free_percpu: base_addr=1 off=8 \
             ptr=0x3b970\n perf 7 [000] 3.1: percpu:percpu_create_chunk: base_addr=2\n x-1 [000] .. 4: \
             percpu_alloc_percpu_fail: reserved=1 is_atomic=1 size=64 align=8\n"
        );
        let trace: Trace = text.parse().unwrap();
        let asked = |reserved, atomic, size, align| Asked { reserved, atomic, size, align };
        let gfp = Some(Gfp::KERNEL | Gfp::ZERO);
        let alloc = Event::Alloc { asked: asked(false, false, 8, 4), ptr: 0x3b970, bytes: Some(48), gfp };
        let events =
            [(2, alloc), (1, Event::Free(0x3b970)), (0, Event::Create), (0, Event::Fail(asked(true, true, 64, 8)))];
        let records = events.map(|(cpu, event)| Record { cpu, event });
        assert_eq!(trace.records, records);
        assert_eq!((trace.lost, trace.unknown.iter().next().map(String::as_str)), (10, Some("__GFP_NEW")));
    }

    #[test]
    fn what_is_cut_off_is_said() {
        let fails = |text: &str| text.parse::<Trace>().unwrap_err();
        let cut = fails(&format!("x\n{}", &ALLOC[..ALLOC.find("ptr").unwrap()]));
        assert_eq!((cut.line, cut.event, cut.problem.as_str()), (2, "percpu_alloc_percpu", "there is no ptr="));
        assert!(fails(&ALLOC.replace("size=8", "size=8x")).to_string().contains("size=8x is no number"));
        assert!(fails(&ALLOC.replace("[002]", "")).to_string().contains("line 1: there is no [CPU]"));
    }

    #[test]
    fn other_text_is_no_trace() {
        assert!(super::super::is_trace(ALLOC));
        for text in ["", "task a\n  x = alloc 8\n", "# percpu_free_percpu: ptr=1\ntask a\n", "percpu_free_percpus: x\n"]
        {
            assert!(!super::super::is_trace(text), "{text}");
        }
    }
}
