// SPDX-License-Identifier: GPL-2.0-only
//! The state file: what a soak came to so far, so that another run can go on.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::drive::Totals;
use percuss_source::files;

const SCHEMA: &str = "percuss-soak-state-1";

/// Why a state file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no state file, or another version's.
    #[error("this is no state file of a soak: {0}")]
    Form(String),
    /// It is the state of a soak of another image, seed or recipe, whose totals must not be added up with these.
    #[error("it is of another soak: {what} was {there}, and is {here} now")]
    Other { what: &'static str, there: String, here: String },
}

#[derive(Serialize, Deserialize)]
struct File<T> {
    schema: String,
    #[serde(flatten)]
    totals: T,
}

/// Writes the totals: a new file takes the place of the old one, so that there is always a whole one.
///
/// # Errors
/// The file cannot be written.
pub fn save(path: &Path, totals: &Totals) -> std::io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let dir = absolute.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir)?;
    let mut text = serde_json::to_vec(&File { schema: SCHEMA.to_owned(), totals })?;
    text.push(b'\n');
    files::write_whole(dir, &absolute, &text)
}

/// Reads the totals of a soak like the one that is to go on.
///
/// # Errors
/// See [`StateError`].
pub fn load(path: &Path, like: &Totals) -> Result<Totals, StateError> {
    let text = std::fs::read_to_string(path)?;
    let form = |e: serde_json::Error| StateError::Form(e.to_string());
    let file: File<serde_json::Value> = serde_json::from_str(&text).map_err(form)?;
    // Looked at before the rest, so that a file of another version gets this message and not one about a missing field.
    if file.schema != SCHEMA {
        return Err(StateError::Form(format!("its schema is {}, not {SCHEMA}", file.schema)));
    }
    let totals: Totals = serde_json::from_value(file.totals).map_err(form)?;
    // Totals of two soaks added up would be a number of nothing.
    let differs = [
        ("the image", totals.image.clone(), like.image.clone()),
        ("the seed", totals.seed.to_string(), like.seed.to_string()),
        ("the recipe", format!("{:?}", totals.recipe), format!("{:?}", like.recipe)),
    ];
    match differs.into_iter().find(|(_, there, here)| there != here) {
        Some((what, there, here)) => Err(StateError::Other { what, there, here }),
        None => Ok(totals),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Recipe;

    #[test]
    fn a_soak_goes_on_only_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deeper/soak.json");
        let recipe = Recipe { threads: 3, ops: 100, races: false };
        let mut totals = Totals::new("6.12".to_owned(), 7, recipe);
        totals.next = 12;
        totals.equal = 11;
        totals.seconds = (1.25, 3.5);
        save(&path, &totals).unwrap();
        assert_eq!(load(&path, &Totals::new("6.12".to_owned(), 7, recipe)).unwrap(), totals);
        for other in [
            Totals::new("6.1".to_owned(), 7, recipe),
            Totals::new("6.12".to_owned(), 8, recipe),
            Totals::new("6.12".to_owned(), 7, Recipe { threads: 4, ..recipe }),
        ] {
            assert!(matches!(load(&path, &other), Err(StateError::Other { .. })), "{other:?}");
        }
        for text in ["", "{}", "{\"schema\":\"percuss-soak-state-0\"}", "[1]"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(load(&path, &totals), Err(StateError::Form(_))), "{text}");
        }
        assert!(matches!(load(&dir.path().join("none"), &totals), Err(StateError::Io(_))));
    }
}
