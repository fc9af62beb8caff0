//! What auditors may read, ask and say: each by their mandate, each act an entry of its own.

use std::process::Command;

use safeconduct::audit::acts::Act;
use safeconduct::client::acts::ActRun;
use safeconduct::client::audit::LiveSource;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::vocabulary::{
    AccessFinding, ActClass, DeclineReason, Decliner, ReviewRule, StaffRole, Stage,
};
use safeconduct::ledger::question::{About, Question};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::scene::{ask_for_bed, bed_basis, new_case, one_bed, open};
use crate::harness::{Own, World, assert_replays, own, run};

const TOWN: [&str; 8] = [
    "alpha",
    "beta",
    "house1",
    "house2",
    "ombud",
    "dpa",
    "dpo-house1",
    "dpo-house2",
];

fn auditor(world: &World, agency: &str, pseudonym: &str) -> LiveSource {
    let desk = world
        .agency(agency)
        .desk(pseudonym, StaffRole::Auditor)
        .unwrap();
    LiveSource::new(desk.agency().session().clone(), desk.staff().clone())
}

async fn ask(world: &World, agency: &str, question: Question) -> Vec<Act> {
    let mut reader = auditor(world, agency, "a1").acts(question, 0);
    let mut acts = Vec::new();
    while let Some(ActRun { acts: more, .. }) = reader.next().await.unwrap() {
        acts.extend(more);
    }
    acts
}

async fn all(world: &World, agency: &str) -> Vec<Act> {
    ask(world, agency, Question::default()).await
}

fn about(about: About) -> Question {
    Question {
        about: Some(about),
        ..Question::default()
    }
}

fn of(classes: &[ActClass]) -> Question {
    Question {
        classes: classes.to_vec(),
        ..Question::default()
    }
}

fn by<'a>(acts: &'a [Act], agencies: &'a [&str]) -> Vec<&'a Act> {
    let of = |act: &&Act| {
        act.agency()
            .is_some_and(|id| agencies.contains(&id.as_str()))
    };
    acts.iter().filter(of).collect()
}

fn indexes<'a>(acts: impl IntoIterator<Item = &'a Act>) -> Vec<u64> {
    acts.into_iter().map(|act| act.index).collect()
}

/// One person, asked for at house1 and house2; house1 opens, house2 declines because it wants a police report.
async fn evening(world: &World) -> [OfferId; 2] {
    let source = world.source("alpha");
    let case = new_case();
    let bases = [
        bed_basis(&source, case, "house1").await,
        bed_basis(&source, case, "house2").await,
    ];
    let sent = ask_for_bed(&source, case, &bases).await;
    let offers = [sent.offers[0].1, sent.offers[1].1];
    let (house1, house2) = (world.intake("house1"), world.intake("house2"));
    open(&house1, offers[0], Stage::Triage).await.unwrap();
    open(&house2, offers[1], Stage::Triage).await.unwrap();
    let reason = DeclineReason::RequiresPoliceReport;
    house2
        .decline(offers[1], reason, Decliner::Agency)
        .await
        .unwrap();
    offers
}

async fn town() -> Own {
    own(&TOWN, "warn").await
}

#[test]
fn an_office_reads_exactly_what_its_agency_did_and_may_not_read_whole_runs() {
    run(async {
        let own = town().await;
        let world = &own.world;
        evening(world).await;
        one_bed(&world.source("beta"), "house1").await;

        let everything = all(world, "ombud").await;
        let seen = all(world, "dpo-house1").await;
        assert!(
            seen.iter()
                .all(|act| act.decision.is_some() || act.event() == "keys")
        );
        let before: Vec<u64> = indexes(by(&everything, &["house1", "dpo-house1"]));
        assert_eq!(indexes(&seen), before);
        assert!(seen.iter().any(|act| act.event() == "opened"));
        // What alpha deposited for house1 names alpha's case: it is alpha's act, and nobody else's (R3).
        assert!(!seen.iter().any(|act| act.event() == "offered"));

        let wire = world.wire("dpo-house1", StaffRole::Auditor);
        for method in ["AuditService/ListEntries", "AuditService/ReadOpenings"] {
            let refused = wire
                .refused(method, &v1::ListEntriesRequest::default())
                .await;
            assert_eq!(refused.code, Code::PermissionDenied, "{method}");
        }
        let checkpoint = v1::GetCheckpointRequest {};
        let proof = v1::ProveInclusionRequest {
            index: before[0],
            size: 4 + before[0],
        };
        let _: v1::GetCheckpointResponse = wire
            .ask("AuditService/GetCheckpoint", &checkpoint)
            .await
            .unwrap();
        let _: v1::ProveInclusionResponse = wire
            .ask("AuditService/ProveInclusion", &proof)
            .await
            .unwrap();
        assert_replays(world);
    });
}

#[test]
fn an_office_cannot_join_what_two_recipients_hold_nor_learn_a_kept_reason_r3() {
    run(async {
        let own = town().await;
        let world = &own.world;
        let quiet = |acts: Vec<Act>| {
            let acts = acts.into_iter().filter(|act| act.event() != "audit_read");
            acts.map(|act| act.event()).collect::<Vec<_>>()
        };
        let before = quiet(all(world, "dpo-house2").await);
        let bed = one_bed(&world.source("alpha"), "house1").await;
        open(&world.intake("house1"), bed.offer, Stage::Triage)
            .await
            .unwrap();
        assert_eq!(quiet(all(world, "dpo-house2").await), before);

        let [first, second] = evening(world).await;
        for offer in [first, second] {
            let answer = ask(world, "dpo-house1", about(About::CaseOf(offer))).await;
            assert!(answer.is_empty(), "{answer:?}");
        }
        let others = ask(world, "dpo-house1", about(About::Offer(second))).await;
        assert!(others.is_empty(), "{others:?}");
        let own_offer = ask(world, "dpo-house1", about(About::Offer(first))).await;
        assert!(own_offer.iter().any(|act| act.event() == "opened"));

        // A withdrawn parcel is "not found" to the house; only oversight reads why.
        let source = world.source("alpha");
        let also = AlsoAsked {
            erase: false,
            leave: false,
        };
        source.withdraw_basis(&bed.basis, also).await.unwrap();
        let house1 = world.intake("house1");
        let refused = house1.fetch(bed.offer, Stage::Triage).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::NotFound));
        let denials = of(&[ActClass::Denials]);
        let national = ask(world, "dpa", denials.clone()).await;
        assert!(!by(&national, &["house1"]).is_empty(), "{national:?}");
        let office = ask(world, "dpo-house1", denials).await;
        assert!(office.is_empty(), "{office:?}");
    });
}

#[test]
fn national_oversight_reads_everything_and_every_question_is_an_entry_before_its_answer() {
    run(async {
        let own = town().await;
        let world = &own.world;
        let [first, second] = evening(world).await;
        for body in ["dpa", "ombud"] {
            let acts = all(world, body).await;
            let count = acts.len() as u64;
            assert_eq!(indexes(&acts), (0..count).collect::<Vec<_>>());
        }
        // Who opened anything about this offer; who declined for a reason that alerts; all of the case.
        let opened = Question {
            about: Some(About::Offer(first)),
            ..of(&[ActClass::Disclosures])
        };
        let opened = ask(world, "ombud", opened).await;
        assert_eq!(by(&opened, &["house1"]).len(), opened.len());
        assert_eq!(opened.len(), 1);
        let declined = ask(world, "dpa", of(&[ActClass::AlertingDeclines])).await;
        assert_eq!(declined.len(), 1);
        assert_eq!(declined[0].text("offer"), Some(second.to_string().as_str()));
        let case = ask(world, "ombud", about(About::CaseOf(first))).await;
        let events = |wanted: &str| case.iter().filter(|act| act.event() == wanted).count();
        assert_eq!((events("basis_recorded"), events("offered")), (2, 2));
        assert_eq!(events("opened"), 2);
        let staff = Question {
            agency: Some("house2".parse().unwrap()),
            staff: Some("w-intake".parse().unwrap()),
            ..Question::default()
        };
        let staff = ask(world, "ombud", staff).await;
        assert!(
            staff
                .iter()
                .all(|act| act.text("staff") == Some("w-intake"))
        );
        assert_eq!(staff.len(), 2);

        let asked = ask(world, "dpa", of(&[ActClass::Oversight])).await;
        let recorded: Vec<String> = asked
            .iter()
            .filter_map(|act| act.decision.as_ref()?.get("question"))
            .map(ToString::to_string)
            .collect();
        let offer = format!("\"about\":\"offer/{first}\"");
        assert!(
            recorded.iter().any(|question| question.contains(&offer)),
            "{recorded:#?}"
        );
        assert!(
            recorded
                .iter()
                .any(|question| question.contains("ALERTING_DECLINES"))
        );
        assert_replays(world);
    });
}

#[test]
fn pages_and_streams_give_the_same_acts_and_go_on_where_they_stopped() {
    run(async {
        let own = town().await;
        let world = &own.world;
        evening(world).await;
        let filter = Some(v1::ActFilter {
            agency: "agencies/alpha".into(),
            ..v1::ActFilter::default()
        });
        let question = Question {
            agency: Some("alpha".parse().unwrap()),
            ..Question::default()
        };
        let streamed = indexes(&ask(world, "ombud", question.clone()).await);
        let wire = world.wire("ombud", StaffRole::Auditor);
        let (mut paged, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListActsRequest {
                filter: filter.clone(),
                start: 0,
                page_size: 2,
                page_token,
            };
            let page: v1::ListActsResponse =
                wire.ask("AuditService/ListActs", &request).await.unwrap();
            assert!(page.acts.len() <= 2);
            paged.extend(page.acts.iter().map(|act| act.index));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(paged, streamed);
        assert!(streamed.len() > 4);

        let from = streamed[2];
        let mut rest = auditor(world, "ombud", "a1").acts(question, from);
        let first = rest.next().await.unwrap().unwrap();
        assert_eq!(indexes(&first.acts), streamed[2..]);

        let token = v1::ListActsRequest {
            page_token: "no token of ours".into(),
            ..v1::ListActsRequest::default()
        };
        let past = v1::ListActsRequest {
            start: u64::MAX,
            ..v1::ListActsRequest::default()
        };
        let staff = v1::ListActsRequest {
            filter: Some(v1::ActFilter {
                staff: "w1".into(),
                ..v1::ActFilter::default()
            }),
            ..v1::ListActsRequest::default()
        };
        let event = v1::ListActsRequest {
            filter: Some(v1::ActFilter {
                events: vec!["no such event".into()],
                ..v1::ActFilter::default()
            }),
            ..v1::ListActsRequest::default()
        };
        for (request, code) in [
            (event, Code::InvalidArgument),
            (token, Code::InvalidArgument),
            (past, Code::OutOfRange),
            (staff, Code::InvalidArgument),
        ] {
            let refused = wire.refused("AuditService/ListActs", &request).await;
            assert_eq!(refused.code, code);
        }
    });
}

#[test]
fn a_finding_is_settled_by_two_people_and_an_office_judges_its_own_agency_only() {
    run(async {
        let own = town().await;
        let world = &own.world;
        let [first, _] = evening(world).await;
        let opened = Question {
            about: Some(About::Offer(first)),
            ..of(&[ActClass::Disclosures])
        };
        let index = ask(world, "ombud", opened).await[0].index;
        let offered = ask(world, "ombud", about(About::Offer(first))).await[0].index;
        let (rule, misuse) = (ReviewRule::Burst, AccessFinding::Misuse);
        let (a, b) = (
            auditor(world, "dpo-house1", "a"),
            auditor(world, "dpo-house1", "b"),
        );
        let reason = |result: Result<u64, ClientError>| result.unwrap_err().reason();

        assert_eq!(
            reason(a.dispose(rule, index, misuse, true).await),
            Some(Reason::NotFound)
        );
        a.dispose(rule, index, misuse, false).await.unwrap();
        assert_eq!(
            reason(a.dispose(rule, index, misuse, true).await),
            Some(Reason::NeedsSecondPerson)
        );
        let justified = AccessFinding::Justified;
        assert_eq!(
            reason(b.dispose(rule, index, justified, true).await),
            Some(Reason::DispositionOther)
        );
        b.dispose(rule, index, misuse, true).await.unwrap();
        // Neither confirmed nor recorded again: that would unsettle it.
        for confirms in [true, false] {
            assert_eq!(
                reason(b.dispose(rule, index, misuse, confirms).await),
                Some(Reason::DispositionConfirmed)
            );
        }

        // Another agency's act is not the office's to judge, and no index tells it whose act it is.
        for other in [offered, u64::MAX] {
            assert_eq!(
                reason(a.dispose(rule, other, misuse, false).await),
                Some(Reason::NotPermitted)
            );
        }
        let ombud = auditor(world, "ombud", "a");
        ombud.dispose(rule, index, justified, false).await.unwrap();
        assert_eq!(
            reason(a.dispose(rule, index, misuse, false).await),
            Some(Reason::DispositionNational)
        );
        assert_replays(world);
    });
}

fn program(world: &World, agency: &str, args: &[&str]) -> (Option<i32>, String) {
    let router = format!("https://{}:{}", world.address.host, world.address.port);
    let output = Command::new(env!("CARGO_BIN_EXE_safeconduct"))
        .args(args)
        .args(["--router", &router])
        .args(["--server-name", &world.address.server_name])
        .arg("--identity")
        .arg(world.home(agency))
        .arg("--trust")
        .arg(world.folder.join("trust"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said + &why)
}

#[test]
fn the_program_answers_who_opened_an_offer_when_at_which_stage_and_by_which_right() {
    run(async {
        let own = town().await;
        let world = &own.world;
        let [first, _] = evening(world).await;
        let offer = first.to_string();
        let ask = ["audit", "acts", "--offer", &offer, "--disclosures"];
        let whole = ["audit", "acts", "--offer", &offer];
        let (code, said) = program(world, "ombud", &whole);
        assert_eq!(code, Some(0), "{said}");
        for wanted in [
            "house1 / w-intake",
            "opened TRIAGE",
            "right: CONSENT basis",
            "for SAFE_ACCOMMODATION",
            " UTC",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );

        let folder = own.folder.path().join("export");
        let to = folder.display().to_string();
        let (code, exported) = program(world, "ombud", &["audit", "export", "--to", &to]);
        assert_eq!(code, Some(0), "{exported}");
        for output in ["text", "json", "balp", "ocsf"] {
            let told = Command::new(env!("CARGO_BIN_EXE_safeconduct"))
                .args(ask)
                .args(["--output", output, "--folder", &to])
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            assert!(told.contains("CONSENT basis"), "{output}: {told}");
            assert!(!told.contains("fact"), "{output}: {told}");
        }
        // By the basis alone: who read under it, although an opening names none.
        let chain = said.split_once("right: CONSENT basis ").unwrap().1;
        let chain = chain.split_whitespace().next().unwrap();
        for source in [&["--folder", to.as_str()][..], &[]] {
            let mut asked = vec!["audit", "acts", "--basis", chain, "--disclosures"];
            asked.extend(source);
            let (code, told) = if source.is_empty() {
                program(world, "ombud", &asked)
            } else {
                let told = Command::new(env!("CARGO_BIN_EXE_safeconduct"))
                    .args(&asked)
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&told.stdout).into_owned();
                (told.status.code(), said)
            };
            assert_eq!(code, Some(0), "{told}");
            assert!(told.contains("opened TRIAGE"), "{source:?}: {told}");
        }
        // An office reads its own, and that the right stands elsewhere.
        let (code, said) = program(world, "dpo-house1", &whole);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("opened TRIAGE"), "{said}");
        assert!(said.contains("not among these acts"), "{said}");
        // What is beyond its mandate is no empty answer, whether such an agency is there or not.
        for other in ["house2", "alpha", "nobody-of-that-name"] {
            let of = ["audit", "acts", "--output", "json", "--agency", other];
            let (code, said) = program(world, "dpo-house1", &of);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("your mandate does not reach"), "{said}");
        }
        for own in ["house1", "dpo-house1"] {
            let (code, said) = program(world, "dpo-house1", &["audit", "acts", "--agency", own]);
            assert_eq!(code, Some(0), "{said}");
        }

        // The whole log is not its to read: it is told what is, and three tries within an hour are a finding.
        let path = |name: &str| own.folder.path().join(name).display().to_string();
        let (state, copy, report) = (path("office"), path("copy"), path("report"));
        for line in [
            &["verify"][..],
            &["openings"],
            &["replay"],
            &["export", "--to", &copy],
            &["watermark", "--state", &state],
            &["report", "--to", &report],
        ] {
            let (code, said) = program(world, "dpo-house1", &[&["audit"], line].concat());
            assert_eq!(code, Some(2), "{line:?}: {said}");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            let wanted = "your mandate does not reach the whole log";
            assert!(said.contains(wanted), "{line:?}: {said}");
        }
        let checkpoint = ["audit", "verify", "--checkpoint-only"];
        assert_eq!(program(world, "dpo-house1", &checkpoint).0, Some(3));
        let (code, said) = program(world, "ombud", &["audit", "review"]);
        assert_eq!(code, Some(1), "{said}");
        let probes = said.lines().find(|line| line.contains("REPEATED_PROBES"));
        assert!(probes.unwrap().contains(": dpo-house1 / "), "{said}");
    });
}

#[test]
fn a_review_finds_probes_and_ends_once_two_people_have_settled_them() {
    run(async {
        let own = town().await;
        let world = &own.world;
        let house1 = world.wire("house1", StaffRole::Intake);
        let others = v1::ListOffersRequest {
            parent: "agencies/house2".into(),
            ..v1::ListOffersRequest::default()
        };
        for _ in 0..3 {
            let refused = house1.refused("OfferService/ListOffers", &others).await;
            assert_eq!(refused.code, Code::PermissionDenied);
        }
        let state = own.folder.path().join("state").display().to_string();
        let review = |agency: &str, more: &[&str]| {
            let args = [&["audit", "review", "--state", &state][..], more].concat();
            program(world, agency, &args)
        };
        let (code, said) = review("ombud", &["--output", "json"]);
        assert_eq!(code, Some(1), "{said}");
        let report: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
        assert_eq!(report["whole"], true);
        assert_eq!(report["findings"][0]["rule"], "REPEATED_PROBES");
        assert_eq!(report["findings"][0]["agency"], "house1");
        assert_eq!(report["unsettled"], 1);
        let index = report["findings"][0]["index"].to_string();

        // The house's own office finds the same, in what it may read, each proved to be in the log.
        let (code, said) = program(world, "dpo-house1", &["audit", "review"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!("REPEATED_PROBES entry {index}:")),
            "{said}"
        );
        assert!(said.contains("within your mandate"), "{said}");

        // What the review does not find is nobody's to dispose of.
        let (rule, no_finding) = (["--rule", "BURST"], ["--index", &index]);
        let line = [
            &["audit", "dispose", "--as", "justified"][..],
            &rule,
            &no_finding,
        ]
        .concat();
        let (code, said) = program(world, "dpo-house1", &line);
        assert_eq!(code, Some(2), "{said}");
        let there = format!("it finds REPEATED_PROBES entry {index}");
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&there), "{said}");

        let dispose = |staff: &str, more: &[&str]| {
            let of = [
                "audit",
                "dispose",
                "--rule",
                "REPEATED_PROBES",
                "--index",
                &index,
            ];
            let said = ["--as", "justified", "--staff", staff];
            program(world, "dpo-house1", &[&of[..], &said, more].concat())
        };
        let words = |said: &str| said.split_whitespace().collect::<Vec<_>>().join(" ");
        let (code, said) = dispose("p2", &["--confirm"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            words(&said).contains(": not looked at yet. Nothing was recorded"),
            "{said}"
        );
        assert!(words(&said).contains("without --confirm"), "{said}");
        let (code, said) = dispose("p1", &[]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(review("ombud", &[]).0, Some(1));
        // Whoever contradicts is told what stands, and by whom.
        let contrary = [
            "audit",
            "dispose",
            "--rule",
            "REPEATED_PROBES",
            "--as",
            "misuse",
        ];
        let contrary = [&contrary[..], &["--index", &index, "--confirm"]].concat();
        let (code, said) = program(world, "ombud", &contrary);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            words(&said).contains(": JUSTIFIED by dpo-house1 / p1 (entry "),
            "{said}"
        );
        let (code, said) = dispose("p1", &["--confirm"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("another --staff"), "{said}");
        let (code, said) = dispose("p2", &["--confirm"]);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = review("ombud", &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("JUSTIFIED by dpo-house1 / p1"), "{said}");
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );
        let (code, said) = dispose("p1", &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(words(&said).contains("it stands already"), "{said}");

        let folder = own.folder.path().join("export").display().to_string();
        let (code, _) = program(world, "ombud", &["audit", "export", "--to", &folder]);
        assert_eq!(code, Some(0));
        let copied = Command::new(env!("CARGO_BIN_EXE_safeconduct"))
            .args(["audit", "review", "--folder", &folder, "--state", &state])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&copied.stdout).into_owned();
        assert_eq!(copied.status.code(), Some(0), "{said}");
        assert!(said.contains("confirmed by dpo-house1 / p2"), "{said}");

        // Another verdict says what it replaces, and the review goes on to show that.
        let otherwise = contrary.iter().filter(|word| **word != "--confirm");
        let otherwise: Vec<&str> = otherwise.copied().collect();
        let (code, said) = program(world, "ombud", &otherwise);
        assert_eq!(code, Some(0), "{said}");
        for wanted in [
            "This replaces JUSTIFIED by dpo-house1 / p1",
            "counts as unsettled until another person confirms it",
        ] {
            assert!(words(&said).contains(wanted), "{said}");
        }
        let (code, said) = review("ombud", &[]);
        assert_eq!(code, Some(1), "{said}");
        let both = ["not confirmed yet; it replaces JUSTIFIED", "/ p2 (entry "];
        assert!(
            both.iter().all(|part| words(&said).contains(part)),
            "{said}"
        );
        assert_replays(world);
    });
}

#[test]
fn a_watermark_says_that_the_log_was_replayed_up_to_the_entry_named_and_counts_in_replay() {
    run(async {
        let own = town().await;
        let world = &own.world;
        evening(world).await;
        let state = own.folder.path().join("state").display().to_string();
        let mark = |more: &[&str]| {
            let line = [&["audit", "watermark", "--state", &state][..], more].concat();
            program(world, "ombud", &line)
        };
        let (code, said) = mark(&["--upto", "100000"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("there is no entry 100000"), "{said}");
        assert!(!std::path::Path::new(&state).exists());

        // What nothing is compared with vouches for no end of openings: a mistyped state's name, say.
        let (code, said) = mark(&["--upto", "9"]);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("No watermark: "), "{said}");

        let (code, said) = mark(&["--upto", "9"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("replayed up to entry 9."), "{said}");
        let fits = |said: &str| said.lines().all(|line| line.chars().count() <= 80);
        assert!(fits(&said), "{said}");
        let marks = |acts: &[Act]| {
            let marks = acts.iter().filter(|act| act.event().contains("watermark"));
            marks
                .map(|act| act.text("staff").map(str::to_owned))
                .collect::<Vec<_>>()
        };
        // By the pseudonym that every audit command has, unless another is given.
        assert_eq!(
            marks(&all(world, "ombud").await),
            [Some("auditor".to_owned())]
        );
        let (code, said) = mark(&[]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(marks(&all(world, "ombud").await).len(), 2);
        // One that is behind it is told how far that goes.
        let (code, said) = mark(&["--upto", "9"]);
        assert_eq!(code, Some(2), "{said}");
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("replayed up to entry "), "{said}");
        assert!(words.contains("leave --upto out"), "{said}");
        assert_eq!(marks(&all(world, "ombud").await).len(), 2);
        assert_replays(world);
    });
}
