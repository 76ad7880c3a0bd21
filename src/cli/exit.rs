// SPDX-License-Identifier: GPL-2.0-only
//! Exit codes. Scripts and `git bisect run` depend on them, so a number never gets another meaning.

use std::process::ExitCode;

/// How a verb ends. The numbers are those that `git bisect run` understands: 0 is good, 1 is bad, 125 is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Clean = 0,
    Findings = 1,
    Error = 2,
    NoBuild = 125,
}

impl Exit {
    /// By their numbers, the order in which `--help` lists them.
    const ALL: [Exit; 4] = [Exit::Clean, Exit::Findings, Exit::Error, Exit::NoBuild];

    pub fn code(self) -> u8 {
        self as u8
    }

    /// What the code means for most verbs.
    fn meaning(self) -> &'static str {
        match self {
            Exit::Clean => "nothing new",
            Exit::Findings => "new findings",
            Exit::Error => "usage or environment error",
            Exit::NoBuild => "the tree does not build",
        }
    }

    /// Higher is worse. The numbers do not say it: 125 is a result about the tree, so an error, after which nothing is
    /// known, is worse.
    fn badness(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::NoBuild => 2,
            Exit::Error => 3,
        }
    }

    /// The worse of the two, for a command that checks several things and has one exit code.
    pub fn worst(self, other: Exit) -> Exit {
        if other.badness() > self.badness() { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The exit codes as `--help` lists them. The table in README.md is compared with this.
pub fn help() -> String {
    help_with(Exit::Clean.meaning(), Exit::Findings.meaning())
}

/// The same for a verb whose 0 and 1 mean something of its own.
pub fn help_with(clean: &str, findings: &str) -> String {
    let said = Exit::ALL.map(|exit| {
        let meaning = match exit {
            Exit::Clean => clean,
            Exit::Findings => findings,
            other => other.meaning(),
        };
        format!("{} {meaning}", exit.code())
    });
    format!("Exit codes: {}.", said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_worse_than_a_tree_that_does_not_build() {
        let pairs = [
            (Exit::Clean, Exit::Findings, Exit::Findings),
            (Exit::Findings, Exit::NoBuild, Exit::NoBuild),
            (Exit::NoBuild, Exit::Error, Exit::Error),
            (Exit::Clean, Exit::Clean, Exit::Clean),
        ];
        for (a, b, worst) in pairs {
            assert_eq!((a.worst(b), b.worst(a)), (worst, worst));
        }
    }

    // A bisection and scripts of users go by these numbers.
    #[test]
    fn numbers_stay() {
        let codes = Exit::ALL.map(|exit| (exit, exit.code()));
        assert_eq!(codes, [(Exit::Clean, 0), (Exit::Findings, 1), (Exit::Error, 2), (Exit::NoBuild, 125)]);
    }
}
