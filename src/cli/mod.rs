//! One file per subcommand.

pub mod audit;
pub mod ca;
pub mod protocol;
