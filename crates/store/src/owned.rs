//! Files that only their owner may read: keys, and what was removed from the store.

use std::fs::OpenOptions;

/// Makes what is created readable by its owner alone, where the system knows of that.
#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

/// Makes what is created readable by its owner alone, where the system knows of that.
#[cfg(not(unix))]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
