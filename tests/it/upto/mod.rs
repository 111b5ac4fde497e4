//! `upto` by Permit2: the payer signs a ceiling, the charge is decided after the work.
mod pays;
