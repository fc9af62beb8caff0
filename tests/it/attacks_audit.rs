//! Attacks on what strangers and auditors are given: over the wire, with real certificates.

use safeconduct::audit::acts::Act;
use safeconduct::audit::source::AuditSource as _;
use safeconduct::client::audit::LiveSource;
use safeconduct::client::connect::RouterAddress;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::log::Proven;
use safeconduct::demo::town::{Town, TownOptions};
use safeconduct::domain::vocabulary::{AccessFinding, ReviewRule, StaffRole};
use safeconduct::envelope::watermark::Watermark;
use safeconduct::ledger::note::NoteVerifier;
use safeconduct::ledger::question::Question;
use safeconduct::proto::v1;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Code;

use crate::harness::liar::{Liar, about};
use crate::harness::witness::read;
use crate::harness::{World, assert_replays, binary, members, own, run};

const TOWN: [&str; 5] = ["alpha", "house1", "ombud", "dpa", "dpo-house1"];

const ACTS: &str = "AuditService/ReadActs";

/// More than one address has of the readers' places.
const TOO_MANY: usize = 20;

/// How often an auditor says the same.
const SAID: usize = 30;

/// How often somebody else tries while the stranger's places become free.
const ATTEMPTS_MAX: usize = 1_000;

fn auditor(world: &World, agency: &str, pseudonym: &str) -> LiveSource {
    let desk = world
        .agency(agency)
        .desk(pseudonym, StaffRole::Auditor)
        .unwrap();
    LiveSource::new(desk.agency().session().clone(), desk.staff().clone())
}

/// A town with settings of its own.
async fn with(set: impl FnOnce(&mut TownOptions)) -> (TempDir, Town, World) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut options = TownOptions::new(binary(), folder.path().join("town"));
    options.members = members();
    options.members.retain(|member| TOWN.contains(&member.id));
    set(&mut options);
    let town = Town::start(options.clone()).await.unwrap();
    let world = World::of(&town, &options.members).await;
    (folder, town, world)
}

#[test]
fn a_stranger_who_holds_every_connection_it_gets_keeps_nobody_else_out_for_long() {
    run(async {
        let (_folder, mut town, world) =
            with(|options| options.publication = Some(String::new())).await;
        let address = town.router().published();
        let mut held = Vec::new();
        for _ in 0..TOO_MANY {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        // The last is closed without a word; the first wait for a handshake that never comes.
        let last = held.last_mut().unwrap();
        assert!(last.read_u8().await.is_err());
        drop(held);
        let home = world.home("house1");
        let mut answer = read(&world, address, Some(&home), "/checkpoint").await;
        for _ in 0..ATTEMPTS_MAX {
            if answer.is_ok() {
                break;
            }
            answer = read(&world, address, Some(&home), "/checkpoint").await;
        }
        assert_eq!(answer.unwrap().status, 200);
    });
}

#[test]
fn an_office_does_not_take_back_what_a_national_body_has_confirmed() {
    run(async {
        let own = own(&TOWN, "warn").await;
        let world = &own.world;
        // The house's own keys: an act of its own.
        let mut everything = auditor(world, "ombud", "o").acts(Question::default(), 0);
        let acts = everything.next().await.unwrap().unwrap().acts;
        let by_house = |act: &&Act| act.agency().is_some_and(|id| id.as_str() == "house1");
        let index = acts.iter().find(by_house).unwrap().index;
        let (rule, misuse) = (ReviewRule::Burst, AccessFinding::Misuse);
        let (office, dpa) = (
            auditor(world, "dpo-house1", "a"),
            auditor(world, "dpa", "b"),
        );
        office.dispose(rule, index, misuse, false).await.unwrap();
        dpa.dispose(rule, index, misuse, true).await.unwrap();
        let justified = AccessFinding::Justified;
        let taken_back = office.dispose(rule, index, justified, false).await;
        let reason = taken_back.unwrap_err().reason();
        assert_eq!(reason, Some(Reason::DispositionNational));
        assert_replays(world);
    });
}

#[test]
fn a_watermark_over_a_fork_is_refused_and_so_is_a_members() {
    run(async {
        let own = own(&TOWN, "warn").await;
        let world = &own.world;
        let verifier = NoteVerifier::parse(&world.trust.log_key).unwrap();
        let desk = |agency: &str, role| world.agency(agency).desk("a", role).unwrap();
        let ombud = desk("ombud", StaffRole::Auditor);
        let mut source = auditor(world, "ombud", "a");
        let note = source.checkpoint().await.unwrap().note;
        let seen = verifier.verify(&note).unwrap();
        let mut watermark = Watermark {
            auditor: "ombud".parse().unwrap(),
            origin: seen.origin.clone(),
            upto: seen.size,
            root: [7; 32],
            report: [0; 32],
            issued: ombud.now(),
        };
        let refused = |outcome: Result<_, ClientError>| match outcome {
            Err(ClientError::Refused(refused)) => refused.code,
            other => panic!("{:?}", other.map(|_: Proven| ())),
        };
        let forked = ombud.record_watermark(&watermark).await;
        assert_eq!(refused(forked), Code::InvalidArgument);
        watermark.root = *seen.root.as_bytes();
        for (agency, role) in [
            ("house1", StaffRole::Intake),
            ("dpo-house1", StaffRole::Auditor),
        ] {
            let member = desk(agency, role).record_watermark(&watermark).await;
            assert_eq!(refused(member), Code::PermissionDenied, "{agency}");
        }
        ombud.record_watermark(&watermark).await.unwrap();
        assert_replays(world);
    });
}

/// A program of the ombudsperson's, at a router that lies; its exit code, and all that it said.
fn asked(world: &World, router: &RouterAddress, line: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(binary())
        .args(line)
        .args([
            "--router",
            &format!("https://{}:{}", router.host, router.port),
        ])
        .args(["--server-name", &router.server_name])
        .arg("--identity")
        .arg(world.home("ombud"))
        .arg("--trust")
        .arg(world.folder.join("trust"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said.into_owned())
}

#[test]
fn a_router_does_not_keep_an_act_from_a_review_by_withholding_what_opens_it() {
    run(async {
        let own = own(&TOWN, "warn").await;
        let world = &own.world;
        // Only to questions: whoever replays is given every opening.
        let withhold = about(ACTS, |reply: &mut v1::ReadActsResponse| {
            let opened = |act: &&mut v1::Act| !act.decision.is_empty();
            let act = reply.acts.iter_mut().find(opened).expect("an act");
            act.nonce.clear();
            act.decision.clear();
        });
        let liar = Liar::to(world, "ombud", withhold).await;
        let (code, said) = asked(world, liar.address(), &["audit", "review"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("NO_OPENING"), "{said}");
        let folder = own.folder.path().join("report");
        let report = ["audit", "report", "--to", folder.to_str().unwrap()];
        let (_, said) = asked(world, liar.address(), &report);
        let page = std::fs::read_to_string(folder.join("report.html")).expect(&said);
        assert!(page.contains("Not made: "), "{page}");
    });
}

#[test]
fn a_router_does_not_show_a_review_another_log_than_the_one_that_is_checked() {
    run(async {
        let own = own(&TOWN, "warn").await;
        let world = &own.world;
        let replace = about(ACTS, |reply: &mut v1::ReadActsResponse| {
            let mut acts = reply.acts.iter_mut();
            let (before, act) = (acts.next().expect("an act"), acts.next().expect("two acts"));
            let index = act.index;
            *act = v1::Act {
                index,
                ..before.clone()
            };
        });
        let liar = Liar::to(world, "ombud", replace).await;
        let folder = own.folder.path().join("report");
        let report = ["audit", "report", "--to", folder.to_str().unwrap()];
        let (_, said) = asked(world, liar.address(), &report);
        let page = std::fs::read_to_string(folder.join("report.html")).expect(&said);
        assert!(page.contains("Not made: "), "{page}");
    });
}

#[test]
fn an_auditor_who_says_the_same_for_ever_does_not_fill_the_log() {
    run(async {
        let limits = "openings_per_minute = 4\nalarms_per_minute = 3\naudits_per_minute = 5\n";
        let (_folder, _town, world) = with(|options| options.limits = limits.into()).await;
        let wire = world.wire("ombud", StaffRole::Auditor);
        let method = "AuditService/RecordDisposition";
        let mut taken = 0;
        for _ in 0..SAID {
            let request = v1::RecordDispositionRequest {
                request_id: safeconduct::client::session::request_id(),
                rule: 1,
                index: 1,
                finding: 1,
            };
            match wire
                .ask::<v1::RecordDispositionResponse>(method, &request)
                .await
            {
                Ok(_) => taken += 1,
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
            }
        }
        assert!((5..SAID).contains(&taken), "{taken}");
    });
}
