//! The receipts that this agency keeps: looked at, and brought under a checkpoint that witnesses cosigned.

use super::resubmit::Confirmation;
use crate::cli::exit::Failure;
use crate::cli::home::{CallerArgs, RECEIPTS, told};
use crate::cli::text::{minute, wrapped};
use crate::client::agency::Desk;
use crate::domain::vocabulary::StaffRole;
use crate::ledger::decision::Decision;
use crate::ledger::note::NoteVerifier;
use crate::ledger::policy::Policy;
use crate::ledger::receipt_file::{EXTENSION, ReceiptFile, Shown};
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Verifier keys of the logs that this agency has pinned, one a line, beside the receipts that they prove: `trust/` has
/// the present one alone.
const KEYS: &str = "logs.vkey";

/// What an agency did after a succession, as it stands in the name of its receipt.
const CONFIRMED: &str = "succession_confirmed";

/// Keeps a pinned log key for the time when another one is pinned.
pub(super) fn remember(home: &Path, vkey: &str) -> Result<(), Failure> {
    let folder = home.join(RECEIPTS);
    let path = folder.join(KEYS);
    if keys(&folder)?.iter().any(|known| known.vkey() == vkey) {
        return Ok(());
    }
    let write = || {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder)?;
        let mut options = fs::OpenOptions::new();
        let options = options.append(true).create(true).mode(0o600);
        let mut file = options.open(&path)?;
        file.write_all(format!("{vkey}\n").as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| unusable(&path, &error))
}

/// The keys kept; a line that is none is left out.
fn keys(folder: &Path) -> Result<Vec<NoteVerifier>, Failure> {
    let path = folder.join(KEYS);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| NoteVerifier::parse(line).ok())
            .collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unusable(&path, &error)),
    }
}

/// This agency's confirmation of the succession that `log` goes on after, if its receipt is kept.
pub(super) fn confirmation(
    home: &Path,
    log: &NoteVerifier,
) -> Result<Option<Confirmation>, Failure> {
    let kept = files(&home.join(RECEIPTS))?;
    let named = |path: &&PathBuf| path.to_string_lossy().contains(CONFIRMED);
    for path in kept.iter().rev().filter(named) {
        let text = fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
        let receipt = ReceiptFile::parse(&text).ok();
        let receipt = receipt.filter(|receipt| receipt.verify(log).is_ok());
        let decision = receipt
            .as_ref()
            .and_then(|receipt| receipt.opening.as_ref());
        if let (Some(receipt), Some(Decision::SuccessionConfirmed { succession, .. })) =
            (&receipt, decision.map(|opening| &opening.decision))
        {
            return Ok(Some(Confirmation {
                index: receipt.index,
                restored: *succession,
            }));
        }
    }
    Ok(None)
}

/// How many receipts of a log that is not the pinned one are proved by its key, and how many cannot be checked.
#[derive(Debug, Default)]
struct Ended {
    proved: usize,
    unknown: usize,
}

impl Ended {
    fn print(&self, log: &str) {
        if self.proved > 0 {
            let text = format!(
                "{} receipts of the log {log} that has ended: proved by its key, kept as evidence",
                self.proved
            );
            println!("{}", wrapped("old  ", &text));
        }
        if self.unknown > 0 {
            let text = format!(
                "{} receipts of another log, {log}: not checked, since no key kept here proves them; keep them as \
                 evidence (`safeconduct audit receipt --vkey` verifies them by its key)",
                self.unknown
            );
            println!("{}", wrapped("old  ", &text));
        }
    }
}

/// The log that a receipt says it is of.
fn log_of(receipt: &ReceiptFile) -> &str {
    receipt.checkpoint.lines().next().unwrap_or_default()
}

/// Verifies every kept receipt; with a pinned policy each that its witnesses have not seen is proved again.
pub(super) async fn show(caller: &CallerArgs) -> Result<(), Failure> {
    let desk = super::resubmit::desk(caller, StaffRole::Administrator)?;
    let policy = desk.agency().trust().policy.clone();
    let policy = policy.filter(|policy| !policy.asks_nobody());
    let verifier = desk.agency().log().verifier().clone();
    let mut cosigned = None;
    let mut bad = 0;
    let folder = caller.identity.join(RECEIPTS);
    remember(&caller.identity, &verifier.vkey())?;
    let former = keys(&folder)?;
    let mut ended: BTreeMap<String, Ended> = BTreeMap::new();
    let kept = files(&folder)?;
    if kept.is_empty() {
        println!("no receipts kept yet: each act with this folder leaves one");
    }
    for path in kept {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path).map_err(|error| unusable(&path, &error))?;
        let read = ReceiptFile::parse(&text);
        if let Ok(receipt) = &read
            && log_of(receipt) != verifier.name()
        {
            // Only a receipt of the present log is ever called bad: a log may have had keys that were never kept here.
            let proved = former.iter().any(|key| receipt.verify(key).is_ok());
            let log = ended.entry(log_of(receipt).to_owned()).or_default();
            log.proved += usize::from(proved);
            log.unknown += usize::from(!proved);
            continue;
        }
        let read = read.and_then(|receipt| receipt.verify(&verifier).map(|shown| (receipt, shown)));
        let (receipt, shown) = match read {
            Ok(read) => read,
            Err(error) => {
                bad += 1;
                println!("{}", wrapped(&format!("bad  {name}: "), &error.to_string()));
                continue;
            }
        };
        let said = match &policy {
            None => "no witness asked",
            Some(policy) if is_vouched(policy, &verifier, &receipt) => "vouched for by witnesses",
            Some(policy) => {
                if cosigned.is_none() {
                    cosigned = Some(newest(&desk).await?);
                }
                let note = cosigned.as_deref().unwrap_or_default();
                let session = desk.agency().session();
                let again = session.prove_again(desk.staff(), &receipt, note).await;
                let again = again.map_err(told)?;
                if is_vouched(policy, &verifier, &again) {
                    replace(&path, &again)?;
                    "vouched for by witnesses from now on"
                } else {
                    "not seen by enough witnesses yet: run this again later"
                }
            }
        };
        println!("{}", wrapped("ok   ", &line(&receipt, &shown, said)));
    }
    for (log, ended) in &ended {
        ended.print(log);
    }
    match bad {
        0 => Ok(()),
        bad => Err(Failure::Refused(format!(
            "{bad} receipts were changed since they were kept; look for a backup of them"
        ))),
    }
}

fn line(receipt: &ReceiptFile, shown: &Shown, said: &str) -> String {
    let entry = &shown.entry;
    let (index, event) = (receipt.index, entry.body.event());
    format!("{index} {event}, {}: {said}", minute(entry.at))
}

fn is_vouched(policy: &Policy, log: &NoteVerifier, receipt: &ReceiptFile) -> bool {
    let cosigned = policy.check_by(log, &receipt.checkpoint);
    cosigned.is_ok_and(|cosigned| cosigned.quorum)
}

async fn newest(desk: &Desk) -> Result<String, Failure> {
    let session = desk.agency().session();
    session.checkpoint(desk.staff()).await.map_err(told)
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Settings(format!("{}: {error}", path.display()))
}

/// The receipts, in the order of their entries.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let items = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        items => items.map_err(|error| unusable(folder, &error))?,
    };
    let paths: Result<Vec<PathBuf>, _> = items.map(|item| item.map(|item| item.path())).collect();
    let mut paths = paths.map_err(|error| unusable(folder, &error))?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == EXTENSION)
    });
    paths.sort();
    Ok(paths)
}

/// Puts the stronger receipt in the place of the other, in one step.
fn replace(path: &Path, receipt: &ReceiptFile) -> Result<(), Failure> {
    let text = receipt.encode().map_err(Failure::refused)?;
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let write = || {
        let mut file = options.open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| unusable(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::note::NoteSigner;

    #[test]
    fn a_pinned_key_is_kept_once_and_a_folder_without_receipts_holds_none() {
        let home = tempfile::TempDir::new().unwrap();
        let folder = home.path().join(RECEIPTS);
        assert!(files(&folder).unwrap().is_empty());
        let first = NoteSigner::ed25519("log.example", &[1; 32]).unwrap();
        let second = NoteSigner::ed25519("2.log.example", &[2; 32]).unwrap();
        for signer in [&first, &second, &first] {
            remember(home.path(), &signer.vkey()).unwrap();
        }
        let kept: Vec<_> = keys(&folder)
            .unwrap()
            .iter()
            .map(NoteVerifier::vkey)
            .collect();
        assert_eq!(kept, [first.vkey(), second.vkey()]);
        assert!(files(&folder).unwrap().is_empty());
        let log = NoteVerifier::parse(&second.vkey()).unwrap();
        assert!(confirmation(home.path(), &log).unwrap().is_none());
    }
}
