//! `safeconduct protocol`: check, print, compare and explain an information-sharing protocol.

use crate::domain::id::AgencyId;
use crate::domain::label::Label;
use crate::domain::protocol::{Cell, FILE_BYTES_MAX, Protocol, ProtocolError, SHIPPED, Verdict};
use crate::domain::vocabulary::{AgencyKind, BasisKind, Purpose, Stage};
use clap::{Args, Subcommand};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod words;

/// Check, print, compare and explain an information-sharing protocol.
///
/// Without a FILE the shipped default is meant.
///
/// Exit codes: 0 good (diff: no difference; explain: may be told); 1 diff: they differ, explain:
/// never told; 2 the file cannot be read or is not a protocol.
#[derive(Debug, Args)]
pub struct ProtocolCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a file is a protocol, and if not, where and how to mend it
    Check {
        /// The protocol
        file: Option<PathBuf>,
    },
    /// Print every answer of a protocol
    Matrix {
        /// The protocol
        file: Option<PathBuf>,
    },
    /// Print what NEW allows more, and less, than OLD; also a change of how long
    /// auditors can open decisions, and of the duty line
    Diff {
        /// The protocol in force
        old: PathBuf,
        /// The protocol proposed
        new: PathBuf,
    },
    /// Say in plain words why something may or may not be told
    Explain {
        /// The protocol
        file: Option<PathBuf>,
        /// Ground, for example CONSENT
        #[arg(long, default_value = "CONSENT", value_parser = words::basis)]
        basis: BasisKind,
        /// Kind of the recipient, for example SHELTER
        #[arg(long, value_parser = words::recipient)]
        recipient: AgencyKind,
        /// Purpose, for example SAFE_ACCOMMODATION
        #[arg(long, value_parser = words::purpose)]
        purpose: Purpose,
        /// TRIAGE, ACCEPTED or IN_CARE
        #[arg(long, value_parser = words::stage)]
        stage: Stage,
        /// Category and form, for example IDENTITY/ALIAS; a category of one form stands for itself
        #[arg(long, value_parser = words::label)]
        label: Label,
        /// Id of the source, to consider the pair's own row too
        #[arg(long, requires = "to")]
        from: Option<AgencyId>,
        /// Id of the recipient
        #[arg(long, requires = "from")]
        to: Option<AgencyId>,
    },
}

/// Why a subcommand has no answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{file} cannot be read: {cause}\nname a file that exists and that you may read")]
    Unreadable { file: String, cause: std::io::Error },
    #[error("{file} is not text\nname a protocol; deploy/protocol.toml is one")]
    NotText { file: String },
    #[error("{file} is not a protocol\n{shown}")]
    NotAProtocol { file: String, shown: String },
    #[error("the answer cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

impl ProtocolCommand {
    /// Runs the subcommand; prints its answer to standard output and trouble to standard error.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let mut out = std::io::stdout().lock();
        match self.command.answer(&mut out) {
            Ok(code) => code,
            Err(trouble) => {
                eprintln!("{trouble}");
                ExitCode::from(TROUBLE)
            }
        }
    }
}

impl Command {
    fn answer(self, out: &mut impl Write) -> Result<ExitCode, Trouble> {
        match self {
            Self::Check { file } => {
                let protocol = load(file.as_deref())?;
                let (allows, nevers, pairs) = protocol.row_counts();
                writeln!(
                    out,
                    "good: version {}, {allows} allow, {nevers} never, {pairs} pairs",
                    protocol.version()
                )?;
                writeln!(out, "{}", opened_for(&protocol))?;
            }
            Self::Matrix { file } => write!(out, "{}", load(file.as_deref())?.matrix())?,
            Self::Diff { old, new } => {
                let (old, new) = (load(Some(&old))?, load(Some(&new))?);
                let changes = old.diff(&new);
                if !changes.is_empty() {
                    write!(out, "{changes}")?;
                    return Ok(ExitCode::from(DIFFERENT));
                }
                writeln!(out, "no difference")?;
            }
            Self::Explain {
                file,
                basis,
                recipient,
                purpose,
                stage,
                label,
                from,
                to,
            } => {
                let protocol = load(file.as_deref())?;
                let cell = Cell {
                    basis,
                    recipient,
                    purpose,
                    stage,
                    label,
                };
                for sentence in protocol.explain(&cell) {
                    writeln!(out, "{}", fold(&sentence, "", "  "))?;
                }
                let pair = from.zip(to);
                let denied = pair.filter(|(from, to)| {
                    let denied = protocol.denied_pair(from, to);
                    denied.contains(label)
                });
                if let Some((from, to)) = &denied {
                    let sentence = format!("But a pair row forbids it from {from} to {to}.");
                    writeln!(out, "{}", fold(&sentence, "", "  "))?;
                }
                if denied.is_some() || protocol.cell(&cell) == Verdict::Never {
                    return Ok(ExitCode::from(DIFFERENT));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The retention of a protocol.
pub(super) fn opened_for(protocol: &Protocol) -> String {
    let days = protocol.retention_days();
    format!("decisions can be opened for {days} days")
}

fn load(file: Option<&Path>) -> Result<Protocol, Trouble> {
    let (name, text) = match file {
        None => ("the shipped protocol".to_owned(), SHIPPED.to_owned()),
        Some(path) => (path.display().to_string(), read(path)?),
    };
    Protocol::parse(&text).map_err(|error| Trouble::NotAProtocol {
        file: name,
        shown: show(&error, &text),
    })
}

fn read(path: &Path) -> Result<String, Trouble> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| {
        // One byte more than the parser takes, so that it and not we say what is too long.
        let limit = u64::try_from(FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
        file.take(limit).read_to_string(&mut text)
    });
    match read {
        Ok(_) => Ok(text),
        Err(cause) if cause.kind() == ErrorKind::InvalidData => Err(Trouble::NotText {
            file: path.display().to_string(),
        }),
        Err(cause) => Err(Trouble::Unreadable {
            file: path.display().to_string(),
            cause,
        }),
    }
}

/// The line itself, what is wrong with it and how to mend it. The file is the operator's own, so it
/// may be shown.
fn show(error: &ProtocolError, text: &str) -> String {
    let written = text.lines().nth(error.line.saturating_sub(1));
    let written: String = written.unwrap_or_default().chars().take(68).collect();
    let problem = fold(&error.problem, "wrong: ", "       ");
    let mend = fold(&error.mend, "mend:  ", "       ");
    format!(
        "line {}: {}\n{problem}\n{mend}",
        error.line,
        written.trim_end()
    )
}

/// `text` in 80 columns, its first line after `first` and the others after `rest`.
fn fold(text: &str, first: &str, rest: &str) -> String {
    let mut folded = first.to_owned();
    let mut width = first.len();
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 && width + 1 + word.len() > 80 {
            folded.push('\n');
            folded.push_str(rest);
            width = rest.len();
        } else if at > 0 {
            folded.push(' ');
            width += 1;
        }
        folded.push_str(word);
        width += word.len();
    }
    folded
}

#[cfg(test)]
mod tests;
