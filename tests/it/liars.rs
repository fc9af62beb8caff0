//! Routers that lie, with the real one's certificate and keys: who catches each lie, and what they are told.
//!
//! | the router | is caught by | who is told |
//! |---|---|---|
//! | shows one source another key for a recipient | that source, before it seals | `Unproven` |
//! | publishes another key for a recipient, by a bribed authority | the recipient, at its mirror | `NotOurs` |
//! | shows that key under a digest and publishes nothing | the auditor, at replay (tested there) | `DirectoryDigest` |
//! | shows the directory from before such a key | the recipient that alarmed, at its mirror | `Digest` |
//! | shows a protocol that was replaced | the source, at its mirror: the digest names the newer one | `OldProtocol` |
//! | leaves a recipient out of its own view | the recipient, at its mirror | `OwnMissing` |
//! | leaves an opening out of the log | the recipient, before it reads | `NoReceipt`, `NotIncluded` |
//! | shows the receipt of another act | the recipient, before it reads | `OtherEntry` |
//! | hides an entry and signs the rest anew | the auditor with a saved state | `Forked` |
//! | shows two parties two logs | both, once they compare checkpoints | `Forked`, `NotConsistent` |
//! | shows two programs of one agency two logs | the second, before it saves what it saw | `NotConsistent` |
//! | rewinds the log to an old copy | every client and auditor that saw more | `Rewound`, `Shrunk` |
//! | shows a log that no witness has seen | the source that pinned witnesses, before it seals | `NotVouched` |
//! | stands still, or shows an old directory | the source, before it seals (tested at the mirror) | `OldDigest` |
//!
//! Mirrors are taken at every start and with every digest, at least every hour. Each message says what to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use safeconduct::audit::finding::Problem;
use safeconduct::audit::source::AuditSource;
use safeconduct::audit::{Level, Report};
use safeconduct::cli::audit::check;
use safeconduct::cli::audit::drive::Progress;
use safeconduct::cli::audit::state::StateFile;
use safeconduct::client::audit::LiveSource;
use safeconduct::client::directory::DirectoryError;
use safeconduct::client::error::ClientError;
use safeconduct::client::keys::AgencyKeys;
use safeconduct::client::log::{LogView, LogViolation};
use safeconduct::client::retry::RetryPolicy;
use safeconduct::client::session::system_clock;
use safeconduct::demo::liar::{Copied, Lie as AuditLie, LyingRouter};
use safeconduct::demo::town::key_files;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::ledger::cosignature::Cosigner;
use safeconduct::ledger::note::NoteVerifier;
use safeconduct::ledger::policy::Policy;
use safeconduct::proto::v1;

use crate::harness::liar::{Liar, Lie, about, copy_folder};
use crate::harness::scene::{one_bed, open};
use crate::harness::{Own, World, own, run, world};

const DIRECTORY: &str = "DirectoryService/GetDirectory";
const PROTOCOL: &str = "DirectoryService/GetProtocol";
const CHECKPOINT: &str = "AuditService/GetCheckpoint";
const OPEN: &str = "OfferService/OpenParcel";

/// What the lie was taken for, as people read it; it must say what to do.
fn told(error: &ClientError) -> String {
    let said = error.to_string();
    assert!(error.is_alarm(), "{said}");
    assert!(said.contains("call the auditors"), "{said}");
    said
}

fn honest() -> Lie {
    Arc::new(|_, reply| reply)
}

#[test]
fn what_passes_a_liar_unchanged_is_believed() {
    run(async {
        let world = world().await;
        let liar = Liar::to(world, "house1", honest()).await;
        let house = liar.newcomer(world, "house1");
        let intake = house.desk("w-intake", StaffRole::Intake).unwrap();
        intake.mirror().await.unwrap();
        let bed = one_bed(&world.source("alpha"), "house1").await;
        assert!(open(&intake, bed.offer, Stage::Triage).await.is_ok());
    });
}

#[test]
fn a_source_that_is_shown_another_key_for_a_recipient_seals_nothing() {
    run(async {
        let world = world().await;
        // Somebody else's certified keys, under the recipient's name.
        let swap = about(DIRECTORY, |reply: &mut v1::GetDirectoryResponse| {
            let other = |agency: &&v1::Agency| agency.name == "agencies/house2";
            let keys = reply
                .agencies
                .iter()
                .find(other)
                .unwrap()
                .key_bundle
                .clone();
            for agency in &mut reply.agencies {
                if agency.name == "agencies/house1" {
                    agency.key_bundle.clone_from(&keys);
                }
            }
        });
        let liar = Liar::to(world, "alpha", swap).await;
        let alpha = liar.newcomer(world, "alpha");
        let desk = alpha.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        let error = desk.mirror().await.unwrap_err();
        let house1 = "house1".parse().unwrap();
        assert!(
            matches!(&error, ClientError::Directory(DirectoryError::Unproven(of)) if *of == house1),
            "{error}"
        );
        told(&error);
        // There is no mirror to take a key from.
        assert!(alpha.directory().is_err());
    });
}

/// Router and authority together: certificates in the agency's name, and a bundle that follows its own.
async fn publish_as(own: &mut Own, agency: &str) {
    let thief = own.folder.path().join("thief");
    copy_folder(&own.world.home(agency), &thief);
    let id = agency.parse().unwrap();
    let files = own.town.authority().issue_agency(&id, &thief).unwrap();
    assert_eq!(files.own, key_files(&thief).own);
    let keys = AgencyKeys::load(id, &files).unwrap();
    let facts = keys.published_bundle().unwrap().content().facts.clone();
    let thief = own.town.connect(keys, &thief.join("checkpoint")).unwrap();
    let desk = thief.desk("desk", StaffRole::Administrator).unwrap();
    desk.publish_keys(facts).await.unwrap();
}

#[test]
fn an_owner_notices_a_key_that_stands_for_it_although_all_the_world_believes_it() {
    run(async {
        let mut own = own(&["alpha", "house1"], "error").await;
        let house = own.world.intake("house1");
        house.mirror().await.unwrap();
        publish_as(&mut own, "house1").await;
        let id = "house1".parse().unwrap();

        // The source cannot tell: everything is signed, certified, published and proved.
        let alpha = own.world.source("alpha");
        alpha.mirror().await.unwrap();
        let now = alpha.now();
        assert!(
            alpha
                .agency()
                .directory()
                .unwrap()
                .sealing_key(&id, now)
                .is_ok()
        );

        let error = house.mirror().await.unwrap_err();
        let ours = ClientError::Directory(DirectoryError::NotOurs);
        assert_eq!(error.to_string(), ours.to_string());
        assert!(told(&error).contains("by phone"));
        // From then on it seals nothing either: whoever can do this to it can do it to others.
        let mirrored = house.agency().directory().unwrap();
        let refused = mirrored.sealing_key(&"alpha".parse().unwrap(), now);
        assert_eq!(refused.unwrap_err(), DirectoryError::NotOurs);
        // Nor is it taken for a backup that the router was restored from: nothing is brought to it, nothing confirmed.
        let supervisor = house
            .agency()
            .desk("w-boss", StaffRole::Supervisor)
            .unwrap();
        let error = supervisor.resubmit().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Directory(DirectoryError::NotOurs)),
            "{error}"
        );
    });
}

#[test]
fn an_alarm_is_not_silenced_by_showing_the_directory_from_before_it() {
    run(async {
        let mut own = own(&["alpha", "house1"], "error").await;
        // What the router showed first, to be shown once more.
        let (again, kept) = (Arc::new(AtomicBool::new(false)), std::sync::OnceLock::new());
        let replays = again.clone();
        let replay = about(DIRECTORY, move |reply: &mut v1::GetDirectoryResponse| {
            let first = kept.get_or_init(|| reply.clone());
            if replays.load(Ordering::Relaxed) {
                reply.clone_from(first);
            }
        });
        let liar = Liar::to(&own.world, "house1", replay).await;
        let house = liar.newcomer(&own.world, "house1");
        let intake = house.desk("w-intake", StaffRole::Intake).unwrap();
        intake.mirror().await.unwrap();
        publish_as(&mut own, "house1").await;
        let error = intake.mirror().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Directory(DirectoryError::NotOurs)),
            "{error}"
        );

        again.store(true, Ordering::Relaxed);
        let error = intake.mirror().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Directory(DirectoryError::Digest)),
            "{error}"
        );
        told(&error);
        let alpha = "alpha".parse().unwrap();
        let mirrored = house.directory().unwrap();
        assert!(mirrored.sealing_key(&alpha, intake.now()).is_err());
    });
}

#[test]
fn a_source_takes_no_protocol_that_was_replaced_whether_it_saw_the_newer_one_or_starts_anew() {
    run(async {
        let own = own(&["alpha", "house1"], "error").await;
        let (again, kept) = (Arc::new(AtomicBool::new(false)), std::sync::OnceLock::new());
        let replays = again.clone();
        let replay = about(PROTOCOL, move |reply: &mut v1::GetProtocolResponse| {
            let first = kept.get_or_init(|| reply.clone());
            if replays.load(Ordering::Relaxed) {
                reply.clone_from(first);
            }
        });
        let liar = Liar::to(&own.world, "alpha", replay).await;
        let alpha = liar.newcomer(&own.world, "alpha");
        let desk = alpha.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        desk.mirror().await.unwrap();
        let newer = include_str!("../../deploy/protocol.toml");
        let newer = newer.replace("\nversion = 1\n", "\nversion = 2\n");
        let operator = own.world.desk("operator", StaffRole::Administrator);
        let published = operator.publish_protocol(2, &newer, own.town.signers());
        published.await.unwrap();
        desk.mirror().await.unwrap();

        again.store(true, Ordering::Relaxed);
        let error = desk.mirror().await.unwrap_err();
        told(&error);
        assert_eq!(alpha.protocol().unwrap().version(), 2);
        // From then on it seals nothing, until it is shown the protocol in force.
        let house = "house1".parse().unwrap();
        let sealed = |desk: &safeconduct::client::agency::Desk| {
            let mirrored = desk.agency().directory().unwrap();
            mirrored.sealing_key(&house, desk.now()).map(drop)
        };
        assert_eq!(sealed(&desk), Err(DirectoryError::OldProtocol));
        again.store(false, Ordering::Relaxed);
        desk.mirror().await.unwrap();
        assert_eq!(sealed(&desk), Ok(()));

        again.store(true, Ordering::Relaxed);
        // A program that starts anew has seen neither, and the directory's digest names the one in force.
        let anew = liar.newcomer(&own.world, "alpha");
        let desk = anew.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        let error = desk.mirror().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Directory(DirectoryError::OldProtocol)),
            "{error}"
        );
        told(&error);
        assert!(anew.protocol().is_err());
        // Nor is it told that there is none.
        let error = desk.protocol_in_force().await.unwrap_err();
        told(&error);
    });
}

#[test]
fn an_agency_that_is_not_shown_its_own_record_says_so() {
    run(async {
        let world = world().await;
        let leave_out = about(DIRECTORY, |reply: &mut v1::GetDirectoryResponse| {
            reply
                .agencies
                .retain(|agency| agency.name != "agencies/house1");
        });
        let liar = Liar::to(world, "house1", leave_out).await;
        let house = liar.newcomer(world, "house1");
        let desk = house.desk("w-intake", StaffRole::Intake).unwrap();
        let error = desk.mirror().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Directory(DirectoryError::OwnMissing)),
            "{error}"
        );
        told(&error);
    });
}

/// Opens a parcel by way of a router that lies about the opening's receipt.
async fn opened_by_way_of(
    lie: impl Fn(&mut v1::OpenParcelResponse) + Send + Sync + 'static,
) -> LogViolation {
    let world = world().await;
    let liar = Liar::to(world, "house2", about(OPEN, lie)).await;
    let house = liar.newcomer(world, "house2");
    let intake = house.desk("w-intake", StaffRole::Intake).unwrap();
    intake.mirror().await.unwrap();
    let bed = one_bed(&world.source("alpha"), "house2").await;
    let error = open(&intake, bed.offer, Stage::Triage).await.unwrap_err();
    told(&error);
    match error {
        ClientError::Log(violation) => violation,
        other => panic!("{other}"),
    }
}

#[test]
fn a_recipient_reads_nothing_whose_opening_is_left_out_of_the_log_or_not_proved_in_it() {
    run(async {
        let missing = opened_by_way_of(|reply| reply.receipt = None).await;
        assert_eq!(missing, LogViolation::NoReceipt);

        let not_included = opened_by_way_of(|reply| {
            let receipt = reply.receipt.as_mut().unwrap();
            receipt.inclusion[0][0] ^= 1;
        });
        assert_eq!(not_included.await, LogViolation::NotIncluded);

        let without_opening = opened_by_way_of(|reply| {
            let receipt = reply.receipt.as_mut().unwrap();
            receipt.nonce.clear();
            receipt.decision.clear();
        });
        assert_eq!(without_opening.await, LogViolation::NoReceipt);

        let unsigned = opened_by_way_of(|reply| {
            let receipt = reply.receipt.as_mut().unwrap();
            receipt.checkpoint = receipt.checkpoint.replacen('\u{2014}', "\u{2014} x", 1);
        });
        assert_eq!(unsigned.await, LogViolation::NotSigned);
    });
}

#[test]
fn a_recipient_reads_nothing_on_the_receipt_of_another_act() {
    run(async {
        let world = world().await;
        // The first opening's receipt, shown again for the second.
        let kept: Arc<std::sync::Mutex<Option<v1::Receipt>>> = Arc::default();
        let replay = about(OPEN, move |reply: &mut v1::OpenParcelResponse| {
            let mut kept = kept.lock().unwrap();
            match &*kept {
                Some(other) => reply.receipt = Some(other.clone()),
                None => kept.clone_from(&reply.receipt),
            }
        });
        let liar = Liar::to(world, "house2", replay).await;
        let house = liar.newcomer(world, "house2");
        let intake = house.desk("w-intake", StaffRole::Intake).unwrap();
        intake.mirror().await.unwrap();
        let alpha = world.source("alpha");
        let first = one_bed(&alpha, "house2").await;
        let second = one_bed(&alpha, "house2").await;
        assert!(open(&intake, first.offer, Stage::Triage).await.is_ok());
        let error = open(&intake, second.offer, Stage::Triage)
            .await
            .unwrap_err();
        assert!(
            matches!(error, ClientError::Log(LogViolation::OtherEntry)),
            "{error}"
        );
        told(&error);
    });
}

/// The auditor of the town, reading the real router.
fn auditor(own: &Own) -> LiveSource {
    let desk = own.world.desk("ombud", StaffRole::Auditor);
    LiveSource::new(desk.agency().session().clone(), desk.staff().clone())
}

async fn audited(
    world: &World,
    source: &mut LiveSource,
    state: &StateFile,
) -> Result<Report, String> {
    let key = NoteVerifier::parse(&world.trust.log_key).unwrap();
    let level = Some(Level::Verify);
    let outcome = check(source, level, Some(state), Some(key), &Progress::hidden()).await;
    outcome
        .map(|outcome| outcome.report)
        .map_err(|error| error.to_string())
}

/// The log, copied as its operator has it.
async fn copied(own: &Own) -> Copied {
    let mut source = auditor(own);
    let given = source.checkpoint().await.unwrap();
    let verifier = NoteVerifier::parse(&own.world.trust.log_key).unwrap();
    let size = verifier.verify(&given.note).unwrap().size;
    let mut entries = Vec::new();
    while (entries.len() as u64) < size {
        let more = source.entries(entries.len() as u64, size).await.unwrap();
        entries.extend(more);
    }
    entries.truncate(usize::try_from(size).unwrap());
    let openings = vec![v1::Opening::default(); entries.len()];
    Copied {
        entries,
        openings,
        checkpoint: given.note,
        log_key: own.world.trust.log_key.clone(),
    }
}

#[test]
fn an_entry_that_is_hidden_is_missed_by_whoever_saved_a_state_and_by_whoever_compares() {
    run(async {
        let own = own(&["alpha", "house1", "ombud"], "error").await;
        let (world, folder) = (&own.world, own.folder.path());
        let state = StateFile::new(folder.join("state"));
        let bed = one_bed(&world.source("alpha"), "house1").await;
        open(&world.intake("house1"), bed.offer, Stage::Triage)
            .await
            .unwrap();
        let report = audited(world, &mut auditor(&own), &state).await.unwrap();
        assert_eq!(report.violations().count(), 0);

        let copied = copied(&own).await;
        // The second to last: what comes after it moves up, and the size is what somebody may have seen.
        let hidden = copied.entries.len() - 2;
        let (router, ca) = (world.folder.join("router"), world.folder.join("ca"));
        let liar = LyingRouter::hide(copied, hidden, AuditLie::Rewrite, &router, &ca);
        let liar = liar.await.unwrap();
        let keys = AgencyKeys::load("ombud".parse().unwrap(), &key_files(&world.home("ombud")));
        let log = LogView::in_memory(&world.trust.log_key).unwrap();
        let ombud = safeconduct::client::agency::Agency::connect(
            keys.unwrap(),
            &liar.address(),
            world.trust.clone(),
            log,
        );
        let ombud = ombud.unwrap().desk("auditor", StaffRole::Auditor).unwrap();
        let session = ombud.agency().session();

        // With a saved state: found. Without one there is nothing to miss.
        let mut lied_to = LiveSource::new(session.clone(), ombud.staff().clone());
        let report = audited(world, &mut lied_to, &state).await.unwrap();
        let found: Vec<&Problem> = report
            .violations()
            .map(|finding| &finding.problem)
            .collect();
        assert!(
            found.contains(&&Problem::Forked) || found.contains(&&Problem::Shrunk),
            "{found:?}"
        );
        let nothing = StateFile::new(folder.join("new-state"));
        let report = audited(world, &mut lied_to, &nothing).await.unwrap();
        assert_eq!(report.violations().count(), 0);

        // Two parties who are shown two logs find out by sending each other what they kept, from either side.
        let shown = session.checkpoint(ombud.staff()).await.unwrap();
        let alpha = world.source("alpha");
        let error = alpha
            .agency()
            .session()
            .compare(alpha.staff(), &shown)
            .await;
        let error = error.unwrap_err();
        assert!(told(&error).contains("saved checkpoint"), "{error}");
        let seen = alpha.agency().log().note().unwrap();
        let error = session.compare(ombud.staff(), &seen).await.unwrap_err();
        told(&error);
        // Who is shown the same log is told so.
        let house = world.intake("house1");
        let session = house.agency().session();
        session.compare(house.staff(), &seen).await.unwrap();
    });
}

#[test]
fn a_router_that_is_wound_back_is_caught_by_clients_and_auditors_that_saw_more() {
    run(async {
        let mut own = own(&["alpha", "house1", "ombud"], "error").await;
        let state = StateFile::new(own.folder.path().join("state"));
        let store = own.town.router().store();
        let backup = own.folder.path().join("backup");
        own.town.router().stop().unwrap();
        copy_folder(&store, &backup);
        own.town.router().start().unwrap();

        // What somebody wants to be forgotten.
        let bed = one_bed(&own.world.source("alpha"), "house1").await;
        let house = own.world.intake("house1");
        open(&house, bed.offer, Stage::Triage).await.unwrap();
        audited(&own.world, &mut auditor(&own), &state)
            .await
            .unwrap();

        own.town.router().stop().unwrap();
        std::fs::remove_dir_all(&store).unwrap();
        copy_folder(&backup, &store);
        own.town.router().start().unwrap();

        let error = house.mirror().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Log(LogViolation::Rewound)),
            "{error}"
        );
        assert!(told(&error).contains("saved checkpoint"), "{error}");
        let report = audited(&own.world, &mut auditor(&own), &state).await;
        // Its own reading grows the log again, never into the one that was.
        let found = report.unwrap();
        let found: Vec<&Problem> = found.violations().map(|finding| &finding.problem).collect();
        assert!(
            found.contains(&&Problem::Shrunk) || found.contains(&&Problem::Forked),
            "{found:?}"
        );
    });
}

/// Another program of the same agency, on the same folder.
fn beside(own: &Own, agency: &str) -> safeconduct::client::agency::Desk {
    let home = own.world.home(agency);
    let keys = AgencyKeys::load(agency.parse().unwrap(), &key_files(&home)).unwrap();
    let agency = own.town.connect(keys, &home.join("checkpoint")).unwrap();
    agency.desk("w-caseworker", StaffRole::Caseworker).unwrap()
}

#[test]
fn of_two_programs_on_one_folder_none_overwrites_the_others_evidence_of_a_fork() {
    run(async {
        let mut own = own(&["alpha", "house1", "ombud"], "error").await;
        let checkpoint = own.world.home("alpha").join("checkpoint");
        let kept = || std::fs::read_to_string(&checkpoint).unwrap();
        let (desk, watch) = (own.world.source("alpha"), beside(&own, "alpha"));
        watch.mirror().await.unwrap();
        let store = own.town.router().store();
        let backup = own.folder.path().join("backup");
        own.town.router().stop().unwrap();
        copy_folder(&store, &backup);
        own.town.router().start().unwrap();
        one_bed(&desk, "house1").await;
        let evidence = kept();

        own.town.router().stop().unwrap();
        std::fs::remove_dir_all(&store).unwrap();
        copy_folder(&backup, &store);
        own.town.router().start().unwrap();
        // The other history, longer than the one that was seen, by somebody who remembers nothing.
        let anew = own.town.impostor("alpha", RetryPolicy::default()).unwrap();
        let anew = anew.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        anew.mirror().await.unwrap();
        for _ in 0..3 {
            one_bed(&anew, "house1").await;
        }

        // To this program alone, the new history continues all that it saw.
        for _ in 0..2 {
            let error = watch
                .agency()
                .session()
                .checkpoint(watch.staff())
                .await
                .unwrap_err();
            assert!(told(&error).contains("saved checkpoint"), "{error}");
            assert_eq!(kept(), evidence);
        }
        let error = desk.mirror().await.unwrap_err();
        told(&error);
        assert_eq!(kept(), evidence);
    });
}

#[test]
fn two_programs_on_one_folder_raise_no_alarm_over_each_others_progress() {
    run(async {
        let own = own(&["alpha", "house1", "ombud"], "error").await;
        let (desk, watch) = (own.world.source("alpha"), beside(&own, "alpha"));
        for _ in 0..2 {
            one_bed(&desk, "house1").await;
            watch.mirror().await.unwrap();
            one_bed(&watch, "house1").await;
            desk.mirror().await.unwrap();
        }
        let kept = std::fs::read_to_string(own.world.home("alpha").join("checkpoint")).unwrap();
        let newest = [&desk, &watch].map(|desk| desk.agency().log().note().unwrap());
        assert!(newest.contains(&kept));
    });
}

#[test]
fn a_liar_that_turns_honest_again_is_believed_again_by_whoever_had_no_mirror() {
    run(async {
        let world = world().await;
        let lying = Arc::new(AtomicBool::new(true));
        let switch = Arc::clone(&lying);
        let hide = about(DIRECTORY, move |reply: &mut v1::GetDirectoryResponse| {
            if switch.load(Ordering::SeqCst) {
                reply
                    .agencies
                    .retain(|agency| agency.name != "agencies/beta");
            }
        });
        let liar = Liar::to(world, "beta", hide).await;
        let beta = liar.newcomer(world, "beta");
        let desk = beta.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        assert!(desk.mirror().await.is_err());
        lying.store(false, Ordering::SeqCst);
        assert!(desk.mirror().await.is_ok());
    });
}

#[test]
fn a_source_that_asks_for_witnesses_seals_nothing_by_a_log_that_they_did_not_see() {
    run(async {
        let world = world().await;
        let witness = Cosigner::ed25519("witness.example", &[9; 32]).unwrap();
        let policy = format!("witness w {}\nquorum w\n", witness.vkey());
        let policy = Policy::parse(&policy).unwrap();
        let seen = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&seen);
        // The witness sees what this client is shown, or it does not.
        let cosign = about(CHECKPOINT, move |reply: &mut v1::GetCheckpointResponse| {
            if switch.load(Ordering::SeqCst) {
                let at = reply.checkpoint.find("\n\n").unwrap() + 1;
                let line = witness.cosign(&reply.checkpoint[..at], system_clock()());
                reply.checkpoint.push_str(&line);
            }
        });
        let liar = Liar::to(world, "beta", cosign).await;
        let beta = liar.careful_newcomer(world, "beta", policy);
        let desk = beta.desk("w-caseworker", StaffRole::Caseworker).unwrap();
        let house1 = "house1".parse().unwrap();
        let mirrored = desk.mirror().await.unwrap();
        let refused = mirrored.sealing_key(&house1, desk.now()).unwrap_err();
        assert_eq!(refused, DirectoryError::NotVouched);
        seen.store(true, Ordering::SeqCst);
        let mirrored = desk.mirror().await.unwrap();
        assert!(mirrored.sealing_key(&house1, desk.now()).is_ok());
        // Witnesses that are away for a while stop nothing that they have seen.
        seen.store(false, Ordering::SeqCst);
        let mirrored = desk.mirror().await.unwrap();
        assert!(mirrored.sealing_key(&house1, desk.now()).is_ok());
    });
}
