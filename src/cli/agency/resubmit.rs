//! `safeconduct agency resubmit`: after the router was restored from a backup.

use super::receipts;
use crate::cli::exit::Failure;
use crate::cli::home::{CHECKPOINT, CallerArgs, Checkpoints, TRUST, mended, open, told};
use crate::cli::text::wrapped;
use crate::client::agency::Desk;
use crate::client::error::{ClientError, Reason, Refused};
use crate::client::log::{LogViolation, Proven};
use crate::client::source::Resubmitted;
use crate::client::trust::{LOG_KEY_FILE, TrustAnchors};
use crate::domain::id::BasisChainId;
use crate::domain::vocabulary::StaffRole;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::decision::Decision;
use crate::ledger::note::NoteVerifier;
use std::fs;
use std::path::{Path, PathBuf};

/// The last checkpoint of the old log, kept as evidence.
const BEFORE: &str = "checkpoint.before-succession";

/// A confirmation that is in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirmation {
    /// Its index.
    pub(super) index: u64,
    /// Index of the succession: as many entries were restored.
    pub(super) restored: u64,
}

impl Confirmation {
    fn of(proven: &Proven) -> Option<Self> {
        match proven.decision {
            Some(Decision::SuccessionConfirmed { succession, .. }) => Some(Self {
                index: proven.index,
                restored: succession,
            }),
            _ => None,
        }
    }
}

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

/// What this agency has pinned.
fn pinned(caller: &CallerArgs) -> Result<TrustAnchors, Failure> {
    let folder = caller.trust.clone();
    let folder = folder.unwrap_or_else(|| caller.identity.join(TRUST));
    TrustAnchors::read(&folder).map_err(Failure::settings)
}

/// The caller's desk; where the saved checkpoint is of another log than the pinned one, it says what to do about it.
pub(super) fn desk(caller: &CallerArgs, role: StaffRole) -> Result<Desk, Failure> {
    caller.desk(role).map_err(|failure| {
        let foreign = || -> Option<bool> {
            let trust = pinned(caller).ok()?;
            let saved = says(&caller.identity.join(CHECKPOINT)).ok()??;
            Some(trust.log_key.split('+').next() != Some(saved.origin.as_str()))
        };
        if foreign() == Some(true) {
            Failure::Settings(mended(&format!(
                "the saved `{CHECKPOINT}` is not one of the log in {TRUST}/; after a succession: `safeconduct agency \
                 resubmit`; oversight and the operator: move `{CHECKPOINT}` to `{BEFORE}`. If nobody told you of a \
                 succession, put the old {TRUST}/ back and ask the operator and the auditors by phone"
            )))
        } else {
            failure
        }
    })
}

/// Whether the router's log is the pinned one; nothing is sent before, and no file moved.
async fn look(caller: &CallerArgs, trust: &TrustAnchors) -> Result<(), Failure> {
    let agency = open(
        &caller.router,
        &caller.identity,
        caller.trust.as_deref(),
        caller.server_name.as_deref(),
        Checkpoints::InMemory,
    );
    let agency = agency.map_err(|error| Failure::Settings(mended(&error.to_string())))?;
    let desk = agency.desk(caller.staff.as_str(), StaffRole::Supervisor);
    let desk = desk.map_err(Failure::settings)?;
    let Err(error) = agency.session().checkpoint(desk.staff()).await else {
        return Ok(());
    };
    if matches!(error, ClientError::Log(LogViolation::Succeeded)) {
        // It is about to be replaced, and receipts are verified by it.
        receipts::remember(&caller.identity, &trust.log_key)?;
    }
    if error.reason() == Some(Reason::Unavailable) {
        let text = "the router shows no checkpoint yet: too few witnesses know the new log; try again when they do. \
                    Nothing was sent";
        return Err(Failure::Refused(mended(text)));
    }
    Err(match told(error) {
        Failure::Refused(text) => Failure::Refused(mended(&format!("nothing was sent: {text}"))),
        other => other,
    })
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
    let trust = pinned(caller)?;
    let log = NoteVerifier::parse(&trust.log_key).map_err(Failure::settings)?;
    look(caller, &trust).await?;
    let before = put_aside(&home, log.name())?;
    receipts::remember(&home, &trust.log_key)?;
    let earlier = receipts::confirmation(&home, &log)?;
    let desk = caller.desk(StaffRole::Supervisor)?;
    let done = desk.resubmit().await.map_err(told)?;
    complete(&done)?;
    let now = done.confirmed.as_ref().and_then(Confirmation::of);
    match (earlier, now) {
        (Some(earlier), _) => println!(
            "nothing to confirm: this agency has confirmed already, by entry {} of the log",
            earlier.index
        ),
        (None, Some(now)) => println!("confirmed; entry {} of the log", now.index),
        (None, None) if log.name() == trust.origin => {
            println!(
                "nothing to confirm: the log {} was not succeeded",
                log.name()
            );
        }
        (None, None) => println!("nothing to confirm: this agency has confirmed already"),
    }
    let confirmation = earlier.or(now);
    let Some(before) = before else {
        if confirmation.is_some() {
            let text = format!(
                "This agency has no checkpoint of the old log ({LOG_KEY_FILE} changed before one was saved): it \
                 cannot tell whether entries were lost."
            );
            println!("{}", wrapped("", &text));
        }
        return Ok(());
    };
    compare(&desk, &before, confirmation.map(|found| found.restored)).await
}

/// Says what was brought; fails where something is left that must be before anything is confirmed.
fn complete(done: &Resubmitted) -> Result<(), Failure> {
    println!(
        "{} statements brought to the router, {} it had",
        done.taken, done.known
    );
    let print = |mark: &str, chains: &[(BasisChainId, Refused)]| {
        for (chain, refused) in chains {
            println!("{mark}: {chain}: {}", refused.reason);
        }
    };
    print("not taken", &done.absent);
    print("NOT BELIEVED", &done.disbelieved);
    print("STUCK", &done.stuck);
    if !done.stuck.is_empty() {
        return Err(Failure::Refused(mended(
            "the router holds older statements of these chains and did not take the newer ones: nothing was \
             confirmed, and nothing of this agency is disclosed. If a certificate was renewed since the backup, run \
             `safeconduct agency join` first; else withdraw these chains by hand and run this again",
        )));
    }
    if !done.disbelieved.is_empty() {
        return Err(Failure::Refused(mended(
            "the router does not believe the signatures of these statements: nothing was confirmed, and nothing of \
             this agency is disclosed. Run `safeconduct agency join`, then this again. Where their certificate was \
             revoked they cannot come back: take their lines out of keys/statements, run this again, and ask these \
             persons anew",
        )));
    }
    Ok(())
}

/// Compares what this agency saw of the old log with what was restored of it.
async fn compare(desk: &Desk, before: &Checkpoint, restored: Option<u64>) -> Result<(), Failure> {
    if let Some(restored) = restored.filter(|restored| before.size > *restored) {
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
    } else if restored.is_none() {
        Err(Failure::Refused(mended(&format!(
            "this log does not continue all that this agency has seen of the old one ({} entries): entries are lost, \
             or it was forked or rewritten. The receipt of this agency's confirmation, which says how many entries \
             were restored, is not kept here: ask the auditors, and keep {BEFORE}",
            before.size
        ))))
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
