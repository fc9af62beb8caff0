//! The command line: one file per subcommand.

pub mod audit;
pub mod ca;
pub mod check;
pub mod exit;
pub mod key_file;
pub mod log;
pub mod protocol;
pub mod router;

use clap::Parser;
use std::process::ExitCode;

/// Secure multi-agency referrals: sealed, consented, recorded, and verifiable by outsiders.
#[derive(Debug, Parser)]
#[command(name = "safeconduct", version, about, after_help = exit::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// One line for each subcommand here and in `main`.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Router(router::RouterCommand),
    Audit(audit::AuditCommand),
    Check(check::CheckCommand),
    Protocol(protocol::ProtocolCommand),
    Ca(ca::CaCommand),
}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Router(command) => command.run(),
        Command::Audit(command) => command.start(),
        Command::Check(command) => command.run(),
        Command::Protocol(command) => command.run(),
        Command::Ca(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_documents_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        for code in ["70", "78"] {
            assert!(help.contains(code));
        }
    }
}
