// SPDX-License-Identifier: GPL-2.0-only
//! The graph of dependencies as bit rows, and the search for strong paths in it.
//!
//! A reader that lets other readers in (recursive) waits for writers only, so of two neighbouring dependencies
//! "... -> recursive reader" and "reader -> ..." nothing follows. A path without such a joint is *strong*; only strong
//! paths can deadlock (Documentation/locking/lockdep-design.rst).

use super::class::{CLASSES, Class, classes};

/// How a lock is taken: `held_lock::read`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Read {
    /// For writing, or a lock that knows no readers.
    #[default]
    Exclusive,
    /// For reading; a waiting writer keeps new readers out.
    Shared,
    /// For reading; readers let each other in.
    Recursive,
}

/// Kind of a dependency: first lock Shared or Exclusive, second a Recursive reader or Not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum Dep {
    /// shared -> recursive reader
    SR,
    /// exclusive -> recursive reader
    ER,
    /// shared -> anything that waits for readers
    SN,
    /// exclusive -> anything that waits for readers
    EN,
}

impl Dep {
    /// All kinds, in the order of their rows.
    pub const ALL: [Dep; 4] = [Dep::SR, Dep::ER, Dep::SN, Dep::EN];

    /// The kind of `first -> second`.
    #[inline]
    pub fn new(first: Read, second: Read) -> Dep {
        Dep::ALL[(first == Read::Exclusive) as usize | ((second != Read::Recursive) as usize) << 1]
    }

    /// Ends at a recursive reader.
    pub fn is_weak(self) -> bool {
        matches!(self, Dep::SR | Dep::ER)
    }

    /// Begins at a reader.
    pub fn from_reader(self) -> bool {
        matches!(self, Dep::SR | Dep::SN)
    }
}

/// Which way to walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// To locks taken later.
    After,
    /// To locks held before.
    Before,
}

impl Way {
    /// Kinds that may follow a weak step, and of all kinds those that make a strong one, as row numbers.
    fn rules(self) -> ([usize; 2], [usize; 2]) {
        match self {
            Way::After => ([1, 3], [2, 3]),
            Way::Before => ([2, 3], [1, 3]),
        }
    }
}

type Rows = [[u64; 4]; CLASSES];

/// The graph.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    after: Rows,
    before: Rows,
    /// Classes with an edge.
    touched: u64,
}

impl Matrix {
    pub fn new() -> Matrix {
        Matrix { after: [[0; 4]; CLASSES], before: [[0; 4]; CLASSES], touched: 0 }
    }

    /// Forgets all edges, at the price of those there are.
    pub fn clear(&mut self) {
        for c in classes(self.touched) {
            self.after[c.at()] = [0; 4];
            self.before[c.at()] = [0; 4];
        }
        self.touched = 0;
    }

    #[inline]
    pub fn has(&self, from: Class, to: Class, dep: Dep) -> bool {
        self.after[from.at()][dep as usize] & to.bit() != 0
    }

    pub fn add(&mut self, from: Class, to: Class, dep: Dep) {
        self.after[from.at()][dep as usize] |= to.bit();
        self.before[to.at()][dep as usize] |= from.bit();
        self.touched |= from.bit() | to.bit();
    }

    /// The strongest kind of the edge that can follow a weak step (`weak`) and whether the step after is weak.
    pub fn kind(&self, from: Class, to: Class, weak: bool) -> Option<Dep> {
        let order: &[Dep] = if weak { &[Dep::EN, Dep::ER] } else { &[Dep::EN, Dep::SN, Dep::ER, Dep::SR] };
        order.iter().copied().find(|d| self.has(from, to, *d))
    }

    /// Breadth first from `root` over strong paths; the classes from it to the first that `wanted` wants. A step is weak
    /// when it can only be made as a recursive reader (backwards: only from a reader); `weak` says so of the root.
    pub fn search(
        &self,
        way: Way,
        root: Class,
        weak: bool,
        mut wanted: impl FnMut(Class, bool) -> bool,
    ) -> Option<Vec<Class>> {
        let rows = match way {
            Way::After => &self.after,
            Way::Before => &self.before,
        };
        let (joint, strong) = way.rules();
        // A node is a class reached by a strong (0) or weak (1) last step.
        let start = (root, weak);
        let mut from = [[0u8; CLASSES]; 2];
        let mut seen = [0u64; 2];
        let mut queue = [(0u8, false); 2 * CLASSES];
        let (mut head, mut tail) = (0, 1);
        queue[0] = (root.0, weak);
        seen[weak as usize] |= root.bit();
        while head < tail {
            let (at, weak) = queue[head];
            head += 1;
            let here = Class(at);
            if wanted(here, weak) {
                return Some(trace_back(&from, start, (here, weak)));
            }
            let row = &rows[here.at()];
            let open = |kinds: [usize; 2]| kinds.iter().fold(0, |set, k| set | row[*k]);
            let all = if weak { open(joint) } else { row[0] | row[1] | row[2] | row[3] };
            // What a strong step reaches need not be reached by a weak one too.
            let by_strong = if weak { row[3] } else { open(strong) };
            for (set, step) in [(by_strong & !seen[0], false), (all & !by_strong & !(seen[0] | seen[1]), true)] {
                for next in classes(set) {
                    seen[step as usize] |= next.bit();
                    from[step as usize][next.at()] = at | (weak as u8) << 7;
                    queue[tail] = (next.0, step);
                    tail += 1;
                }
            }
        }
        None
    }
}

/// The way back from a node the search found; the root first. Nodes are classes with how they were reached.
fn trace_back(from: &[[u8; CLASSES]; 2], root: (Class, bool), end: (Class, bool)) -> Vec<Class> {
    let mut path = vec![end.0];
    let (mut here, mut weak) = end;
    while (here, weak) != root {
        let back = from[weak as usize][here.at()];
        (here, weak) = (Class(back & 0x7f), back & 0x80 != 0);
        path.push(here);
    }
    path.reverse();
    path
}
