// SPDX-License-Identifier: GPL-2.0-only
//! Sample: an oracle for tests alone. It shows what adding an oracle takes, which is this file and a row in `lib.rs`.

use percuss_kernel::event::Event;

use crate::{Finding, Moment, Oracle, OracleKind};

/// Reports an op that queues balance work for the third time while that work is pending already. The kernel may do
/// that, so no oracle of a real run reports it.
#[derive(Debug, Default)]
pub struct Sample {
    op: u32,
    pending: u32,
}

impl Oracle for Sample {
    fn start(&mut self) {
        *self = Sample::default();
    }

    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        if at.op() != self.op {
            *self = Sample { op: at.op(), pending: 0 };
        }
        if matches!(event, Event::ScheduleWork { queued: false }) {
            self.pending += 1;
            if self.pending == 3 {
                let title = format!("percuss: work queued in vain in {}", at.function());
                found.push(at.finding(OracleKind::Sample, event, title));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Needs, StateOf, markdown};
    use crate::{Bench, Oracles};
    use percuss_kernel::op_number;
    use percuss_program::Program;
    use percuss_world::log::Log;

    fn log(per_op: [usize; 2]) -> Log {
        let mut log = Log::new();
        for (i, nr) in (0..).zip(per_op) {
            let op = op_number(0, i);
            log.push(Event::OpBegin { op });
            (0..nr).for_each(|_| log.push(Event::ScheduleWork { queued: false }));
            log.push(Event::OpEnd { op, result: 0 });
        }
        log
    }

    /// Every bench asks it with the others, and its finding stands among theirs.
    #[test]
    fn an_oracle_is_a_file_and_a_row() {
        let program: Program = "task a\n x = alloc 64\n free x\n".parse().unwrap();
        for mut bench in [Bench::of_image(Oracles::default()), Bench::of_model()] {
            bench.start();
            let found = bench.read(&program, &log([2, 3]));
            let [finding] = &found[..] else { panic!("{found:?}") };
            assert_eq!(finding.key(), (OracleKind::Sample, "percuss: work queued in vain in free_percpu", None, false));
            assert_eq!(
                (finding.op, finding.detail.to_string()),
                (op_number(0, 1), "ScheduleWork { queued: false }".into())
            );
            // What it counted in one program is forgotten in the next.
            bench.start();
            assert_eq!(bench.read(&program, &log([2, 2])), []);
        }
        let mut bench = Bench::of_model();
        bench.start();
        let mut bad = log([3, 0]).events().to_vec();
        bad.push(Event::BadPageFree { pfn: 5 });
        let mut both = Log::new();
        bad.into_iter().for_each(|e| both.push(e));
        let kinds: Vec<OracleKind> = bench.read(&program, &both).iter().map(|f| f.oracle).collect();
        assert_eq!(kinds, [OracleKind::Sample, OracleKind::Ledger]);
    }

    #[test]
    fn the_row_gives_the_name_the_switch_and_the_line_of_the_document() {
        let row = OracleKind::Sample.info();
        assert_eq!((row.needs, row.state), (Needs::Events, StateOf::Neither));
        assert_eq!(OracleKind::by_name("sample"), Some(OracleKind::Sample));
        assert_eq!(serde_json::to_string(&OracleKind::Sample).unwrap(), "\"sample\"");
        assert!(OracleKind::switches().all(|kind| kind != OracleKind::Sample), "it is never off");
        assert!(Oracles::without(OracleKind::Lockstep).has(OracleKind::Sample));
        assert!(markdown().ends_with("| `sample` | an op queues work in vain three times | events | - |\n"));
    }
}
