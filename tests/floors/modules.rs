// SPDX-License-Identifier: GPL-2.0-only
//! The modules of one crate, and which file a path leads to. It follows re-exports and globs, because an import through
//! them is a use of the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::{File, Named, read};
use crate::walk;

/// A module as the names of its path from the root of the crate; the root is empty.
type Module = Vec<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Module(Module),
    /// An item of this module.
    Item(Module),
}

/// One file uses an item of another: `from` names it in `line` by `path`, and `to` defines it. `test` is set in code
/// that is compiled for tests only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: PathBuf,
    pub to: PathBuf,
    pub line: usize,
    pub path: String,
    pub test: bool,
}

pub struct Crate {
    /// The file that holds a module; inline modules have the file around them.
    files: BTreeMap<Module, PathBuf>,
    read: BTreeMap<PathBuf, (Module, File)>,
}

impl Crate {
    /// Reads the files below `src` that `keep` takes as the modules of one crate, whose root is `root`: lib.rs or
    /// main.rs.
    pub fn load(src: &Path, root: &str, keep: impl Fn(&Path) -> bool) -> Crate {
        let mut this = Crate { files: BTreeMap::new(), read: BTreeMap::new() };
        for path in walk(src, "rs").into_iter().filter(|p| keep(p.strip_prefix(src).unwrap())) {
            let inner = path.strip_prefix(src).unwrap().with_extension("");
            let mut module: Module = inner.iter().map(|p| p.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|name| name == "mod") || module == [root.trim_end_matches(".rs")] {
                module.pop();
            }
            let file = read(&fs::read_to_string(&path).unwrap());
            this.files.insert(module.clone(), path.clone());
            for inline in &file.inline {
                this.files.insert([module.clone(), inline.clone()].concat(), path.clone());
            }
            this.read.insert(path, (module, file));
        }
        this
    }

    pub fn paths(&self) -> impl Iterator<Item = (&PathBuf, &Named)> {
        self.read.iter().flat_map(|(path, (_, file))| file.named.iter().map(move |named| (path, named)))
    }

    fn file(&self, module: &[String]) -> &PathBuf {
        &self.files[module]
    }

    /// The module's path within its file: empty, or the inline modules from outside to inside.
    fn scope(&self, module: &[String]) -> Vec<String> {
        module[self.read[self.file(module)].0.len()..].to_vec()
    }

    fn imports<'c>(&'c self, module: &[String]) -> impl Iterator<Item = &'c Named> {
        let scope = self.scope(module);
        let (_, file) = &self.read[self.file(module)];
        file.named.iter().filter(move |n| n.scope == scope && (n.name.is_some() || n.glob))
    }

    fn has_item(&self, module: &[String], name: &str) -> bool {
        self.read[self.file(module)].1.items.contains(&(self.scope(module), name.to_owned()))
    }

    /// What a path leads to as seen from a module, through re-exports; None when it leaves the crate. `depth` ends
    /// imports that lead to each other.
    fn locate(&self, from: &[String], segments: &[String], depth: usize) -> Option<Target> {
        if depth == 0 {
            return None;
        }
        let mut module = from.to_vec();
        for (i, segment) in segments.iter().enumerate() {
            let child = [module.clone(), vec![segment.clone()]].concat();
            match segment.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop();
                }
                _ if self.files.contains_key(&child) => module = child,
                _ if self.has_item(&module, segment) => return Some(Target::Item(module)),
                _ => {
                    let rest = &segments[i + 1..];
                    let found = self.through_import(&module, segment, rest, depth - 1);
                    // Past its first segment a path is in this crate: a macro made what is not seen.
                    return found.unwrap_or_else(|| (i > 0).then_some(Target::Item(module)));
                }
            }
        }
        Some(Target::Module(module))
    }

    /// As locate(), for a name that a module imports. None when it imports no such name, Some(None) when the name comes
    /// from outside of the crate.
    fn through_import(&self, module: &[String], name: &str, rest: &[String], depth: usize) -> Option<Option<Target>> {
        if let Some(import) = self.imports(module).find(|n| n.name.as_deref() == Some(name)) {
            let same = import.segments.len() == 1 && import.segments[0] == name;
            let whole = [import.segments.clone(), rest.to_vec()].concat();
            return Some(if same { None } else { self.locate(module, &whole, depth) });
        }
        for glob in self.imports(module).filter(|n| n.glob) {
            let Some(Target::Module(source)) = self.locate(module, &glob.segments, depth) else { continue };
            let whole = [vec![name.to_owned()], rest.to_vec()].concat();
            let known = self.has_item(&source, name)
                || self.through_import(&source, name, rest, depth.min(3).saturating_sub(1)).is_some();
            if source != module && known {
                return Some(self.locate(&source, &whole, depth));
            }
        }
        None
    }

    /// Every use of one file's items by another. A path that ends in a module is not one, since naming a module does
    /// not depend on anything that is in it.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (path, (module, file)) in &self.read {
            let hub = path.ends_with("mod.rs") || path.ends_with("lib.rs");
            for named in &file.named {
                // A mod.rs or lib.rs re-exports what is in its files without using it; each would be in a circle
                // otherwise.
                if named.public && hub {
                    continue;
                }
                let from = [module.clone(), named.scope.clone()].concat();
                let mut add = |target: Option<Target>, shown: String| {
                    let Some(Target::Item(target)) = target else { return };
                    let to = self.file(&target).clone();
                    if to != *path {
                        let (from, line, test) = (path.clone(), named.line, named.test);
                        edges.insert(Edge { from, to, line, path: shown, test });
                    }
                };
                // Eight imports in a row are more than any item here is re-exported through.
                let target = self.locate(&from, &named.segments, 8);
                match target {
                    Some(Target::Module(source)) if named.glob && source != from => {
                        // A glob uses those of its items whose names occur in the file.
                        for word in &file.words {
                            let target = self.locate(&source, &["self".to_owned(), word.clone()], 8);
                            let listed =
                                self.has_item(&source, word) || self.through_import(&source, word, &[], 3).is_some();
                            if listed {
                                add(target, format!("{}::* for {word}", named.segments.join("::")));
                            }
                        }
                    }
                    target => add(target, named.segments.join("::")),
                }
            }
        }
        edges
    }
}
