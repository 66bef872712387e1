//! `tidewatch-bindgen IN.wasm OUT_DIR NAME`: writes `NAME.js` and `NAME_bg.wasm` into `OUT_DIR`.
//!
//! Apart from the toolbox because its dependencies take a minute to compile; `cargo xtask build` builds it when it is needed.
//! Its version of `wasm-bindgen-cli-support` is that of `wasm-bindgen` in `Cargo.lock`, or the module does not load.

use anyhow::{Context, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, output, name] = arguments.as_slice() else {
        bail!("usage: tidewatch-bindgen IN.wasm OUT_DIR NAME");
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name(name.to_str().context("the name of the module is no text")?)
        .web(true)
        .context("choosing the form of the module")?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(output).with_context(|| format!("writing the module into {}", output.display()))
}
