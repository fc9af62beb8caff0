//! What the process says when it ends.

use std::any::Any;
use std::panic::UnwindSafe;
use std::process::ExitCode;

/// Shown under `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  refused, not verified, or a step failed; standard error says which
   2  the command line is wrong
  70  the store failed and nothing more was acknowledged; start again, and it recovers from its journal
  78  the settings or the files they name are wrong; starting again would not help
 141  nobody reads the output any more, as in `safeconduct … | head`";

/// Exit code when the output's reader has gone: what a shell says of a program that SIGPIPE ended.
const OUTPUT_CLOSED: u8 = 141;

/// Runs a command whose output may be cut off, and says nothing then.
///
/// Printing panics when its reader has gone. The panic is let through, since it stops what the command had started: a
/// demo's routers.
pub fn unless_output_closes(command: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_closed_output(panic.payload()) {
            others(panic);
        }
    }));
    match std::panic::catch_unwind(command) {
        Ok(code) => code,
        Err(panic) if is_closed_output(panic.as_ref()) => ExitCode::from(OUTPUT_CLOSED),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn is_closed_output(panic: &(dyn Any + Send)) -> bool {
    let said = panic.downcast_ref::<String>();
    said.is_some_and(|said| {
        said.starts_with("failed printing to std") && said.contains("roken pipe")
    })
}

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
