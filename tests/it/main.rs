//! The whole program, from outside.

mod deployment;
mod router_process;
