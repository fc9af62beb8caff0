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

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// Secure multi-agency referrals: sealed, consented, recorded, and verifiable by outsiders.
#[derive(Debug, Parser)]
#[command(
    name = "safeconduct",
    version,
    about,
    after_help = exit::EXIT_CODES,
    max_term_width = text::COLUMNS
)]
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

/// The usage of a command within [`text::COLUMNS`]: options keep what belongs to them.
fn fitted_usage(usage: &str) -> String {
    const MARK: &str = "Usage: ";
    let indent = MARK.len();
    let mut parts: Vec<String> = Vec::new();
    for word in usage.trim_start_matches(MARK).split_whitespace() {
        match parts.last_mut() {
            Some(last)
                if word.starts_with('<')
                    && last.starts_with(['-', '<'])
                    && !last.ends_with('>') =>
            {
                last.push(' ');
                last.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    let (mut fitted, mut column) = (String::new(), indent);
    for (at, part) in parts.iter().enumerate() {
        let width = part.chars().count();
        if at > 0 && column + 1 + width > text::COLUMNS {
            fitted.push('\n');
            fitted.push_str(&" ".repeat(indent));
            column = indent;
        } else if at > 0 {
            fitted.push(' ');
            column += 1;
        }
        fitted.push_str(part);
        column += width;
    }
    fitted
}

/// A command, and all below it, with no usage wider than a terminal: clap wraps everything but that.
fn fitted(mut command: clap::Command) -> clap::Command {
    let usage = command.render_usage().to_string();
    if usage
        .lines()
        .any(|line| line.chars().count() > text::COLUMNS)
    {
        command = command.override_usage(fitted_usage(&usage));
    }
    let below = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned());
    let below: Vec<String> = below.collect();
    below.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, fitted)
    })
}

/// The command line as it is parsed and helped with.
fn command_line() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    fitted(command)
}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    let given = command_line().get_matches();
    let command = match Cli::from_arg_matches(&given) {
        Ok(cli) => cli.command,
        Err(error) => error.format(&mut command_line()).exit(),
    };
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

    /// What is wider than a terminal in the help of a command and of all below it.
    fn wide(command: &mut clap::Command, found: &mut Vec<String>) {
        let helps = [command.render_help(), command.render_long_help()];
        for help in helps {
            let help = help.to_string();
            let lines = help
                .lines()
                .filter(|line| line.chars().count() > text::COLUMNS);
            let name = command.get_bin_name().unwrap_or_default();
            found.extend(lines.map(|line| format!("{name}: {line}")));
        }
        for below in command.get_subcommands_mut() {
            wide(below, found);
        }
    }

    #[test]
    fn no_help_is_wider_than_a_terminal() {
        let mut command = command_line();
        let mut found = Vec::new();
        wide(&mut command, &mut found);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_long_usage_keeps_options_and_their_values_together() {
        let mut command = command_line();
        let restore = command.find_subcommand_mut("restore").unwrap();
        let usage = restore.render_usage().to_string();
        let wanted = "Usage: safeconduct restore [OPTIONS] --from <DIR> --config <FILE>\n       \
                      <--checkpoint <FILE>|--unwitnessed>";
        assert_eq!(usage, wanted);
        // What is given is still parsed, and what is not still refused, at every depth.
        let parsed = |line: &[&str]| command_line().try_get_matches_from(line);
        assert!(parsed(&["safeconduct", "restore", "--from", "a", "--config", "b"]).is_err());
        let line = [
            "safeconduct",
            "ca",
            "issue",
            "agency",
            "a",
            "--out",
            "b",
            "--dir",
            "c",
        ];
        let given = parsed(&line).unwrap();
        assert!(matches!(
            Cli::from_arg_matches(&given).unwrap().command,
            Command::Ca(_)
        ));
    }

    #[test]
    fn the_command_line_is_consistent_and_documents_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        for code in ["70", "78"] {
            assert!(help.contains(code));
        }
    }
}
