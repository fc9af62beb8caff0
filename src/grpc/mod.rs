//! Translates: parse, call, encode. The only room that knows a status code.

pub mod limits;
pub mod listener;
mod live;
pub mod tls;
