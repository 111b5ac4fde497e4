//! Live connections to chains, one folder per family. Chain crates' own types stay in here and in `scheme`.

pub mod evm;
