//! Where things lie in this checkout.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// This checkout.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that this program was compiled in.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_path_buf();
        ensure!(
            root.join("Cargo.toml").is_file(),
            "{} is no checkout of Tidewatch any more: was it moved after xtask was compiled? Run `cargo clean -p xtask`",
            root.display()
        );
        Ok(Self { root })
    }

    /// A checkout of a test.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The top of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the checkout.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The build folder: `CARGO_TARGET_DIR`, or `target`.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.join("target"), |dir| self.root.join(dir))
    }

    /// The server's binary in a profile (`debug` or `release`).
    pub(crate) fn binary(&self, release: bool) -> PathBuf {
        self.target().join(if release { "release" } else { "debug" }).join("tidewatch")
    }
}
