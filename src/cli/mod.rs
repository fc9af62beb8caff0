//! The command line: one file per subcommand.

pub mod exit;
pub mod log;

use clap::Parser;
use std::process::ExitCode;

/// Secure multi-agency referrals: sealed, consented, recorded, and verifiable by outsiders.
#[derive(Debug, Parser)]
#[command(name = "safeconduct", version, about, after_help = exit::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {}
}
