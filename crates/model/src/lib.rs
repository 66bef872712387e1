//! A reference model of the sync store, and what must hold whenever the real store and the model are driven by the same commands.
//!
//! For tests only: nothing that ships knows this crate. The model states the rules a second time and calls nothing of the engine,
//! so that one mistake cannot hide in both.

pub mod checks;
pub mod command;
pub mod device;
pub mod nodes;
pub mod reference;
pub mod rules;
pub mod text;
pub mod world;
