//! What the system says of another process, memory and processor time; and how long a journal has become.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Figures of `/proc/PID`, zero where the system does not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// Processor time, user and system, in milliseconds.
    pub processor_ms: u64,
}

impl Usage {
    /// Of process `pid`, now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        let (status, stat) = (read("status"), read("stat"));
        // Fields 14 and 15 of `stat`, counted after the command name, which may hold anything.
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Self {
            resident_kib: field(&status, "VmRSS:"),
            // Linux reports 100 ticks a second to programs on every architecture we build for.
            processor_ms: ticks * 10,
        }
    }
}

/// Bytes of the journal in `folder`: segments are pre-written with zeros, so each counts up to its last other byte.
///
/// (What the system accounts to the process is no measure: it counts a whole folio of the page cache for each write.)
///
/// # Errors
///
/// What the system says.
pub fn journal_bytes(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let file = File::open(entry?.path())?;
        total += used_bytes(&file)?;
    }
    Ok(total)
}

fn used_bytes(file: &File) -> io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.read_exact_at(&mut block, begin)?;
        if let Some(last) = block.iter().rposition(|&byte| byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}
