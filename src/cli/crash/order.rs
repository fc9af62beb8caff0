//! The order of system calls: last write to the journal, its sync, then the first byte of the answer (invariant 2).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ChildCommand, CrashError};

/// Runs `count` commits under strace and checks their order; answers how many acknowledgements were seen.
///
/// # Errors
///
/// [`CrashError::Skipped`] without strace, [`CrashError::Broken`] at the first answer that came too early.
pub fn run(folder: &Path, count: u64, child: &ChildCommand) -> Result<u64, CrashError> {
    let command = child(&folder.join("data"), 1, count)?;
    let trace = folder.join("trace");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-s",
        "32",
        "-e",
        "trace=pwrite64,fdatasync,fsync,write",
        "-o",
    ]);
    strace
        .arg(&trace)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            strace.env(name, value);
        }
    }
    let done = strace
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match done {
        Ok(status) if status.success() => {}
        _ => return Err(CrashError::Skipped("needs strace")),
    }
    let seen = check(&std::fs::read_to_string(&trace)?).map_err(CrashError::Broken)?;
    if seen != count {
        return Err(CrashError::Broken(format!(
            "{seen} of {count} answers were traced"
        )));
    }
    Ok(seen)
}

/// Checks a trace of `strace -f -y`; answers the number of acknowledgements in it.
///
/// # Errors
///
/// The line of the first acknowledgement while a segment of the journal had writes that were not synced.
pub fn check(trace: &str) -> Result<u64, String> {
    let mut unsynced = BTreeSet::new();
    let mut syncing: Vec<(&str, &str)> = Vec::new();
    let mut seen = 0;
    for line in trace.lines() {
        let (thread, call) = line.split_once(char::is_whitespace).unwrap_or(("", line));
        let call = call.trim_start();
        let path = call
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'));
        let path = path.map_or("", |(path, _)| path);
        let is_journal = path.contains("/journal/");
        if call.starts_with("pwrite64(") && is_journal {
            unsynced.insert(path);
        } else if call.starts_with("fdatasync(") || call.starts_with("fsync(") {
            if call.ends_with("= 0") {
                unsynced.remove(path);
            } else if call.contains("<unfinished") {
                syncing.push((thread, path));
            }
        } else if call.starts_with("<... f") && call.ends_with("= 0") {
            // Another thread's call came between; its end is what counts.
            if let Some(at) = syncing.iter().position(|(of, _)| *of == thread) {
                unsynced.remove(syncing.swap_remove(at).1);
            }
        } else if call.starts_with("write(1<") && call.contains("ack ") {
            // A segment being made ahead of need bears another name until it is whole.
            if unsynced.iter().any(|path| path.ends_with(".segment")) {
                return Err(format!("answered before the sync: {line}"));
            }
            seen += 1;
        }
    }
    Ok(seen)
}
