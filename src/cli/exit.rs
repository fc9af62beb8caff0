//! What the process says when it ends.

use std::process::ExitCode;

/// Shown under `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  refused, not verified, or a step failed; standard error says which
   2  the command line is wrong
  70  the store failed and nothing more was acknowledged; start again, and it recovers from its journal
  78  the settings or the files they name are wrong; starting again would not help";

/// How a command that did not succeed ends.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Refused, not verified, or a step failed: 1.
    #[error("{0}")]
    Refused(String),
    /// The store failed: 70.
    #[error("{0}")]
    Store(String),
    /// Settings or files: 78.
    #[error("{0}")]
    Settings(String),
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Store(_) => 70,
            Self::Settings(_) => 78,
        }
    }

    /// Any error that means: refused, not verified, or a step failed.
    pub fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }

    /// Any error that means: settings or files.
    pub fn settings(error: impl std::fmt::Display) -> Self {
        Self::Settings(error.to_string())
    }
}

/// Says why on standard error, and ends with the code.
#[must_use]
pub fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("safeconduct: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
