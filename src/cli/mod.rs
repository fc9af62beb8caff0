//! The command line: one file per subcommand.

pub mod administrator;
pub mod agency;
pub mod audit;
pub mod backup;
pub mod bench;
pub mod ca;
pub mod carried;
pub mod check;
pub mod crash;
pub mod demo;
pub mod directory;
pub mod exit;
pub(crate) mod facts;
pub(crate) mod home;
pub mod key_file;
pub mod log;
pub mod made;
mod origin;
pub mod protocol;
pub mod race;
pub mod restore;
pub mod router;
pub mod text;
pub mod witness;

use clap::Parser;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// Secure multi-agency referrals: sealed, consented, recorded, and verifiable by outsiders.
#[derive(Debug, Parser)]
#[command(name = "safeconduct", version, about, after_help = exit::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// One line for each subcommand here and in `run`.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Demo(demo::DemoCommand),
    Administrator(administrator::AdministratorCommand),
    Agency(agency::AgencyCommand),
    Router(router::RouterCommand),
    Check(check::CheckCommand),
    Ca(ca::CaCommand),
    Protocol(protocol::ProtocolCommand),
    Audit(audit::AuditCommand),
    Bench(bench::BenchCommand),
    Directory(directory::DirectoryCommand),
    Carried(carried::CarriedCommand),
    Backup(backup::BackupCommand),
    Restore(restore::RestoreCommand),
    Witness(witness::WitnessCommand),
    #[command(hide = true)]
    Crash(crash::CrashCommand),
    #[command(hide = true)]
    Race(race::RaceCommand),
}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    exit::unless_output_closes(AssertUnwindSafe(|| run(command)))
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Demo(command) => command.run(),
        Command::Administrator(command) => command.run(),
        Command::Agency(command) => command.run(),
        Command::Router(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Ca(command) => command.run(),
        Command::Protocol(command) => command.run(),
        Command::Audit(command) => command.start(),
        Command::Bench(command) => in_runtime(command.run()),
        Command::Directory(command) => command.run(),
        Command::Carried(command) => command.run(),
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Witness(command) => command.run(),
        Command::Crash(command) => command.run(),
        Command::Race(command) => in_runtime(command.run()),
    }
}

/// The signed note in a file that keeps a checkpoint: itself, or that of an auditor's saved state.
fn agency_checkpoint(text: &str) -> String {
    let state: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let note = state.as_ref().and_then(|state| state.get("checkpoint"));
    let note = note.and_then(serde_json::Value::as_str);
    note.unwrap_or(text).to_owned()
}

/// Runs a command that waits for the network.
fn in_runtime(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("safeconduct: no runtime: {error}");
            ExitCode::FAILURE
        }
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
