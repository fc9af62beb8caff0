//! The whole program, from outside.

mod durability;
mod router_process;
