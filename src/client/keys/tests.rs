use super::*;
use crate::client::fixture::{facts, issue};
use crate::client::random::SystemRandom;
use crate::identity::authority::Authority;
use std::os::unix::fs::PermissionsExt;

const NOW: i64 = 1_790_000_000;

fn files(folder: &Path, now: Timestamp) -> KeyFiles {
    let mut authority = Authority::create("safeconduct.example", now, &mut SystemRandom).unwrap();
    issue(&mut authority, &"house1".parse().unwrap(), folder, now)
}

fn load(files: &KeyFiles) -> AgencyKeys {
    AgencyKeys::load("house1".parse().unwrap(), files).unwrap()
}

#[test]
fn private_files_are_the_owners_alone_and_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(NOW).unwrap();
    let files = files(folder.path(), now);
    let keys = load(&files);
    let token = KeyRotation::next_bundle(&keys, facts(), now, &mut SystemRandom).unwrap();
    keys.remember_published(&token).unwrap();
    for file in fs::read_dir(&files.own).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    let again = load(&files);
    assert_eq!(again.published(), keys.published());
    assert_eq!(again.staff_pkcs8(), keys.staff_pkcs8());
    let bundle = KeyBundle::parse(&token).unwrap();
    let kid = bundle.current_sealing_key(now).unwrap().kid().to_owned();
    assert!(again.seed(&kid).is_some());
}

#[test]
fn sealing_keys_rotate_after_thirty_days_and_seeds_die_after_sixty() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(NOW).unwrap();
    let keys = load(&files(folder.path(), now));
    assert!(KeyRotation::is_due(&keys, now));
    let publish = |at| {
        let token = KeyRotation::next_bundle(&keys, facts(), at, &mut SystemRandom).unwrap();
        keys.remember_published(&token).unwrap();
        KeyBundle::parse(&token).unwrap()
    };
    let day = |days| now.plus(Duration::from_secs(days * DAY));
    let first = publish(now);
    let oldest = first.current_sealing_key(now).unwrap().kid().to_owned();
    assert!(!KeyRotation::is_due(&keys, day(1)));

    let second = publish(day(10));
    assert!(second.follows(Some(&first)).is_ok());
    assert_eq!(second.content().sealing_keys.len(), 1);

    assert!(KeyRotation::is_due(&keys, day(31)));
    let third = publish(day(31));
    assert_eq!(third.content().sealing_keys.len(), 2);
    assert_ne!(third.current_sealing_key(day(31)).unwrap().kid(), oldest);
    assert!(keys.seed(&oldest).is_some());

    publish(day(61));
    assert!(keys.seed(&oldest).is_none());
    assert!(!seed_file(&folder.path().join("keys"), &oldest).exists());
}

#[test]
fn a_program_that_hears_late_forgets_nothing_that_another_sent_or_published() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(NOW).unwrap();
    let files = files(folder.path(), now);
    let (timer, desk) = (load(&files), load(&files));
    let next = |keys: &AgencyKeys| {
        let token = KeyRotation::next_bundle(keys, facts(), now, &mut SystemRandom).unwrap();
        let sent = SentBundle {
            request_id: "1".into(),
            token,
        };
        keys.keep_sent(&sent).unwrap();
        sent
    };
    let first = next(&timer);
    // Sent again by the other program, which goes on to the next one before this one hears.
    desk.remember_published(&first.token).unwrap();
    let second = next(&desk);
    timer.remember_published(&first.token).unwrap();
    assert_eq!(
        desk.sent().unwrap(),
        Some(second.clone()),
        "still on its way"
    );
    desk.remember_published(&second.token).unwrap();
    timer.remember_published(&first.token).unwrap();
    assert_eq!(load(&files).published(), desk.published());
    assert_eq!(timer.published(), desk.published());
}

#[test]
fn of_two_programs_on_one_folder_one_publishes_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(NOW).unwrap();
    let files = files(folder.path(), now);
    let (timer, desk) = (load(&files), load(&files));
    let publishing = timer.publishing().unwrap();
    assert!(matches!(desk.publishing(), Err(KeyFileError::Busy)));
    let token = KeyRotation::next_bundle(&timer, facts(), now, &mut SystemRandom).unwrap();
    timer.remember_published(&token).unwrap();
    drop(publishing);
    let _publishing = desk.publishing().unwrap();
    assert_eq!(desk.published(), timer.published());
}

#[test]
fn a_damaged_key_folder_is_named_and_not_made_anew_invariant_29() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(NOW).unwrap();
    let files = files(folder.path(), now);
    drop(load(&files));
    fs::write(files.own.join(STAFF_KEY_FILE), b"short").unwrap();
    let answer = AgencyKeys::load("house1".parse().unwrap(), &files);
    assert!(matches!(answer, Err(KeyFileError::Damaged(STAFF_KEY_FILE))));
}

#[test]
fn signed_statements_are_kept_until_they_are_refused_or_no_basis_lasts_so_long() {
    use crate::client::keys::{KeptKind, KeptStatement};
    use crate::domain::basis::BASIS_MAX;
    use crate::domain::id::BasisChainId;
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(1_780_000_000).unwrap();
    let files = files(folder.path(), now);
    let keys = AgencyKeys::load("house1".parse().unwrap(), &files).unwrap();
    let kept = |chain: u8, sequence, kind, signed| KeptStatement {
        chain: BasisChainId::from_random([chain; 16]),
        sequence,
        kind,
        signed,
        token: b"a.b.c".to_vec(),
    };
    let later = now.plus(Duration::from_secs(1));
    let all = [
        kept(1, 1, KeptKind::Basis, now),
        kept(1, 2, KeptKind::Withdrawal, later),
        kept(2, 1, KeptKind::Basis, now),
    ];
    for statement in &all {
        keys.keep(statement).unwrap();
    }
    let refused = kept(3, 1, KeptKind::Basis, now);
    keys.keep(&refused).unwrap();
    keys.keep_refused(refused.chain, 1).unwrap();
    // A crash in the middle of a line: it was never sent.
    let file = files.own.join("statements");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{whole}basis torn")).unwrap();
    assert_eq!(keys.kept().unwrap(), all);
    // A chain lives as long as its newest statement.
    assert_eq!(keys.forget_ended(now.plus(BASIS_MAX)).unwrap(), 2);
    assert_eq!(keys.kept().unwrap(), all[..2]);
    assert_eq!(keys.forget_ended(later.plus(BASIS_MAX)).unwrap(), 0);
}
