//! The whole program, from outside.

mod hostile;
mod router_process;
