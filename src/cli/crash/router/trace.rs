//! `strace` around a router: to see its system calls, or to make one of them fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::crash::CrashError;

/// How long the last lines of a trace may take.
const TRACE_END_MAX: Duration = Duration::from_secs(10);

/// Whether this machine has `strace` and lets it trace.
///
/// # Errors
///
/// [`CrashError::Skipped`] when not.
pub fn is_possible() -> Result<(), CrashError> {
    let tried = Command::new("strace")
        .args(["-D", "-f", "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match tried {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(CrashError::Skipped("strace may not trace here")),
        Err(_) => Err(CrashError::Skipped("needs strace")),
    }
}

/// The words that start a program under `strace`, with its own process id and exit code; one byte of each string is
/// shown unless the arguments say otherwise.
#[must_use]
pub fn wrapper(trace: &Path, arguments: &[&str]) -> Vec<String> {
    let mut words = vec!["strace".to_owned(), "-D".to_owned(), "-f".to_owned()];
    words.extend(["-yy".to_owned(), "-s".to_owned(), "1".to_owned()]);
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    words.push("-o".to_owned());
    words.push(trace.display().to_string());
    words
}

/// The whole trace, once the traced program has ended.
///
/// # Errors
///
/// [`CrashError::Broken`] when it does not end.
pub fn read(trace: &PathBuf) -> Result<String, CrashError> {
    let until = Instant::now() + TRACE_END_MAX;
    loop {
        let text = std::fs::read_to_string(trace).unwrap_or_default();
        let last = text.lines().next_back().unwrap_or_default();
        if last.contains("+++ killed by") || last.contains("+++ exited with") {
            return Ok(text);
        }
        if Instant::now() > until {
            return Err(CrashError::Broken("the trace has no end".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
