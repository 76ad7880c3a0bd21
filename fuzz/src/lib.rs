// SPDX-License-Identifier: GPL-2.0-only
//! What all targets share: how libFuzzer's three questions (run this, mutate this, cross these) reach the library.
//!
//! Only a fuzzer runs what is in here, so there is as little of it as possible. Everything that decides is in
//! percuss::fuzz, where tests reach it.

pub use libfuzzer_sys;
pub use percuss;

/// Makes a binary the fuzz target of this name in percuss::fuzz. A target that compares two images also gives the
/// function that loads the second one.
#[macro_export]
macro_rules! target {
    ($name:literal $(, $second:path)?) => {
        use $crate::libfuzzer_sys::{self, Corpus, fuzz_crossover, fuzz_mutator, fuzz_target, fuzzer_mutate};
        use $crate::percuss::fuzz::{Runner, Second, target};

        fn second() -> Option<Second> {
            [$($second as Second)?].into_iter().next()
        }

        // libFuzzer calls from one thread, and starting a runner boots an image: it is started once and kept.
        thread_local! {
            static RUNNER: std::cell::RefCell<Runner> = std::cell::RefCell::new(Runner::start_or_exit($name, second()));
        }

        fuzz_target!(
            init: RUNNER.with(|_| ()),
            |bytes: &[u8]| -> Corpus {
                // An input that is rejected stays out of the corpus, however much it covers: one that is too heavy
                // would slow down every run.
                let keep = RUNNER.with_borrow_mut(|runner| runner.run(bytes));
                if keep { Corpus::Keep } else { Corpus::Reject }
            }
        );

        // Mutations and crossovers work on programs, since most changes of single bytes give no other program.
        fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
            target($name).map_or(size, |t| t.mutate(data, size, max, seed, fuzzer_mutate))
        });

        fuzz_crossover!(|a: &[u8], b: &[u8], out: &mut [u8], seed: u32| {
            target($name).map_or(0, |t| t.crossover(a, b, out, seed))
        });
    };
}
