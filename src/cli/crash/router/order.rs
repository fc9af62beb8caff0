//! The router's system calls: the write of a request's own batch, its sync, then the first byte of its reply
//! (invariant 2).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::diary::{Diary, Who};
use super::load::Cast;
use super::{broken, town, trace};
use crate::cli::crash::CrashError;
use crate::client::random::SystemRandom;
use crate::domain::id::CaseHandle;
use crate::domain::random::Random as _;
use crate::domain::vocabulary::Stage;
use crate::storage::embedded::FRAME_HEADER_BYTES as HEADER_BYTES;

/// Bytes that TLS 1.3 adds to one record.
const RECORD_BYTES: u64 = 5 + 1 + 16;

/// The largest of what the router sends that is no reply, in bytes: HTTP/2's own frames. A reply's headers are longer.
const CONTROL_BYTES_MAX: u64 = 40;

/// The smallest request, in bytes: the name of an offer alone takes more. HTTP/2's own frames together take less.
const REQUEST_BYTES_MIN: u64 = 60;

/// Bytes of each write that the trace shows: a frame's header, and the first two numbers of its payload.
const SHOWN_BYTES: usize = HEADER_BYTES + 16;

/// Runs a router under `strace` and one client that does `rounds` times five durable things, one after the other.
/// Answers how many replies were seen, each after the sync of its own batch.
///
/// The trace shows which entries each frame of the journal carries, and each reply's receipt says which entry is its
/// own: so a batch of the router's own, which may be under way at any moment, is never taken for a request's.
///
/// # Errors
///
/// [`CrashError::Skipped`] without `strace`; [`CrashError::Broken`] when a reply came too early.
pub async fn run(binary: &Path, folder: &Path, rounds: u32) -> Result<u64, CrashError> {
    trace::is_possible()?;
    let lost = |no| CrashError::Broken(format!("a request under strace: {no}"));
    let mut town = town(binary, &folder.join("town")).await?;
    let cast = Cast::of(&town, Arc::new(Diary::default()))
        .await
        .map_err(broken)?;
    let file = folder.join("trace");
    let calls = "trace=pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg,read,readv,recvfrom,recvmsg";
    let shown = SHOWN_BYTES.to_string();
    town.router()
        .run_under(trace::wrapper(&file, &["-e", calls, "-x", "-s", &shown]));
    town.restart().map_err(broken)?;
    // Every connection is there before the first reply that counts.
    let warm = CaseHandle::from_random(SystemRandom.array());
    cast.record_basis(warm, Who::House1).await.map_err(lost)?;
    cast.make_pools().await.map_err(lost)?;
    let warm = last_index(&cast);
    let mut replies = Vec::new();
    for _ in 0..rounds {
        let case = CaseHandle::from_random(SystemRandom.array());
        let first = cast.record_basis(case, Who::House1).await.map_err(lost)?;
        replies.push(last_index(&cast));
        let second = cast.record_basis(case, Who::House2).await.map_err(lost)?;
        replies.push(last_index(&cast));
        let bases = [first, second];
        let [offer, _] = cast.create(case, &bases).await.map_err(lost)?;
        replies.push(last_index(&cast));
        cast.open(Who::House1, offer, Stage::Triage)
            .await
            .map_err(lost)?;
        replies.push(last_index(&cast));
        cast.withdraw(&bases[0]).await.map_err(lost)?;
        replies.push(last_index(&cast));
    }
    town.router().stop().map_err(broken)?;
    let trace = trace::read(&file)?;
    let seen = check(&trace, warm, &replies).map_err(CrashError::Broken)?;
    // The check must be able to fail: the same trace, had nothing been synced.
    if check(&unsynced(&trace), warm, &replies).is_ok() {
        let what = "a trace without any sync is taken for a good one".to_owned();
        return Err(CrashError::Broken(what));
    }
    Ok(seen)
}

/// Index of the newest entry that a reply has shown so far.
fn last_index(cast: &Cast) -> u64 {
    let pages = cast.diary().pages();
    let replies = pages.acknowledged.iter().map(|page| &page.reply.receipts);
    let receipts = replies.flatten().map(|receipt| receipt.index);
    let opened = pages.opened.iter().map(|opened| opened.index);
    receipts.chain(opened).max().unwrap_or(0)
}

/// The trace of a router that never syncs.
fn unsynced(trace: &str) -> String {
    let is_sync = |line: &&str| line.contains("sync(") || line.contains("sync resumed>");
    let lines = trace.lines().filter(|line| !is_sync(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A batch as the trace shows it.
#[derive(Debug)]
struct Frame<'a> {
    /// Index of its first entry, and of the first after it.
    entries: std::ops::Range<u64>,
    /// The write, and what its keyring had erased after it, by file, as long as that is not synced.
    unsynced: BTreeMap<&'a str, &'a str>,
}

/// What a call of the trace is about.
enum Call<'a> {
    /// A file of the store is written.
    Write(&'a str),
    /// A file of the store is synced, for good.
    Synced(&'a str),
    /// So many bytes came in on a connection.
    In(&'a str, u64),
    /// So many are about to leave on one.
    Out(&'a str, u64),
}

/// Reads a trace call by call; those that were interrupted by another thread's are put together again.
#[derive(Default)]
struct Reader<'a> {
    /// What each thread has begun and not ended: the call's name and its file.
    begun: BTreeMap<&'a str, (&'a str, &'a str)>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, line: &'a str) -> Option<Call<'a>> {
        let (thread, call) = line.split_once(char::is_whitespace)?;
        let call = call.trim_start();
        if let Some(rest) = call.strip_prefix("<... ") {
            let (name, file) = self.begun.remove(thread)?;
            return ended(name, file, rest);
        }
        let (name, rest) = call.split_once('(')?;
        let file = rest.split_once('<')?.1;
        let file = match file.strip_prefix("TCP") {
            Some(_) => file.split_once("]>").map(|(file, _)| file)?,
            None => file.split_once('>').map(|(file, _)| file)?,
        };
        if call.contains("<unfinished") {
            self.begun.insert(thread, (name, file));
        }
        match name {
            "pwrite64" | "pwritev" if is_store(file) => Some(Call::Write(file)),
            "write" | "writev" | "sendto" | "sendmsg" if is_connection(file) => {
                Some(Call::Out(file, sent(call)?))
            }
            _ if call.contains("<unfinished") => None,
            _ => ended(name, file, call),
        }
    }
}

/// What counts when a call ends: a sync that succeeded, and bytes that came in.
fn ended<'a>(name: &str, file: &'a str, call: &str) -> Option<Call<'a>> {
    let result = call.rsplit_once(" = ")?.1;
    match name {
        "fdatasync" | "fsync" if is_store(file) && result.starts_with('0') => {
            Some(Call::Synced(file))
        }
        "read" | "readv" | "recvfrom" | "recvmsg" if is_connection(file) => {
            Some(Call::In(file, number(result)?.saturating_sub(RECORD_BYTES)))
        }
        _ => None,
    }
}

/// Checks a trace of `strace -f -yy -x -s 144`: that each reply of `replies`, named by the index of its entry and one
/// after the other, began to leave after the batch of that entry was written and synced. What was before the reply to
/// the entry at `warm` is passed over. Answers how many replies that were.
///
/// # Errors
///
/// The line of the first reply that came too early, or that there were fewer than said.
pub fn check(trace: &str, warm: u64, replies: &[u64]) -> Result<u64, String> {
    let mut reader = Reader::default();
    let mut frames: Vec<Frame<'_>> = Vec::new();
    // The connection on which a request came in that was not answered yet.
    let mut asking: Option<&str> = None;
    let mut expected = replies.iter();
    let mut seen = 0;
    for line in trace.lines() {
        match reader.read(line) {
            Some(Call::Write(file)) if file.contains("/journal/") => {
                if let Some(entries) = entries_of(line)? {
                    let unsynced = BTreeMap::from([(file, line)]);
                    frames.push(Frame { entries, unsynced });
                }
            }
            Some(Call::Write(file)) => {
                // Keys are erased behind the frame that says so, before the next one.
                if let Some(frame) = frames.last_mut() {
                    frame.unsynced.insert(file, line);
                }
            }
            Some(Call::Synced(file)) => {
                for frame in &mut frames {
                    frame.unsynced.remove(file);
                }
            }
            Some(Call::In(connection, bytes)) if bytes >= REQUEST_BYTES_MIN => {
                let is_warm = |frame: &Frame<'_>| frame.entries.contains(&warm);
                if frames.iter().any(is_warm) {
                    asking = Some(connection);
                }
            }
            Some(Call::Out(connection, bytes))
                if bytes > CONTROL_BYTES_MAX && asking == Some(connection) =>
            {
                asking = None;
                let Some(index) = expected.next() else { break };
                let mut own = frames.iter().filter(|it| it.entries.contains(index));
                let frame = own.next().ok_or_else(|| {
                    format!("replied before its batch was written: {line} for entry {index}")
                })?;
                if let Some(write) = frame.unsynced.values().next() {
                    return Err(format!("replied before the sync: {line} after {write}"));
                }
                seen += 1;
            }
            _ => {}
        }
    }
    match expected.next() {
        None => Ok(seen),
        Some(_) => Err(format!(
            "{} requests were answered, {seen} replies traced",
            replies.len()
        )),
    }
}

/// The entries that a frame of the journal carries; none for one that carries no batch.
fn entries_of(line: &str) -> Result<Option<std::ops::Range<u64>>, String> {
    let strange = || format!("a write of the journal cannot be read: {line}");
    let shown = line.split_once(", \"").ok_or_else(strange)?.1;
    let shown = shown.split_once('"').ok_or_else(strange)?.0;
    let bytes: Option<Vec<u8>> = (shown.split("\\x").skip(1))
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    let bytes = bytes.ok_or_else(strange)?;
    let Some(head) = bytes.get(..HEADER_BYTES) else {
        // The head of a new segment, or what fills it up.
        return Ok(None);
    };
    if !head.starts_with(b"SCFRAME1") || head.get(8) != Some(&1) {
        return Ok(None);
    }
    let number = |at: usize| {
        let bytes = bytes.get(HEADER_BYTES + at..HEADER_BYTES + at + 8)?;
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    };
    match (number(0), number(8)) {
        (Some(first), Some(next)) => Ok(Some(first..next)),
        _ => Err(strange()),
    }
}

/// A file that must be durable before a reply; one that is being made ahead of need bears another name.
fn is_store(file: &str) -> bool {
    file.contains("/store/journal/") && file.ends_with(".segment")
        || file.contains("/store/keyring/") && !file.ends_with(".new")
}

fn is_connection(file: &str) -> bool {
    file.starts_with("TCP:[") || file.starts_with("TCPv6:[")
}

/// What a call would send, without what TLS adds to one record.
fn sent(call: &str) -> Option<u64> {
    // `sendto(9<TCP:[...]>, "\x17"..., 35, ...)`, `writev(9<...>, [{iov_base="\x17"..., iov_len=35}, ...], 2)`.
    let arguments = call.split_once("]>, ")?.1;
    let bytes: u64 = if arguments.contains("iov_len=") {
        let parts = arguments.split("iov_len=").skip(1);
        parts.filter_map(number).sum()
    } else {
        let quoted = arguments.strip_prefix('"')?.split_once('"')?.1;
        number(quoted.trim_start_matches(['.', ',', ' ']))?
    };
    Some(bytes.saturating_sub(RECORD_BYTES))
}

fn number(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests;
