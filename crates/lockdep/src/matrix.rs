// SPDX-License-Identifier: GPL-2.0-only
//! The graph of dependencies as rows of bits, and the search for strong paths in it.
//!
//! A recursive reader lets other readers in and waits for writers only. So nothing follows from two neighbouring
//! dependencies "... -> recursive reader" and "reader -> ...": the second reader does not keep the first out. A path
//! without such a joint is *strong*, and only strong paths can deadlock (Documentation/locking/lockdep-design.rst,
//! "Recursive read locks").

use super::class::{CLASSES, Class, classes};

/// How a lock is taken: `held_lock::read`.
///
/// The order of the variants is that of the kernel's numbers 0, 1 and 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Read {
    /// For writing, or a lock without readers.
    #[default]
    Exclusive,
    /// For reading, where a waiting writer keeps new readers out, as in an rwsem.
    Shared,
    /// For reading, where readers always let each other in.
    Recursive,
}

/// The kind of a dependency: the first letter says whether the first lock is held Shared or Exclusive, the second
/// whether the second is taken as a Recursive reader or Not.
///
/// The kernel writes them -(SR)-> and so on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum Dep {
    SR,
    ER,
    SN,
    EN,
}

impl Dep {
    pub const ALL: [Dep; 4] = [Dep::SR, Dep::ER, Dep::SN, Dep::EN];

    /// The kind of the dependency `first -> second`.
    ///
    /// Whether the first is a shared or a recursive reader does not matter, as both keep writers out; whether the
    /// second is shared does, since it waits for a waiting writer like a writer.
    #[inline]
    pub fn new(first: Read, second: Read) -> Dep {
        Dep::ALL[(first == Read::Exclusive) as usize | ((second != Read::Recursive) as usize) << 1]
    }

    pub fn is_weak(self) -> bool {
        matches!(self, Dep::SR | Dep::ER)
    }

    /// True if it begins at a reader, shared or recursive, which a recursive reader does not wait for.
    pub fn from_reader(self) -> bool {
        matches!(self, Dep::SR | Dep::SN)
    }
}

/// The direction of a search: along the dependencies, or against them from a lock to those held around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    After,
    Before,
}

impl Way {
    /// The kinds that may follow a weak step, and the kinds that make a strong one, as row numbers.
    ///
    /// Row numbers are those of [`Dep::ALL`].
    fn rules(self) -> ([usize; 2], [usize; 2]) {
        match self {
            // After a recursive reader only exclusive holders block (ER, EN); strong steps end at no recursive reader
            // (SN, EN).
            Way::After => ([1, 3], [2, 3]),
            // Backwards the two conditions change places.
            Way::Before => ([2, 3], [1, 3]),
        }
    }
}

/// Neighbours of each class as sets, by kind of dependency: 2 KiB, which fits into the first cache with its
/// counterpart.
type Rows = [[u64; 4]; CLASSES];

/// The graph: which classes follow and precede each class.
///
/// Both directions are kept, since the interrupt rules search backwards from the lock that is held.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    after: Rows,
    before: Rows,
    /// Classes with a dependency, so that clearing costs no more than was used.
    touched: u64,
}

impl Matrix {
    pub fn new() -> Matrix {
        Matrix { after: [[0; 4]; CLASSES], before: [[0; 4]; CLASSES], touched: 0 }
    }

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

    /// The strongest kind of the dependency `from -> to` that may follow a weak (`weak`) or strong step; None if no
    /// kind may.
    pub fn kind(&self, from: Class, to: Class, weak: bool) -> Option<Dep> {
        // After a recursive reader the dependency must begin at an exclusive holder. Of those allowed, one that ends
        // strong leaves more ways open.
        let order: &[Dep] = if weak { &[Dep::EN, Dep::ER] } else { &[Dep::EN, Dep::SN, Dep::ER, Dep::SR] };
        order.iter().copied().find(|d| self.has(from, to, *d))
    }

    /// Searches strong paths from `root`, breadth first; returns the classes from the root to the first that is
    /// `wanted`.
    ///
    /// A step is weak if it can be made only as a recursive reader (backwards: only from a reader); `weak` says so of
    /// the step that led to the root. A class can be worth visiting twice, since a strong last step leaves more ways
    /// open.
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
        // Two bits for each class: reached by a strong step, by a weak one. The queue holds each such node once.
        seen[weak as usize] |= root.bit();
        // Breadth first finds a shortest path, which makes the report as short as it can be.
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

/// The path to a node that the search found, from the root on.
///
/// Nodes are classes with the kind of their last step.
fn trace_back(from: &[[u8; CLASSES]; 2], root: (Class, bool), end: (Class, bool)) -> Vec<Class> {
    let mut path = vec![end.0];
    let (mut here, mut weak) = end;
    while (here, weak) != root {
        // Bit 7 says whether the step before was weak; class numbers are below 64.
        // Every node but the root was entered from another one, so this ends at the root.
        let back = from[weak as usize][here.at()];
        (here, weak) = (Class(back & 0x7f), back & 0x80 != 0);
        path.push(here);
    }
    path.reverse();
    path
}
