//! The whole program, from outside.

mod router_process;
