//! Receipts as files: what source and recipient keep, verified offline by the program (invariant 8).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safeconduct::client::keys::AgencyKeys;
use safeconduct::client::log::LogView;
use safeconduct::client::session::system_clock;
use safeconduct::demo::town::key_files;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::ledger::cosignature::Cosigner;
use safeconduct::ledger::receipt_file::ReceiptFile;
use safeconduct::proto::v1;

use crate::harness::liar::{Liar, about};
use crate::harness::scene::{one_bed, open};
use crate::harness::{World, run, world};

const CHECKPOINT: &str = "AuditService/GetCheckpoint";

/// An agency that keeps its receipts in a folder.
fn keeping(world: &World, agency: &str, folder: &Path) -> safeconduct::client::agency::Agency {
    let keys = AgencyKeys::load(agency.parse().unwrap(), &key_files(&world.home(agency)));
    let log = LogView::in_memory(&world.trust.log_key).unwrap();
    let log = log.keeping_receipts(folder.to_owned()).unwrap();
    let trust = world.trust.clone();
    safeconduct::client::agency::Agency::connect(keys.unwrap(), &world.address, trust, log).unwrap()
}

fn kept(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn verified(file: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_safeconduct"))
        .args(["audit", "receipt"])
        .arg(file)
        .args(more)
        .output()
        .unwrap()
}

/// What a checker that shares no code with ours says of a receipt; `None`, with the reason printed, where Python or
/// its modules are lacking.
fn in_python(file: &Path, key: &str) -> Option<Result<serde_json::Value, String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/tlog.py");
    let mut command = Command::new("python3");
    command.args(["-B", script, "receipt"]).arg(file);
    let output = match command.args(["--log", key]).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: python3 does not start: {error}");
            return None;
        }
    };
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => Some(Ok(serde_json::from_slice(&output.stdout).unwrap())),
        Some(1) => Some(Err(said)),
        Some(77) => {
            println!("skipped: {}", said.trim());
            None
        }
        other => panic!("{other:?}: {said}"),
    }
}

#[test]
fn source_and_recipient_keep_receipts_that_anybody_can_verify_without_a_line() {
    run(async {
        let world = world().await;
        let folder = tempfile::tempdir().unwrap();
        let (sent, read) = (folder.path().join("alpha"), folder.path().join("house1"));
        let alpha = keeping(world, "alpha", &sent);
        let alpha = alpha.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        alpha.mirror().await.unwrap();
        let house = keeping(world, "house1", &read);
        let intake = house.desk("w-intake", StaffRole::Intake).unwrap();
        intake.mirror().await.unwrap();
        let bed = one_bed(&alpha, "house1").await;
        open(&intake, bed.offer, Stage::Triage).await.unwrap();

        let events = |files: &[PathBuf]| -> Vec<String> {
            let names = files
                .iter()
                .map(|file| file.file_stem().unwrap().to_string_lossy());
            names
                .map(|name| name.split('-').nth(1).unwrap().to_owned())
                .collect()
        };
        let (sent, read) = (kept(&sent), kept(&read));
        assert_eq!(events(&sent), ["basis_recorded", "offered"]);
        assert_eq!(events(&read), ["opened"]);

        let key = world.trust.log_key.as_str();
        for file in sent.iter().chain(&read) {
            let output = verified(file, &["--vkey", key, "--output", "json"]);
            // By the key alone: proved, and nobody outside vouches for it.
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(said["proved"], true);
            assert!(said["decision"].is_object());
            if let Some(found) = in_python(file, key) {
                assert_eq!(found.unwrap()["decision"], said["decision"]);
            }
        }
        let output = verified(&read[0], &["--vkey", key]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&bed.offer.to_string()), "{said}");
        assert!(said.contains("NO WITNESS VOUCHES"), "{said}");

        // Changed, or without its opening, or of a file that is none.
        let receipt = ReceiptFile::parse(&std::fs::read_to_string(&read[0]).unwrap()).unwrap();
        let other = ReceiptFile {
            index: receipt.index + 1,
            ..receipt.clone()
        };
        let changed = folder.path().join("changed.tlog-proof");
        std::fs::write(&changed, other.encode().unwrap()).unwrap();
        assert_eq!(verified(&changed, &["--vkey", key]).status.code(), Some(1));
        if let Some(found) = in_python(&changed, key) {
            assert!(found.unwrap_err().starts_with("not verified: "));
        }
        std::fs::write(&changed, receipt.without_opening().encode().unwrap()).unwrap();
        assert_eq!(verified(&changed, &["--vkey", key]).status.code(), Some(3));
        let absent = folder.path().join("absent");
        assert_eq!(verified(&absent, &["--vkey", key]).status.code(), Some(2));
        assert_eq!(verified(&changed, &["--vkey", "x"]).status.code(), Some(2));
    });
}

#[test]
fn a_receipt_under_a_quorum_of_witnesses_says_so_and_one_that_misses_them_is_refused() {
    run(async {
        let world = world().await;
        let folder = tempfile::tempdir().unwrap();
        let receipts = folder.path().join("receipts");
        let alpha = keeping(world, "alpha", &receipts);
        let alpha = alpha.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        alpha.mirror().await.unwrap();
        one_bed(&alpha, "house1").await;
        let file = kept(&receipts).remove(0);

        let witness = Cosigner::ed25519("witness.example", &[9; 32]).unwrap();
        let (log, key) = (&world.trust.log_key, witness.vkey());
        let policy = folder.path().join("policy");
        std::fs::write(&policy, format!("log {log}\nwitness w {key}\nquorum w\n")).unwrap();
        let policy = policy.to_str().unwrap();
        let output = verified(&file, &["--policy", policy]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");

        // The witness sees the log a moment later; the receipt is proved again under what it cosigned.
        let cosign = about(CHECKPOINT, move |reply: &mut v1::GetCheckpointResponse| {
            let at = reply.checkpoint.find("\n\n").unwrap() + 1;
            let line = witness.cosign(&reply.checkpoint[..at], system_clock()());
            reply.checkpoint.push_str(&line);
        });
        let witnessed = Liar::to(world, "alpha", cosign).await;
        let alpha = witnessed.newcomer(world, "alpha");
        let alpha = alpha.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        let session = alpha.agency().session();
        let note = session.checkpoint(alpha.staff()).await.unwrap();
        let receipt = ReceiptFile::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let receipt = session.prove_again(alpha.staff(), &receipt, &note).await;
        std::fs::write(&file, receipt.unwrap().encode().unwrap()).unwrap();
        let output = verified(&file, &["--policy", policy]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("witness w saw the log"), "{said}");
    });
}
