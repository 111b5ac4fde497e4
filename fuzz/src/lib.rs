//! What the targets share. Each target says what must hold for every input; how to run them is in the README.

pub mod deployment;
pub mod drain;
pub mod memory;
pub mod node;
pub mod recipe;
