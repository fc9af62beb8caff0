//! What each kind of agency gets to see at each stage, and nothing else (R4, invariant 20).

use std::fmt::Write as _;

use safeconduct::client::source::Candidate;
use safeconduct::domain::label::LabelSet;
use safeconduct::domain::vocabulary::{Asked, Purpose, Stage};

use crate::harness::record::FullRecord;
use crate::harness::scene::{allow, consent, new_case, open, permitted, tonight};
use crate::harness::{World, run, world};

const GOLDEN: &str = "tests/golden/minimisation.txt";

const HEAD: &str = "\
# What the gate lets through of a record in which every field is filled, where the person agreed to everything:
# by kind of agency and purpose, at each stage, and what more where each label was asked for by itself.
# Every line was sealed, sent, opened and read over real connections. A change here is a change of what is told.
";

/// One agency of each kind that a source of the town may ask.
const RECIPIENTS: [(&str, Purpose); 9] = [
    ("house1", Purpose::SafeAccommodation),
    ("camp", Purpose::SafeAccommodation),
    ("beta", Purpose::LegalAssistance),
    ("medic", Purpose::MedicalCare),
    ("law", Purpose::LegalDefence),
    ("moi-atu", Purpose::CrimeReport),
    ("moi-asylum", Purpose::AsylumProcedure),
    ("ident", Purpose::FormalIdentification),
    ("csw", Purpose::ChildProtection),
];

const STAGES: [Stage; 3] = [Stage::Triage, Stage::Accepted, Stage::InCare];

/// Asks, answers and opens; gives what was read at each stage.
async fn told(world: &World, to: &str, purpose: Purpose, asked: Asked) -> [LabelSet; 3] {
    let source = world.source("alpha");
    let record = FullRecord::marked("told");
    let case = new_case();
    let mut draft = consent(&source, case, to, purpose, LabelSet::ALL);
    draft.allows = vec![allow(&source, purpose, LabelSet::ALL, asked)];
    let basis = source.record_basis(draft).await.unwrap();
    let everything = record.cut(LabelSet::ALL);
    assert_eq!(
        everything
            .iter()
            .map(|field| field.label)
            .collect::<LabelSet>(),
        LabelSet::ALL
    );
    let sets = STAGES.map(|stage| permitted(&source, &basis, purpose, stage));
    let parcels = STAGES.iter().zip(sets).filter(|(_, set)| !set.is_empty());
    let candidate = Candidate {
        basis: &basis,
        parcels: parcels
            .map(|(stage, set)| (*stage, record.cut(set)))
            .collect(),
    };
    let ask = tonight(&source, case, purpose);
    let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
    let offer = sent.offers[0].1;

    let recipient = world.intake(to);
    let mut read = [LabelSet::EMPTY; 3];
    for (at, stage) in STAGES.into_iter().enumerate() {
        match stage {
            Stage::Triage => {}
            Stage::Accepted => drop(recipient.accept(offer, None).await.unwrap()),
            Stage::InCare => drop(recipient.check_in(offer).await.unwrap()),
        }
        if sets[at].is_empty() {
            continue;
        }
        let parcel = open(&recipient, offer, stage).await.unwrap();
        read[at] = parcel
            .fields
            .iter()
            .map(|field| field.field.label)
            .collect();
        assert_eq!(read[at], sets[at], "{to}: read is what was let through");
        let expected = record.cut(sets[at]);
        assert_eq!(
            parcel.fields.len(),
            expected.len(),
            "{to}: every field, and no other"
        );
    }
    read
}

#[test]
fn each_agency_sees_only_its_categories() {
    run(async {
        let world = world().await;
        let mut text = HEAD.to_owned();
        let source = world.source("alpha");
        let directory = source.agency().directory().unwrap();
        for (to, purpose) in RECIPIENTS {
            let kind = directory.member(&to.parse().unwrap()).unwrap().kind;
            let bundle = told(world, to, purpose, Asked::Bundle).await;
            let specific = told(world, to, purpose, Asked::Specific).await;
            writeln!(text, "\n{} {}", kind.name(), purpose.name()).unwrap();
            let mut before = LabelSet::EMPTY;
            for (at, stage) in STAGES.into_iter().enumerate() {
                let lines = [
                    ("", bundle[at].beyond(before)),
                    (" if asked", specific[at].beyond(bundle[at]).beyond(before)),
                ];
                for (when, labels) in lines {
                    if !labels.is_empty() {
                        let names: Vec<String> =
                            labels.iter().map(|label| label.to_string()).collect();
                        writeln!(text, "  {}{when}: {}", stage.name(), names.join(" ")).unwrap();
                    }
                }
                before = before.union(specific[at]);
            }
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if golden != text {
            let new = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("minimisation.txt");
            std::fs::write(&new, &text).unwrap();
            panic!(
                "{GOLDEN} is not what is told now; compare with {}",
                new.display()
            );
        }
    });
}
