//! The browser half: one function, called by the page once the module is loaded.
//!
//! Invariant: built for `wasm32-unknown-unknown` only, from the islands in `tidewatch-app` with its feature `hydrate`; nothing
//! of the server half may be linked here. The islands themselves are exports that `app`'s macros make.

#[cfg(not(target_arch = "wasm32"))]
compile_error!(
    "tidewatch-frontend is the browser half: build it with `cargo xtask build`, which chooses the target wasm32-unknown-unknown"
);

// Keeps the crate, and with it the exports of its islands, in the module.
pub use tidewatch_app as app;

/// Prepares the reactive system of the page. After it, each island on the page is started by calling its export.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}
