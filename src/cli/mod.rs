//! One file per subcommand.

pub mod bench;
pub mod ca;
pub mod protocol;
