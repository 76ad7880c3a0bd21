// SPDX-License-Identifier: GPL-2.0-only
//! What a tenant does, one call after the other, without figures.
//!
//! Two trees of different versions never give equal events: sizes, addresses and masks differ from the first chunk on.
//! The kinds of calls do not, so the first call that differs in kind shows where one tree does something new.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use percuss_kernel::event::Event;
use percuss_kernel::{CONTEXTS, Cursor, Lock, Scope, events};
use percuss_world::log::Log;

/// A kind of call, with the place of the tree that makes it when that is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Act {
    pub kind: Cow<'static, str>,
    /// It only enters or leaves a gfp scope, which [`Stream::parts_from`] looks at last.
    pub scope: bool,
    /// `function (file:line)`, or empty when it was not recorded.
    pub site: String,
}

/// The calls of a run, by context: what other contexts do in between does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stream {
    // Each act once; a run repeats a few of them thousands of times.
    acts: Vec<Act>,
    // For each context, indexes into `acts`, each with the number of ops begun by then.
    lanes: Vec<Vec<(u16, u32)>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parting {
    /// What each does there; None where it does nothing more.
    pub acts: [Option<Act>; 2],
    /// The number of ops begun by then.
    pub at: u32,
}

impl Stream {
    /// Reads a log whose call sites were recorded. What happens inside reclaim is left out: when the World reclaims
    /// depends on how much memory the tree has used until then.
    pub fn of(log: &Log) -> Stream {
        let mut stream = Stream { acts: Vec::new(), lanes: vec![Vec::new(); CONTEXTS] };
        let mut cursor = Cursor::new();
        let mut numbers: BTreeMap<Act, u16> = BTreeMap::new();
        let mut begun = 0;
        for (i, event) in log.events().iter().enumerate() {
            let reclaims = cursor.reclaims();
            begun += u32::from(matches!(event, Event::OpBegin { .. }));
            let (at, _) = cursor.advance_to(event);
            let Some((kind, sited)) = kind(event).filter(|_| !reclaims) else { continue };
            let site = log.site_of(i).filter(|_| sited).map_or_else(String::new, ToString::to_string);
            let scope = matches!(event, Event::ScopeSave { .. } | Event::ScopeRestore { .. });
            let act = Act { kind, scope, site };
            let next = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
            // An act is stored when it is first seen, and its number is its place.
            let number = *numbers.entry(act.clone()).or_insert_with(|| {
                stream.acts.push(act);
                next
            });
            stream.lanes[at].push((number, begun));
        }
        stream
    }

    /// Where the other first does something else, in the first context that does. Scopes count only when nothing else
    /// differs: a tree that has new ones would show little besides.
    pub fn parts_from(&self, other: &Stream) -> Option<Parting> {
        self.parting(other, |act| !act.scope).or_else(|| self.parting(other, |_| true))
    }

    /// The two do the same but for flushes, and for dropping pcpu_lock, which a flush is not made under.
    pub fn flushes_apart(&self, other: &Stream) -> bool {
        let around = ["take pcpu_lock", "release pcpu_lock", "cond_resched", "flush the TLB", "flush the cache"];
        self.parting(other, |act| !around.contains(&&*act.kind)).is_none()
    }

    fn parting(&self, other: &Stream, counts: impl Fn(&Act) -> bool + Copy) -> Option<Parting> {
        (0..self.lanes.len().max(other.lanes.len())).find_map(|context| {
            let mut lanes = [self.lane(context, counts), other.lane(context, counts)];
            loop {
                let next = [lanes[0].next(), lanes[1].next()];
                let at = next.iter().flatten().map(|(_, at)| *at).min()?;
                let acts = next.map(|act| act.map(|(act, _)| act));
                // By kind alone: lines move from tree to tree.
                if acts[0].map(|a| &a.kind) != acts[1].map(|a| &a.kind) {
                    return Some(Parting { acts: acts.map(|a| a.cloned()), at });
                }
            }
        })
    }

    fn lane(&self, context: usize, counts: impl Fn(&Act) -> bool) -> impl Iterator<Item = (&Act, u32)> {
        let numbers = self.lanes.get(context).into_iter().flatten();
        let acts = numbers.filter_map(|(n, at)| Some((self.acts.get(usize::from(*n))?, *at)));
        acts.filter(move |(act, _)| counts(act))
    }
}

/// The kind of call that an event is, and whether its place is recorded; None for what the World does by itself, or
/// what depends on figures.
fn kind(event: &Event) -> Option<(Cow<'static, str>, bool)> {
    let lock = |verb: &str, lock: Lock| Some((Cow::Owned(format!("{verb} {}", lock.name())), true));
    let scope =
        |verb: &str, scope: Scope| Some((Cow::Owned(format!("{verb} a {scope:?} scope").to_lowercase()), false));
    let (name, sited) = match *event {
        Event::MutexLock { lock: l, taken: true, .. } | Event::SpinLock { lock: l, .. } => return lock("take", l),
        Event::MutexLock { lock: l, taken: false, .. } => return lock("give up", l),
        Event::MutexUnlock { lock: l } => return lock("release", l),
        // The place is that of the call before.
        Event::SpinUnlock { lock: l, .. } => return lock("release", l).map(|(kind, _)| (kind, false)),
        Event::ScopeSave { scope: s, .. } => return scope("enter", s),
        Event::ScopeRestore { scope: s, .. } => return scope("leave", s),
        Event::OpEnd { .. } => ("return", false),
        Event::WorkEnd => ("end of the work", false),
        Event::CondResched => ("cond_resched", false),
        Event::Kzalloc { .. } => ("kzalloc", true),
        Event::Vmalloc { .. } => ("__vmalloc", true),
        Event::Kvfree { .. } => ("kvfree", true),
        Event::PageAlloc { .. } => ("get a page", true),
        Event::PageFree { .. } => ("free a page", true),
        Event::VmAreas { .. } => ("reserve vm areas", true),
        Event::VmFree { .. } => ("free vm areas", true),
        Event::Map { .. } => ("map pages", true),
        Event::Unmap { .. } => ("unmap pages", true),
        Event::FlushCache { .. } => ("flush the cache", true),
        Event::FlushTlb { .. } => ("flush the TLB", true),
        Event::ScheduleWork { .. } => ("schedule the work", true),
        Event::Charge { .. } => ("charge a memcg", false),
        Event::Uncharge { .. } => ("uncharge a memcg", false),
        Event::MemcgStat { .. } => ("count for a memcg", false),
        Event::Zero { .. } => ("zero an area", false),
        Event::TraceAlloc(_) => ("trace an allocation", false),
        Event::TraceAllocFail { .. } => ("trace a failed allocation", false),
        Event::TraceFree { .. } => ("trace a free", false),
        Event::TraceCreate { .. } => ("trace a new chunk", false),
        Event::TraceDestroy { .. } => ("trace the end of a chunk", false),
        Event::Diag { .. } => ("print", false),
        // How many page tables a mapping needs depends on addresses.
        Event::PageTable { .. } => return None,
        // A wait depends on what other tasks do.
        Event::Wait { .. } | Event::WaitExt { .. } => return None,
        // What the program does around its calls is the same for both trees.
        Event::LockExt { .. } | Event::UnlockExt { .. } => return None,
        Event::Irqs { .. } | Event::Preempt { .. } | Event::Interrupt { .. } => return None,
        Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::WorkBegin => return None,
        Event::State { .. } | Event::Stopped { .. } => return None,
        events!(reclaim | defects) => return None,
    };
    Some((Cow::Borrowed(name), sited))
}
