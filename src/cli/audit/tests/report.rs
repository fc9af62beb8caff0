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
use crate::identity::authority::{Authority, LEAF_LIFETIME, RevocationReason};
use crate::identity::certificate::Serial;
use crate::ledger::note::NoteSigner;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use tempfile::TempDir;

fn now() -> Timestamp {
    Timestamp::from_millis(1_794_100_000_000).unwrap()
}

/// An auditor's folder, and what pins its authority and the log.
fn auditor(folder: &Path, vkey: &str) -> (Auditor, TrustAnchors) {
    let (auditor, trust, _) = certified(folder, vkey);
    (auditor, trust)
}

/// The same, with the authority, whose certificate for signing is the second that it issued.
fn certified(folder: &Path, vkey: &str) -> (Auditor, TrustAnchors, Authority) {
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
    let auditor = Auditor::read(folder, ORIGIN).unwrap();
    (auditor, trust, authority)
}

#[test]
fn whether_the_signers_certificate_was_revoked_is_said_or_that_nobody_looked() {
    let day = |days: u64| std::time::Duration::from_secs(days * 86_400);
    let log = long();
    let outcome = checked(exported(&log).path(), Some(Level::Verify), None).unwrap();
    let home = TempDir::new().unwrap();
    let (auditor, trust, mut authority) = certified(home.path(), &log.vkey());
    let folder = home.path().join("report");
    let by = Some(&auditor);
    write(&outcome, &Reviewed::NotAsked, &folder, by, now()).unwrap();
    let check = |lists: Option<&str>, at: Timestamp| {
        let mut good = bundle::check(&folder, Some(&trust)).unwrap();
        good.revocation = lists.map(|pem| {
            let lists: Result<Vec<_>, _> =
                CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).collect();
            trust.revocation(&good.chain, &lists.unwrap(), good.issued)
        });
        let (code, text) = said(&good, at);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        (code, text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let both = |authority: &mut Authority, at| {
        let lists = authority.revocation_lists(at, day(7)).unwrap();
        (lists.root_pem.unwrap(), lists.issuing_pem)
    };
    let (code, text) = check(None, now());
    assert!(
        code == 0 && text.contains("revoked was NOT CHECKED"),
        "{text}"
    );

    let before = both(&mut authority, now().minus(day(2)));
    let before = before.0 + &before.1;
    let (code, text) = check(Some(&before), now());
    assert!(
        code == 0 && text.contains("is on no revocation list of 2026-"),
        "{text}"
    );
    // Ended, and older than the report.
    let (code, text) = check(Some(&before), now().plus(day(30)));
    assert!(code == 3 && text.contains("SINCE IS NOT KNOWN"), "{text}");
    // Ended, and younger than the report says to be: whoever has the key since can say so of any time.
    let after = both(&mut authority, now().plus(day(1)));
    let after = after.0 + &after.1;
    assert_eq!(check(Some(&after), now().plus(day(2))).0, 0);
    let (code, text) = check(Some(&after), now().plus(day(30)));
    assert!(code == 3 && text.contains("SINCE IS NOT KNOWN"), "{text}");

    let tls = fs::read(home.path().join("signing.pem")).unwrap();
    let leaf = rustls::pki_types::CertificateDer::from_pem_slice(&tls).unwrap();
    let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).unwrap();
    let serial = Serial::from_der_integer(leaf.raw_serial());
    let at = now().plus(day(3));
    authority
        .revoke(&serial, RevocationReason::KeyCompromise, at)
        .unwrap();
    let (root, issuing) = both(&mut authority, at);
    let revoked = format!("{root}{issuing}");
    // In whichever order, and beside an older list.
    for lists in [
        revoked.clone(),
        format!("{before}{revoked}"),
        format!("{issuing}{before}"),
    ] {
        let (code, text) = check(Some(&lists), at);
        assert!(code == 3 && text.contains("WAS REVOKED on 2026-"), "{text}");
    }
    // An authority's lists name nothing that has ended, and so no longer what was stolen before.
    let later = now().plus(LEAF_LIFETIME).plus(day(1));
    let forgot = both(&mut authority, later);
    let (code, text) = check(Some(&(forgot.0 + &forgot.1)), later);
    assert!(code == 3 && text.contains("SINCE IS NOT KNOWN"), "{text}");
    // One list of two, and another authority's: nothing is taken for "not revoked".
    let elsewhere = TempDir::new().unwrap();
    let (_, _, mut other) = certified(elsewhere.path(), &log.vkey());
    let other = both(&mut other, now());
    for lists in [root, other.0 + &other.1] {
        let (code, text) = check(Some(&lists), now());
        assert!(code == 3 && text.contains("could not be checked"), "{text}");
    }
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
    assert_eq!(said(&good, now()).0, 0);
    let unpinned = bundle::check(&folder, None).unwrap();
    assert!(matches!(&unpinned.signed, Signed::Unpinned { agency, .. } if agency == "ombud"));
    let (code, text) = said(&unpinned, now());
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
    let (_, text) = said(&bundle::check(&folder, None).unwrap(), now());
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
    let (code, text) = said(&checked, now());
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
