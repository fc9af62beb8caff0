//! One file per subcommand.

pub mod crash;
