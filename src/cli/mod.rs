//! One file per subcommand.

pub mod protocol;
