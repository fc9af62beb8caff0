//! The receipts that this agency keeps: looked at, and brought under a checkpoint that witnesses cosigned.

use crate::cli::exit::Failure;
use crate::cli::home::{CallerArgs, RECEIPTS, told};
use crate::cli::text::{minute, wrapped};
use crate::client::agency::Desk;
use crate::domain::vocabulary::StaffRole;
use crate::ledger::note::NoteVerifier;
use crate::ledger::policy::Policy;
use crate::ledger::receipt_file::{EXTENSION, ReceiptFile, Shown};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Verifies every kept receipt; with a pinned policy each that its witnesses have not seen is proved again.
pub(super) async fn show(caller: &CallerArgs) -> Result<(), Failure> {
    let desk = caller.desk(StaffRole::Administrator)?;
    let policy = desk.agency().trust().policy.clone();
    let policy = policy.filter(|policy| !policy.asks_nobody());
    let verifier = desk.agency().log().verifier().clone();
    let mut cosigned = None;
    let mut bad = 0;
    let kept = files(&caller.identity.join(RECEIPTS))?;
    if kept.is_empty() {
        println!("no receipts are kept yet: each act with this folder leaves one");
    }
    for path in kept {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path).map_err(|error| unusable(&path, &error))?;
        let read = ReceiptFile::parse(&text);
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
    let items = fs::read_dir(folder).map_err(|error| unusable(folder, &error))?;
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
