//! The router's system calls: last write to the store, its sync, then the first byte of the reply (invariant 2).

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

/// Bytes that TLS 1.3 adds to one record.
const RECORD_BYTES: u64 = 5 + 1 + 16;

/// The largest of what says nothing of a request that is still in hand, in bytes: HTTP/2's own frames, and the trailers
/// of the reply before, which may cross a batch of the router's own such as a tick. A reply's headers are longer.
const CONTROL_BYTES_MAX: u64 = 40;

/// The smallest reply with a receipt, in bytes: names and signatures alone take more.
const REPLY_BYTES_MIN: u64 = 400;

/// How often a trace is taken again. A batch of the router's own (a tick, what is due) may be written just while the
/// reply to an earlier one leaves, and a trace does not tell the two apart. That is rare; a router that replies before
/// its sync does so in every trace.
const TRACES_MAX: u32 = 4;

/// Runs a router under `strace` and one client that does `rounds` times five durable things, one after the other.
/// Answers how many replies were seen, each after its sync.
///
/// # Errors
///
/// [`CrashError::Skipped`] without `strace`; [`CrashError::Broken`] when every trace had a reply that came too early.
pub async fn run(binary: &Path, folder: &Path, rounds: u32) -> Result<u64, CrashError> {
    trace::is_possible()?;
    let mut taken = 1;
    loop {
        let folder = folder.join(format!("trace-{taken}"));
        std::fs::create_dir_all(&folder)?;
        match run_once(binary, &folder, rounds).await {
            Err(CrashError::Broken(_)) if taken < TRACES_MAX => taken += 1,
            done => return done,
        }
    }
}

async fn run_once(binary: &Path, folder: &Path, rounds: u32) -> Result<u64, CrashError> {
    let lost = |no| CrashError::Broken(format!("a request under strace: {no}"));
    let mut town = town(binary, &folder.join("town")).await?;
    let cast = Cast::of(&town, Arc::new(Diary::default()))
        .await
        .map_err(broken)?;
    let file = folder.join("trace");
    let calls = "trace=pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg";
    town.router()
        .run_under(trace::wrapper(&file, &["-e", calls]));
    town.restart().map_err(broken)?;
    let mut done = 0;
    for _ in 0..rounds {
        let case = CaseHandle::from_random(SystemRandom.array());
        let first = cast.record_basis(case, Who::House1).await.map_err(lost)?;
        let second = cast.record_basis(case, Who::House2).await.map_err(lost)?;
        let bases = [first, second];
        let [offer, _] = cast.create(case, &bases).await.map_err(lost)?;
        cast.open(Who::House1, offer, Stage::Triage)
            .await
            .map_err(lost)?;
        cast.withdraw(&bases[0]).await.map_err(lost)?;
        done += 5;
    }
    town.router().stop().map_err(broken)?;
    let seen = check(&trace::read(&file)?).map_err(CrashError::Broken)?;
    if seen < done {
        let what = format!("{done} requests were answered, {seen} replies traced");
        return Err(CrashError::Broken(what));
    }
    Ok(seen)
}

/// Checks a trace of `strace -f -yy -s 1`; answers how many replies it shows that followed a batch.
///
/// # Errors
///
/// The line of the first reply while a file of the store had writes that were not synced.
pub fn check(trace: &str) -> Result<u64, String> {
    let mut unsynced: BTreeMap<&str, &str> = BTreeMap::new();
    let mut syncing: BTreeMap<&str, &str> = BTreeMap::new();
    let mut has_batch = false;
    let mut seen = 0;
    for line in trace.lines() {
        let (thread, call) = line.split_once(char::is_whitespace).unwrap_or(("", line));
        let call = call.trim_start();
        let (name, file) = call.split_once('<').unwrap_or((call, ""));
        let file = file.split_once('>').map_or("", |(file, _)| file);
        if name.starts_with("pwrite") && is_store(file) {
            unsynced.insert(file, line);
            has_batch |= file.contains("/journal/");
        } else if name.starts_with("fdatasync(") || name.starts_with("fsync(") {
            if call.ends_with(" = 0") {
                unsynced.remove(file);
            } else if call.contains("<unfinished") {
                syncing.insert(thread, file);
            }
        } else if call.starts_with("<... f") && call.contains("sync resumed>") {
            // Another thread's call came between; its end is what counts.
            if let Some(file) = syncing.remove(thread)
                && call.ends_with(" = 0")
            {
                unsynced.remove(file);
            }
        } else if call.contains("<TCP:[") || call.contains("<TCPv6:[") {
            let Some(bytes) = payload(call) else { continue };
            if bytes <= CONTROL_BYTES_MAX {
                continue;
            }
            if let Some(write) = unsynced.values().next() {
                return Err(format!("replied before the sync: {line} after {write}"));
            }
            if bytes >= REPLY_BYTES_MIN && has_batch {
                has_batch = false;
                seen += 1;
            }
        }
    }
    Ok(seen)
}

/// A file that must be durable before a reply; one that is being made ahead of need bears another name.
fn is_store(file: &str) -> bool {
    file.contains("/store/journal/") && file.ends_with(".segment")
        || file.contains("/store/keyring/") && !file.ends_with(".new")
}

/// What a call would send, without what TLS adds to one record.
fn payload(call: &str) -> Option<u64> {
    // `sendto(9<TCP:[...]>, ""..., 35, ...)`, `writev(9<...>, [{iov_base=""..., iov_len=35}, ...], 2)`.
    let arguments = call.split_once(">, ")?.1;
    let bytes: u64 = if arguments.contains("iov_len=") {
        let parts = arguments.split("iov_len=").skip(1);
        parts.filter_map(number).sum()
    } else {
        number(
            arguments
                .split_once("..., ")
                .map_or(arguments, |(_, rest)| rest),
        )?
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
mod tests {
    use super::check;

    const WRITE: &str =
        "7 pwrite64(5</t/store/journal/0000000001.segment>, \"\"..., 992, 64) = 992\n";
    const SYNC: &str = "7 fdatasync(5</t/store/journal/0000000001.segment>) = 0\n";
    const REPLY: &str = "9 writev(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, [{iov_base=\"\"..., iov_len=1500}], 1) = 1500\n";
    const HEAD: &str =
        "9 sendto(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, \"\"..., 80, MSG_NOSIGNAL, NULL, 0) = 80\n";
    const WINDOW: &str =
        "9 sendto(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, \"\"..., 35, MSG_NOSIGNAL, NULL, 0) = 35\n";

    #[test]
    fn a_reply_before_the_sync_is_noticed() {
        assert_eq!(check(&[WRITE, SYNC, HEAD, REPLY].concat()), Ok(1));
        assert!(check(&[WRITE, REPLY, SYNC].concat()).is_err());
        assert!(check(&[WRITE, HEAD, SYNC, REPLY].concat()).is_err());
        let failed =
            "7 fdatasync(5</t/store/journal/0000000001.segment>) = -1 EIO (Input/output error)\n";
        assert!(check(&[WRITE, failed, REPLY].concat()).is_err());
    }

    #[test]
    fn the_end_of_a_sync_counts_and_window_updates_do_not() {
        let begun = "7 fdatasync(5</t/store/journal/0000000001.segment> <unfinished ...>\n";
        let ended = "7 <... fdatasync resumed>) = 0\n";
        assert_eq!(check(&[WRITE, begun, WINDOW, ended, REPLY].concat()), Ok(1));
        assert!(check(&[WRITE, begun, REPLY, ended].concat()).is_err());
    }
}
