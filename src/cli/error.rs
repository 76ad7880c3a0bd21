// SPDX-License-Identifier: GPL-2.0-only
//! Errors as the user sees them: one message on standard error, with the file and what was to be done with it, and the
//! exit code that scripts rely on.

use std::path::PathBuf;

use owo_colors::OwoColorize;
use percuss::experiments::detection::DetectionError;
use percuss::experiments::scenario::ScenarioError;
use percuss::fuzz::session::SessionError;
use percuss::image::ImageError;
use percuss::program::{BytesError, TextError};
use percuss::worker::Lost;

use super::{Exit, output};

/// What ends a command with exit code 2, or with 125 if the tree does not build. Findings are no errors: they are
/// printed as a verdict, with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Worker(#[from] Lost),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Detection(#[from] DetectionError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("{path}: {error}")]
    Text { path: PathBuf, error: Box<TextError> },
    #[error("{path}: {error}")]
    Bytes { path: PathBuf, error: BytesError },
    #[error("cannot {what} {path}: {error}")]
    File { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{0}")]
    Input(String),
    /// The path of this executable, without which workers cannot be started and confined.
    #[error("cannot find the percuss executable, which compiles and runs the tree confined: {0}")]
    NoProgram(std::io::Error),
    #[error("the system refuses: {0}")]
    Io(#[from] std::io::Error),
}

impl CliError {
    /// The exit code it calls for: 125 where a tree does not build, so that `git bisect run` skips the revision, and 2
    /// for everything else, at which a bisection stops.
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Scenario(ScenarioError::Image { source, .. }) if source.is_build_failure() => Exit::NoBuild,
            CliError::Detection(DetectionError::Image { source, .. }) if source.is_build_failure() => Exit::NoBuild,
            CliError::Image(e) if e.is_build_failure() => Exit::NoBuild,
            // Not 125: a bisection that skips on a typing error would skip all revisions.
            _ => Exit::Error,
        }
    }

    /// Prints it to standard error. For a mistake in a program's text this is an excerpt with a caret under the place,
    /// as programs are written by hand; all else is one message.
    pub fn print(self) {
        match self {
            CliError::Text { path, error } => {
                output::tell(&format!("{}:", path.display()));
                output::tell(format!("{:?}", miette::Report::new(*error)).trim_end());
            }
            other => output::tell(&format!("{} {other}", "error:".red().bold())),
        }
    }
}
