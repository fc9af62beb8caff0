//! `safeconduct bench`: the submit path and the opening against a bare echo, in one run.

pub mod echo;
pub mod load;
pub mod process;
