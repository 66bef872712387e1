//! Makes the built site's folder known to cargo, so that `assets` embeds what is there and is compiled again when it changes.
//!
//! Without a site (nobody has run `cargo xtask build` yet) the manifest is empty and the server compiles without one.

use std::path::Path;

fn main() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/site");
    let manifest = site.join("manifest.json");
    if !manifest.exists() {
        std::fs::create_dir_all(&site).expect("the target folder can be written");
        std::fs::write(&manifest, "{}\n").expect("the target folder can be written");
    }
    println!("cargo::rerun-if-changed={}", manifest.display());
    println!("cargo::rerun-if-changed=build.rs");
}
