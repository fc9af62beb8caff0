//! What the system says of another process: memory, processor time, bytes written.

use std::fs;

/// Figures of `/proc/PID`, zero where the system does not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// Processor time, user and system, in milliseconds.
    pub processor_ms: u64,
    /// Bytes sent to the storage layer.
    pub written_bytes: u64,
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
        let (status, io, stat) = (read("status"), read("io"), read("stat"));
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
            written_bytes: field(&io, "write_bytes:"),
        }
    }
}
