//! `upto` by Permit2: the payer signs a ceiling, the charge is decided after the work.

mod crash;
mod outcomes;
mod pays;
mod repeats;
mod stock;
mod thieves;
