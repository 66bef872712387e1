//! `Leptos.toml`: names and ports, read the way Leptos itself reads them (plain keys after the header, `LEPTOS_*` first).

use anyhow::Context as _;

use crate::workspace::Workspace;

/// The value of a key such as `site-addr`.
pub(crate) fn value(workspace: &Workspace, key: &str) -> anyhow::Result<String> {
    let variable = format!("LEPTOS_{}", key.to_uppercase().replace('-', "_"));
    if let Ok(value) = std::env::var(variable) {
        return Ok(value);
    }
    let text = std::fs::read_to_string(workspace.join("Leptos.toml")).context("reading Leptos.toml")?;
    find(&text, key).with_context(|| format!("Leptos.toml has no `{key}`"))
}

fn find(text: &str, key: &str) -> Option<String> {
    let after_header = text.lines().skip_while(|line| line.trim() != "[[workspace.metadata.leptos]]").skip(1);
    after_header.take_while(|line| !line.starts_with('[')).find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_below_the_header_and_nowhere_else() {
        let text = "site-addr = \"no\"\n[[workspace.metadata.leptos]]\n# site-root = \"no\"\nsite-addr = \"127.0.0.1:4600\"\nreload-port = 4601\n[other]\nenv = \"no\"\n";
        assert_eq!(find(text, "site-addr").as_deref(), Some("127.0.0.1:4600"));
        assert_eq!(find(text, "reload-port").as_deref(), Some("4601"));
        assert_eq!(find(text, "site-root"), None);
        assert_eq!(find(text, "env"), None);
    }
}
