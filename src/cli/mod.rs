//! One file per subcommand.

pub mod ca;
