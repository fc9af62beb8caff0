//! Checks the record from outside: verify, openings, replay. Pure: entries and openings are handed in.

pub mod source;
