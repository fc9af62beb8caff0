//! A distinctive mark in everything, and nowhere it may not be (invariants 21 and 23).

use data_encoding::BASE64URL_NOPAD;
use safeconduct::client::source::{AlsoAsked, Candidate};
use safeconduct::domain::label::LabelSet;
use safeconduct::domain::vocabulary::{
    DeclineReason, Decliner, Outcome, Purpose, StaffRole, Stage,
};
use safeconduct::envelope::keys::sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::record::{FullRecord, needles};
use crate::harness::scene::{
    ACCEPTED, BED, TRIAGE, consent, labels, new_case, open, permitted, tonight,
};
use crate::harness::search::{files, search};
use crate::harness::{Own, assert_replays, own, run};

/// Whom a person can tell most, with what may be told to each at triage and once accepted.
const RECIPIENTS: [(&str, Purpose); 4] = [
    ("house1", Purpose::SafeAccommodation),
    ("medic", Purpose::MedicalCare),
    ("law", Purpose::LegalDefence),
    ("moi-atu", Purpose::CrimeReport),
];

const STAGES: [Stage; 3] = [Stage::Triage, Stage::Accepted, Stage::InCare];

/// Tells one recipient all that may be told, and lets it open everything and finish.
async fn tell(
    own: &Own,
    record: &FullRecord,
    to: &str,
    purpose: Purpose,
    secret: &str,
) -> LabelSet {
    let source = own.world.source("alpha");
    let case = new_case();
    let mut draft = consent(&source, case, to, purpose, LabelSet::ALL);
    draft.evidence = sha256(secret.as_bytes());
    let basis = source.record_basis(draft).await.unwrap();
    let sets = STAGES.map(|stage| permitted(&source, &basis, purpose, stage));
    let stages = STAGES.iter().zip(sets).filter(|(_, set)| !set.is_empty());
    let parcels = stages
        .map(|(stage, set)| (*stage, record.cut(set)))
        .collect();
    let candidate = Candidate {
        basis: &basis,
        parcels,
    };
    let ask = tonight(&source, case, purpose);
    let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
    let offer = sent.offers[0].1;
    let desk = own.world.intake(to);
    desk.acknowledge(offer).await.unwrap();
    open(&desk, offer, Stage::Triage).await.unwrap();
    desk.accept(offer, None).await.unwrap();
    if !sets[1].is_empty() {
        open(&desk, offer, Stage::Accepted).await.unwrap();
    }
    desk.check_in(offer).await.unwrap();
    if !sets[2].is_empty() {
        open(&desk, offer, Stage::InCare).await.unwrap();
    }
    desk.complete(offer, Outcome::ServiceProvided)
        .await
        .unwrap();
    sets.into_iter().fold(LabelSet::EMPTY, LabelSet::union)
}

/// A second one, withdrawn; and a third, declined.
async fn more(own: &Own, record: &FullRecord) {
    let source = own.world.source("alpha");
    let house1 = own.world.intake("house1");
    for withdrawn in [true, false] {
        let case = new_case();
        let allowed = labels(&[TRIAGE, ACCEPTED].concat()).closed();
        let basis = source.record_basis(consent(&source, case, "house1", BED, allowed));
        let basis = basis.await.unwrap();
        let candidate = Candidate {
            basis: &basis,
            parcels: vec![
                (Stage::Triage, record.cut(labels(TRIAGE))),
                (Stage::Accepted, record.cut(labels(ACCEPTED))),
            ],
        };
        let ask = tonight(&source, case, BED);
        let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
        let offer = sent.offers[0].1;
        open(&house1, offer, Stage::Triage).await.unwrap();
        if withdrawn {
            let also = AlsoAsked {
                erase: true,
                leave: false,
            };
            source.withdraw_basis(&basis, also).await.unwrap();
        } else {
            let reason = DeclineReason::RequiresPoliceReport;
            house1
                .decline(offer, reason, Decliner::Agency)
                .await
                .unwrap();
        }
    }
}

/// What the agencies themselves keep secret: sealing seeds, and tokens as they travelled.
fn secrets(own: &Own) -> Vec<Vec<u8>> {
    let mut secrets = Vec::new();
    for agency in ["alpha", "house1", "medic", "law", "moi-atu"] {
        for file in files(&own.world.home(agency).join("keys")) {
            if file
                .extension()
                .is_some_and(|extension| extension == "seed")
            {
                let kept: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                let seed = BASE64URL_NOPAD.decode(kept["seed"].as_str().unwrap().as_bytes());
                secrets.extend(needles(&seed.unwrap()));
            }
        }
        for role in [StaffRole::Caseworker, StaffRole::Intake] {
            let wire = own.world.wire(agency, role);
            let signature = wire.token().rsplit('.').next().unwrap().to_owned();
            assert_eq!(signature.len(), 86);
            secrets.push(signature.into_bytes());
        }
    }
    assert!(secrets.len() >= 5 * 7, "{}", secrets.len());
    secrets
}

async fn metrics(own: &mut Own) -> Vec<u8> {
    let address = own.town.router().admin();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: router\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    assert!(
        reply.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&reply)
    );
    reply
}

#[test]
fn nothing_of_a_person_is_found_in_the_routers_files_log_or_metrics() {
    run(async {
        let members = ["alpha", "house1", "medic", "law", "moi", "moi-atu", "ombud"];
        let mut own = own(&members, "trace").await;
        let mark = "kanarek7q9z";
        let record = FullRecord::marked(mark);
        let secret = "refuses-police-excludes-camp-kanarek7q9z";
        let mut told = LabelSet::EMPTY;
        for (to, purpose) in RECIPIENTS {
            told = told.union(tell(&own, &record, to, purpose, secret).await);
        }
        let untold = LabelSet::ALL.beyond(told);
        assert!(
            untold.is_empty(),
            "some field was sent to nobody: {untold:?}"
        );
        more(&own, &record).await;

        assert_replays(&own.world);
        let metrics = metrics(&mut own).await;
        let secrets = secrets(&own);
        let router = own.town.router();
        router.kill();
        let mut places = vec![("metrics".to_owned(), metrics)];
        let log = std::fs::read(router.log_file()).unwrap();
        assert!(
            log.len() > 10_000,
            "the log is at trace level: {} bytes",
            log.len()
        );
        places.push(("log".to_owned(), log));
        let mut stored = 0;
        for file in files(&router.store()) {
            let bytes = std::fs::read(&file).unwrap();
            stored += bytes.len();
            places.push((file.display().to_string(), bytes));
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.contains(mark));
        }
        assert!(
            stored > 100_000,
            "the store holds the parcels: {stored} bytes"
        );

        let mut all = record.needles();
        all.extend(needles(secret.as_bytes()));
        all.extend(secrets);
        assert_eq!(search(&places, &all), None);

        // The control: what may be there is found by the same search.
        let named = [b"agency=house1".to_vec(), b"agency:house1".to_vec()];
        assert!(
            search(&places, &named).is_some(),
            "not even an agency's name is found"
        );
    });
}

/// The search itself: a mark is found raw, in hexadecimal, and in base64 at every alignment.
#[test]
fn a_mark_is_found_however_it_is_written() {
    let secret = b"kanarek7q9z";
    for before in 0..6 {
        let text = [vec![b'x'; before], secret.to_vec(), b"yyy".to_vec()].concat();
        let encoded = BASE64URL_NOPAD.encode(&text).into_bytes();
        let places = [("text".to_owned(), encoded)];
        assert!(
            search(&places, &needles(secret)).is_some(),
            "{before} before"
        );
    }
    let places = [(
        "hex".to_owned(),
        data_encoding::HEXLOWER.encode(secret).into_bytes(),
    )];
    assert!(search(&places, &needles(secret)).is_some());
}
