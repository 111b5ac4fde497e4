//! Sessions: one permit that pays many times. What is held and charged is written here; what is in flight and settled is derived from the
//! session's settlements, so that a reorg or a late outcome needs no bookkeeping and nothing can be charged twice.

mod row;

pub use row::{Keeper, Session, SessionState};
