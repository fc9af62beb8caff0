//! The report: what it says, who signed it, and that nothing of it can be changed.

use super::super::bundle::{self, Signed};
use super::super::report_command::{Auditor, Reviewed, said, write};
use super::super::*;
use super::{checked, exported, files, long, runtime};
use crate::audit::fixture::{ORIGIN, Town};
use crate::audit::review::Suspicion;
use crate::client::random::SystemRandom;
use crate::client::trust::TrustAnchors;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ReviewRule;
use crate::envelope::keys::{KeyPairSigner, Signer as _};
use crate::identity::authority::{Authority, LEAF_LIFETIME};
use crate::ledger::note::NoteSigner;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use tempfile::TempDir;

fn now() -> Timestamp {
    Timestamp::from_millis(1_794_100_000_000).unwrap()
}

/// An auditor's folder, and what pins its authority and the log.
fn auditor(folder: &Path, vkey: &str) -> (Auditor, TrustAnchors) {
    use std::io::Write as _;
    let mut authority = Authority::create(ORIGIN, now(), &mut SystemRandom).unwrap();
    let issued = authority
        .issue_agency(
            &"ombud".parse().unwrap(),
            now(),
            LEAF_LIFETIME,
            &mut SystemRandom,
        )
        .unwrap();
    let put = |name: &str, text: &str| {
        let mut options = fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    };
    put("tls.pem", &issued.tls.chain_pem);
    put("signing.pem", &issued.signing.chain_pem);
    put("signing.key", &issued.signing.key_pem);
    let administrator = KeyPairSigner::generate().unwrap().0;
    let body = data_encoding::BASE64.encode(&administrator.verifying_key().spki());
    put(
        "administrators.pem",
        &format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"),
    );
    put("roots.pem", authority.root_pem());
    put("log.vkey", vkey);
    let trust = TrustAnchors::read(folder).unwrap();
    (Auditor::read(folder, ORIGIN).unwrap(), trust)
}

#[test]
fn a_signed_report_is_checked_offline_and_a_flipped_bit_in_any_file_is_named() {
    let log = long();
    let outcome = checked(exported(&log).path(), Some(Level::Replay), None).unwrap();
    let home = TempDir::new().unwrap();
    let (auditor, trust) = auditor(home.path(), &log.vkey());
    let made = TempDir::new().unwrap();
    let folder = made.path().join("report");
    write(
        &outcome,
        &Reviewed::NotAsked,
        &folder,
        Some(&auditor),
        now(),
    )
    .unwrap();
    let names = [
        "checkpoint",
        "digests.json",
        "report.html",
        "report.json",
        "signature.jws",
    ];
    assert_eq!(files(&folder, ""), names);
    let good = bundle::check(&folder, Some(&trust)).unwrap();
    assert_eq!(
        (good.signed.clone(), good.size),
        (Signed::Agency("ombud".into()), 523)
    );
    assert_eq!(said(&good).0, 0);
    let unpinned = bundle::check(&folder, None).unwrap();
    assert!(matches!(&unpinned.signed, Signed::Unpinned { agency, .. } if agency == "ombud"));
    let (code, text) = said(&unpinned);
    // Nothing was compared with the certificate: the name is the signer's own word.
    assert!(code == 3 && text.contains("says to be ombud"), "{text}");
    for name in names {
        let honest = fs::read(folder.join(name)).unwrap();
        let every = if name.starts_with("report") { 101 } else { 7 };
        for bit in (0..honest.len() * 8).step_by(every) {
            let mut bytes = honest.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.join(name), bytes).unwrap();
            let refused = bundle::check(&folder, Some(&trust)).unwrap_err();
            let named = refused.contains(name)
                || name == "digests.json" && refused.contains("signature.jws");
            assert!(named, "{name}, bit {bit}: {refused}");
        }
        fs::remove_file(folder.join(name)).unwrap();
        assert!(
            bundle::check(&folder, Some(&trust))
                .unwrap_err()
                .contains(name)
        );
        fs::write(folder.join(name), &honest).unwrap();
    }
    fs::write(folder.join("more.txt"), "x").unwrap();
    assert!(
        bundle::check(&folder, Some(&trust))
            .unwrap_err()
            .contains("not covered")
    );
    fs::remove_file(folder.join("more.txt")).unwrap();
    // A report comes from others: what has no end is not read under a file's name.
    let page = fs::read(folder.join("report.html")).unwrap();
    fs::remove_file(folder.join("report.html")).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.join("report.html")).unwrap();
    let refused = bundle::check(&folder, Some(&trust)).unwrap_err();
    assert!(refused.contains("not a plain file"), "{refused}");
    fs::remove_file(folder.join("report.html")).unwrap();
    fs::write(folder.join("report.html"), page).unwrap();
    // Another authority's certificate, and another log.
    let elsewhere = TempDir::new().unwrap();
    let (_, other) = super::report::auditor(elsewhere.path(), &log.vkey());
    assert!(
        bundle::check(&folder, Some(&other))
            .unwrap_err()
            .contains("signature.jws")
    );
    let other_log = TrustAnchors {
        log_key: "other".into(),
        ..trust
    };
    assert!(
        bundle::check(&folder, Some(&other_log))
            .unwrap_err()
            .contains("another")
    );
    // By name, and before its signature is looked at under roots that are of another town anyway.
    let elsewhere = NoteSigner::ed25519("other.example", &[3; 32]).unwrap();
    let other_town = TrustAnchors {
        log_key: elsewhere.vkey(),
        ..other
    };
    let refused = bundle::check(&folder, Some(&other_town)).unwrap_err();
    for wanted in ["is about another log", ORIGIN, "other.example"] {
        assert!(refused.contains(wanted), "{refused}");
    }
}

#[test]
fn a_report_and_its_check_say_who_vouched_and_what_nobody_confirmed() {
    let mut town = Town::ordinary();
    town.withdraw();
    let log = exported(&town.source());
    let mut outcome = checked(log.path(), Some(Level::Replay), None).unwrap();
    outcome.eyes = Eyes {
        asked: true,
        witnesses: vec![("w-one".into(), now())],
        vouched: Some(now()),
    };
    let suspicion = Suspicion {
        rule: ReviewRule::TriedAfterWithdrawal,
        index: 3,
        also: Vec::new(),
        at: now(),
        agency: "house1".parse().unwrap(),
        staff: None,
        why: "many".into(),
    };
    let made = TempDir::new().unwrap();
    let folder = made.path().join("report");
    let review = Reviewed::Found(vec![(suspicion, None)]);
    write(&outcome, &review, &folder, None, now()).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for wanted in [
        "w-one, 2026-",
        "1 finding(s) of the review without",
        "_<wbr>",
        "<td>Many.<br>",
        "<br>Not looked at yet.</td>",
    ] {
        assert!(page.contains(wanted), "{page}");
    }
    assert!(!page.contains("whether others are shown another log"));
    let (_, text) = said(&bundle::check(&folder, None).unwrap());
    for wanted in ["witness w-one", "1 finding(s) of its review"] {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn a_report_by_a_name_that_is_none_is_refused_before_anything_of_it_is_printed() {
    let log = long();
    let outcome = checked(exported(&log).path(), Some(Level::Verify), None).unwrap();
    let home = TempDir::new().unwrap();
    let (auditor, _) = auditor(home.path(), &log.vkey());
    let folder = home.path().join("report");
    let by = Some(&auditor);
    write(&outcome, &Reviewed::NotAsked, &folder, by, now()).unwrap();
    let digests = fs::read_to_string(folder.join("digests.json")).unwrap();
    let forged = digests.replace("\"ombud\"", "\"ombud \\u001b[2J\"");
    assert_ne!(forged, digests);
    fs::write(folder.join("digests.json"), forged).unwrap();
    let refused = bundle::check(&folder, None).unwrap_err();
    assert!(refused.contains("name is not one"), "{refused}");
}

#[test]
fn a_report_that_nobody_signed_says_so_everywhere() {
    let outcome = checked(exported(&long()).path(), Some(Level::Verify), None).unwrap();
    let made = TempDir::new().unwrap();
    let folder = made.path().join("report");
    write(&outcome, &Reviewed::NotAsked, &folder, None, now()).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(
        page.contains("<b>not signed</b>") && !page.contains("<script"),
        "{page}"
    );
    assert!(
        page.contains("NOTHING WAS VERIFIED AGAINST THE PAST"),
        "{page}"
    );
    let checked = bundle::check(&folder, None).unwrap();
    let (code, text) = said(&checked);
    assert!(code == 3 && text.contains("NOBODY SIGNED IT"), "{text}");
    for name in ["checkpoint", "report.html", "report.json", "digests.json"] {
        let honest = fs::read(folder.join(name)).unwrap();
        for bit in (0..honest.len() * 8).step_by(101) {
            let mut bytes = honest.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.join(name), bytes).unwrap();
            assert!(bundle::check(&folder, None).is_err(), "{name}, bit {bit}");
        }
        fs::write(folder.join(name), honest).unwrap();
    }
    // A folder that is used is not written over.
    assert!(write(&outcome, &Reviewed::NotAsked, &folder, None, now()).is_err());
}

#[test]
fn a_report_on_a_log_with_faults_lists_them_on_the_page() {
    let mut town = Town::ordinary();
    town.withdraw();
    let offer = town.offer(crate::audit::fixture::TRIAGE);
    let late = town.open(offer, crate::domain::vocabulary::Stage::Triage);
    let log = exported(&town.source());
    let outcome = checked(log.path(), Some(Level::Replay), None).unwrap();
    assert_eq!(outcome.exit_code(), 1);
    let made = TempDir::new().unwrap();
    let folder = made.path().join("report");
    let source = FolderSource::new(log.path().to_owned());
    let found = runtime().block_on(review::found(Opened::Folder(source), &outcome));
    write(
        &outcome,
        &Reviewed::Found(found.unwrap()),
        &folder,
        None,
        now(),
    )
    .unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(
        page.contains(&format!(
            "<td>{late}</td><td><code class=\"name\">AFTER_<wbr>WITHDRAWAL</code>"
        )),
        "{page}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(json["format"], "safeconduct/audit-report/1");
    assert!(
        page.contains("what a person should look at again"),
        "{page}"
    );
    assert!(json["review"]["findings"].is_array());
    assert_eq!(json["violations"], outcome.report.violations().count());
    assert!(bundle::check(&folder, None).is_ok());
    if let Ok(kept) = std::env::var("SAFECONDUCT_TEST_REPORT") {
        fs::copy(folder.join("report.html"), kept).unwrap();
    }
}
