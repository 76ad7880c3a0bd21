// SPDX-License-Identifier: GPL-2.0-only
//! What all targets share: how libFuzzer's three questions (run this, mutate this, cross these) reach the library.

pub use libfuzzer_sys;
pub use percuss;

/// Makes a binary the target of a name, which may have a second image.
#[macro_export]
macro_rules! target {
    ($name:literal $(, $second:path)?) => {
        use $crate::libfuzzer_sys::{self, Corpus, fuzz_crossover, fuzz_mutator, fuzz_target, fuzzer_mutate};
        use $crate::percuss::fuzz::{Runner, Second, target};

        fn second() -> Option<Second> {
            [$($second as Second)?].into_iter().next()
        }

        thread_local! {
            static RUNNER: std::cell::RefCell<Runner> = std::cell::RefCell::new(Runner::start_or_exit($name, second()));
        }

        fuzz_target!(
            init: RUNNER.with(|_| ()),
            |bytes: &[u8]| -> Corpus {
                let keep = RUNNER.with_borrow_mut(|runner| runner.run(bytes));
                if keep { Corpus::Keep } else { Corpus::Reject }
            }
        );

        fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
            target($name).map_or(size, |t| t.mutate(data, size, max, seed, fuzzer_mutate))
        });

        fuzz_crossover!(|a: &[u8], b: &[u8], out: &mut [u8], seed: u32| {
            target($name).map_or(0, |t| t.crossover(a, b, out, seed))
        });
    };
}
