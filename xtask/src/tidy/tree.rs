//! All files of the project as text: what git knows or would take, and nothing that is built.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::process::{self, command};
use crate::workspace::Workspace;

/// Paths from the top of the checkout, with their text. Files that are no text (fonts, pictures) are in it without any.
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the checkout.
    pub(crate) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut git = command("git");
        git.current_dir(workspace.root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
        let list = process::output(&mut git).context("listing the files of the project (tidy needs git)")?;
        let paths = list.split('\0').filter(|path| !path.is_empty());
        // A file that git still lists and that is gone from the disk is deleted and not committed yet: it is not there.
        let files = paths
            .filter(|path| workspace.join(path).is_file())
            .map(|path| {
                (path.to_owned(), std::fs::read(workspace.join(path)).ok().and_then(|bytes| String::from_utf8(bytes).ok()))
            })
            .collect();
        Ok(Self { files })
    }

    /// A tree of a test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect() }
    }

    /// Files with text whose path ends like this.
    pub(crate) fn texts<'t>(&'t self, ending: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.ends_with(ending))
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Whether a file or a folder is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.contains_key(path) || self.below(path).next().is_some()
    }

    /// Paths of the files below a folder.
    pub(crate) fn below<'t>(&'t self, folder: &str) -> impl Iterator<Item = &'t str> {
        let prefix = format!("{folder}/");
        let end = prefix.clone();
        self.files.range(prefix..).map(|(path, _)| path.as_str()).take_while(move |path| path.starts_with(&end))
    }

    /// Every path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

/// The lines of a text with their numbers, as a finding names them.
pub(crate) fn numbered<'t>(path: &'t str, text: &'t str) -> impl Iterator<Item = (String, &'t str)> {
    text.lines().enumerate().map(move |(index, line)| (format!("{path}:{}", index + 1), line))
}
