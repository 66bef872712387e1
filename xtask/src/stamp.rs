//! Knowing that nothing changed: a fingerprint of files by path, size and time, kept under `target/stamps`.
//!
//! A stamp only ever saves work. When in doubt (a file cannot be read, the stamp is missing) the work is done.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::workspace::Workspace;

/// The fingerprint of a step's inputs.
pub(crate) struct Inputs {
    hasher: DefaultHasher,
}

impl Inputs {
    /// No input yet.
    pub(crate) fn new() -> Self {
        Self { hasher: DefaultHasher::new() }
    }

    /// Depends on this text (a compiler's version, a profile).
    pub(crate) fn text(mut self, text: &str) -> Self {
        text.hash(&mut self.hasher);
        self
    }

    /// Depends on this file, or on all files below this folder. A path that is not there is an input too: its absence.
    pub(crate) fn path(self, path: &Path) -> Self {
        self.path_without(path, &[])
    }

    /// The same, leaving out what lies under one of these paths.
    pub(crate) fn path_without(mut self, path: &Path, without: &[PathBuf]) -> Self {
        path.hash(&mut self.hasher);
        for file in files(path) {
            if without.iter().any(|left_out| file.starts_with(left_out)) {
                continue;
            }
            file.hash(&mut self.hasher);
            if let Ok(meta) = file.metadata() {
                meta.len().hash(&mut self.hasher);
                let age = meta.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
                age.hash(&mut self.hasher);
            }
        }
        self
    }

    /// Runs the step unless it last succeeded with these very inputs and what it makes is still there. Gives whether it ran.
    pub(crate) fn unless_done(
        self,
        workspace: &Workspace,
        name: &str,
        still_there: bool,
        run: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let file = workspace.join("target/stamps").join(name);
        let now = format!("{:016x}", self.hasher.finish());
        if still_there && std::fs::read_to_string(&file).is_ok_and(|then| then == now) {
            return Ok(false);
        }
        let _ = std::fs::remove_file(&file);
        run()?;
        std::fs::create_dir_all(file.parent().expect("joined above"))?;
        std::fs::write(&file, now)?;
        Ok(true)
    }
}

/// All files at or below a path, sorted; nothing in `node_modules`, `target` or a hidden folder.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![path.to_path_buf()];
    while let Some(path) = open.pop() {
        if path.is_file() {
            found.push(path);
        } else if let Ok(entries) = path.read_dir() {
            open.extend(entries.flatten().map(|entry| entry.path()).filter(|path| !is_by_product(path)));
        }
    }
    found.sort();
    found
}

fn is_by_product(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_dir() && (name == "node_modules" || name == "target" || name.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(workspace: &Workspace) -> Inputs {
        Inputs::new().path_without(&workspace.join("app"), &[workspace.join("app/pages")])
    }

    fn ran(workspace: &Workspace) -> bool {
        inputs(workspace).unless_done(workspace, "app", true, || Ok(())).expect("the folder can be written")
    }

    #[test]
    fn a_step_runs_again_only_for_inputs_of_its_own() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace::at(folder.path());
        for dir in ["app/pages", "app/node_modules"] {
            std::fs::create_dir_all(workspace.join(dir)).expect("the folder can be written");
        }
        let write = |path: &str, text: &str| std::fs::write(workspace.join(path), text).expect("the folder can be written");
        write("app/lib.rs", "one");
        assert!(ran(&workspace), "the first time");
        assert!(!ran(&workspace), "nothing changed");
        write("app/pages/overview.rs", "left out");
        write("app/node_modules/other.js", "a by-product");
        assert!(!ran(&workspace), "what is left out does not count");
        write("app/lib.rs", "other length");
        assert!(ran(&workspace), "the file changed");
        write("app/new.rs", "");
        assert!(ran(&workspace), "a file came");
        std::fs::remove_file(workspace.join("app/new.rs")).expect("written above");
        assert!(ran(&workspace), "a file went");
        let product_gone = inputs(&workspace).unless_done(&workspace, "app", false, || Ok(()));
        assert!(product_gone.expect("the folder can be written"), "what it made is gone");
    }

    #[test]
    fn a_step_that_failed_runs_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace::at(folder.path());
        let outcome = inputs(&workspace).unless_done(&workspace, "app", true, || anyhow::bail!("broken"));
        assert!(outcome.is_err());
        assert!(ran(&workspace), "a failure leaves no stamp");
        let outcome = Inputs::new().text("other").unless_done(&workspace, "app", true, || anyhow::bail!("broken"));
        assert!(outcome.is_err());
        assert!(ran(&workspace), "and takes an older stamp away");
    }
}
