// SPDX-License-Identifier: GPL-2.0-only
//! Which context runs: tasks, the worker, and interrupts on top of either; and what the scheduler has to know of them.

use crate::state::memcg::MEMCGS;
use crate::state::task::Task;
use crate::world::World;
use percuss_kernel::WORKER;
use percuss_kernel::event::Event;

impl World {
    /// Makes context `index` run. A switch is logged, because the events after it belong to another context; staying in
    /// the same one is not.
    pub fn switch_to(&mut self, index: usize) {
        if self.run.current != index {
            self.run.current = index;
            self.emit(Event::Switch { task: index as u8 });
        }
    }

    /// Starts the work item on the worker when it is pending. [`World::work_end`] gets the result, which is the context
    /// to go back to.
    pub fn work_begin(&mut self) -> Option<usize> {
        // A workqueue does not run one work item twice at once: what was queued meanwhile stays queued.
        if self.run.working || !std::mem::take(&mut self.run.work_pending) {
            return None;
        }
        self.run.working = true;
        let task = std::mem::replace(&mut self.run.current, WORKER);
        // A kernel worker starts each item with a clean context: no scope, no signal, no memcg of the task before.
        self.run.tasks[WORKER] = Task::default();
        // What the worker does counts for the op after which it runs.
        self.run.ops[WORKER] = self.run.ops[task];
        self.emit(Event::WorkBegin);
        Some(task)
    }

    /// Ends the work item, whose function must leave its context as it found it: a workqueue complains about a function
    /// that returns atomic or with a lock held. `task` is the context that [`World::work_begin`] returned.
    pub fn work_end(&mut self, task: usize) {
        let t = self.run.tasks[WORKER];
        let held = t.held().count() as u32;
        if held > 0 || t.atomic() {
            self.emit(Event::ContextLeak { irqs_off: t.irqs_off, held });
        }
        self.emit(Event::WorkEnd);
        self.run.working = false;
        self.run.current = task;
    }

    pub fn working(&self) -> bool {
        self.run.working
    }

    pub fn work_pending(&self) -> bool {
        self.run.work_pending
    }

    /// Moves the running task to a memcg; 0 is none.
    pub fn set_memcg(&mut self, id: u32) {
        self.task().memcg = id.min(MEMCGS as u32 - 1);
    }

    /// Makes a fatal signal pending for a task, the running one when it is None. Waiting tasks try again, because a
    /// killable wait ends with the signal.
    pub fn kill(&mut self, task: Option<usize>) {
        self.run.tasks[task.unwrap_or(self.run.current)].signal = true;
        self.run.released = true;
    }

    /// Whether an interrupt can start on top of this context: its interrupts are on, and no handler of the same kind or
    /// a hard one runs there.
    pub fn takes_interrupt(&self, context: usize, hard: bool) -> bool {
        let t = &self.run.tasks[context];
        // A hard handler may interrupt a soft one, but neither interrupts its own kind, and nothing interrupts a hard
        // one.
        let running = if hard { t.interrupt & 2 } else { t.interrupt };
        !t.irqs_off && running == 0
    }

    /// Starts an interrupt on top of the running context. [`World::interrupt_end`] gets the result, the handlers that
    /// ran there before.
    pub fn interrupt(&mut self, hard: bool) -> u8 {
        let task = self.task();
        // Interrupts nest, so the end restores what was there and does not just clear the bit.
        let before = task.interrupt;
        task.interrupt |= 1 << u8::from(hard);
        self.emit(Event::Interrupt { hard, enter: true });
        before
    }

    pub fn interrupt_end(&mut self, hard: bool, before: u8) {
        self.task().interrupt = before;
        self.emit(Event::Interrupt { hard, enter: false });
    }

    /// Prepares the drain: task 0 runs in a context that may sleep, with memory enough. The drain belongs to no op, so
    /// what the program left behind must not make it fail.
    pub fn calm(&mut self) {
        self.switch_to(0);
        *self.task() = Task::default();
        // Waits end here: what the drain takes is no longer the program's doing.
        self.run.pressure.settle();
        self.run.pool = None;
    }

    /// Says whether the task that runs next is the only one that could: as things are, and once it releases a lock. A
    /// task that retries for memory while it is alone gives up, since no other task can free any.
    pub fn set_alone(&mut self, alone: [bool; 2]) {
        self.run.alone = alone;
    }

    /// No task but the running one could run. Once it has released a lock, the tasks that wait could run as well, so
    /// the second answer holds then.
    pub(crate) fn is_alone(&self) -> bool {
        self.run.alone[usize::from(self.run.released)]
    }

    /// Waiting tasks have reason to try again: a lock was released or a task killed since the last call.
    pub fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.run.released)
    }
}
