//! `safeconduct agency resubmit`: after the router was restored from a backup.

use crate::cli::exit::Failure;
use crate::cli::home::{CHECKPOINT, CallerArgs, mended, told};
use crate::cli::text::wrapped;
use crate::client::trust::{LOG_KEY_FILE, TrustAnchors};
use crate::domain::vocabulary::StaffRole;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::decision::Decision;
use std::fs;
use std::path::{Path, PathBuf};

/// The last checkpoint of the old log, kept as evidence.
const BEFORE: &str = "checkpoint.before-succession";

fn unusable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Settings(mended(&format!("{}: {error}", file.display())))
}

/// What a note says, whoever signed it: this agency saved it itself.
fn says(file: &Path) -> Result<Option<Checkpoint>, Failure> {
    let note = match fs::read_to_string(file) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(file, &error)),
    };
    let text = note.split_once("\n\n").map(|(text, _)| format!("{text}\n"));
    let checkpoint = text.and_then(|text| Checkpoint::parse(&text).ok());
    match checkpoint {
        Some(checkpoint) => Ok(Some(checkpoint)),
        None => Err(Failure::Settings(mended(&format!(
            "{} is damaged; do not replace it before you know why",
            file.display()
        )))),
    }
}

/// Puts the checkpoint of the old log aside, once trust/ names another; gives it.
fn put_aside(home: &Path, pinned: &str) -> Result<Option<Checkpoint>, Failure> {
    let (saved, before) = (home.join(CHECKPOINT), home.join(BEFORE));
    if let Some(found) = says(&saved)?
        && found.origin != pinned
    {
        // What an earlier succession left is evidence as well.
        if before.exists() {
            let mut number = 1u32;
            let mut older = home.join(format!("{BEFORE}.{number}"));
            while older.exists() {
                number = number.saturating_add(1);
                older = home.join(format!("{BEFORE}.{number}"));
            }
            fs::rename(&before, &older).map_err(|error| unusable(&older, &error))?;
        }
        fs::rename(&saved, &before).map_err(|error| unusable(&before, &error))?;
    }
    says(&before)
}

pub(super) async fn run(caller: &CallerArgs) -> Result<(), Failure> {
    let home: PathBuf = caller.identity.clone();
    let trust = caller
        .trust
        .clone()
        .unwrap_or_else(|| home.join(crate::cli::home::TRUST));
    let anchors = TrustAnchors::read(&trust).map_err(Failure::settings)?;
    let name = anchors.log_key.split('+').next().unwrap_or_default();
    let before = put_aside(&home, name)?;
    let desk = caller.desk(StaffRole::Supervisor)?;
    let done = desk.resubmit().await.map_err(told)?;
    println!(
        "{} statements brought to the router, {} it had",
        done.taken, done.known
    );
    for (chain, refused) in &done.absent {
        println!("not taken: {chain}: {}", refused.reason);
    }
    if !done.stuck.is_empty() {
        for (chain, refused) in &done.stuck {
            println!("STUCK: {chain}: {}", refused.reason);
        }
        return Err(Failure::Refused(mended(
            "the router holds older statements of these chains and did not take the newer ones: nothing was \
             confirmed, and nothing of this agency is disclosed. If a certificate was renewed since the backup, run \
             `safeconduct agency join` first; else withdraw these chains by hand and run this again",
        )));
    }
    let Some(confirmed) = done.confirmed else {
        println!("nothing to confirm: the log was not succeeded, or this agency has confirmed it");
        return Ok(());
    };
    println!("confirmed; entry {} of the log", confirmed.index);
    let Some(Decision::SuccessionConfirmed { succession, .. }) = confirmed.decision else {
        return Ok(());
    };
    let Some(before) = before else {
        let text = format!(
            "This agency has no checkpoint of the old log ({LOG_KEY_FILE} changed before one was saved): it cannot \
             tell whether entries were lost."
        );
        println!("{}", wrapped("", &text));
        return Ok(());
    };
    compare(&desk, &before, succession).await
}

/// Compares what this agency saw of the old log with what was restored of it.
async fn compare(
    desk: &crate::client::agency::Desk,
    before: &Checkpoint,
    restored: u64,
) -> Result<(), Failure> {
    if before.size > restored {
        let text = format!(
            "This agency has seen {} entries of the old log, and {restored} of them were restored: {} are lost. Offers \
             made, accepted or opened in between are not known to the router any more: look through the cases of those \
             days, and tell the auditors. {BEFORE} is the evidence: keep it.",
            before.size,
            before.size - restored
        );
        println!("{}", wrapped("", &text));
        return Ok(());
    }
    let continues = desk.continues(before).await.map_err(told)?;
    if continues {
        println!("the restored log has every entry that this agency has seen");
        Ok(())
    } else {
        Err(Failure::Refused(mended(
            "the restored log is not a continuation of what this agency has seen: it was forked or rewritten; stop \
             sending, keep the saved checkpoint and call the auditors",
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hash::EMPTY_ROOT;
    use crate::ledger::note::NoteSigner;

    #[test]
    fn a_second_succession_leaves_the_evidence_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let saved = |origin: &str| {
            let signer = NoteSigner::ed25519(origin, &[7; 32]).unwrap();
            let note = signer.sign(&Checkpoint {
                origin: origin.into(),
                size: 0,
                root: EMPTY_ROOT,
            });
            fs::write(home.path().join(CHECKPOINT), note).unwrap();
        };
        let kept = || {
            let files = fs::read_dir(home.path()).unwrap();
            let files = files.map(|file| says(&file.unwrap().path()).unwrap().unwrap().origin);
            files.collect::<std::collections::BTreeSet<_>>()
        };
        for (old, new) in [
            ("1.example", "2.example"),
            ("2.example", "3.example"),
            ("3.example", "4.example"),
        ] {
            saved(old);
            let before = put_aside(home.path(), new).unwrap();
            assert_eq!(before.unwrap().origin, old);
            assert_eq!(put_aside(home.path(), new).unwrap().unwrap().origin, old);
        }
        assert_eq!(kept().len(), 3);
    }
}
