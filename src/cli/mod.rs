//! One file per subcommand.

pub mod audit;
pub mod protocol;
