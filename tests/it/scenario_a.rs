//! Scenario A: a man exploited by smugglers. The doctor, the lawyer and the house each read their part, and nobody
//! else learns that he was there (R1, R2, R3, R4, R12).

use std::collections::HashSet;

use safeconduct::demo::people;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::matching::{Duty, Member, Needs};
use safeconduct::domain::vocabulary::{
    OfferState, PlacementGender, Purpose, ReportsTo, Requirement, Stage, Urgency,
};
use safeconduct::envelope::statement::SealedParcel;
use safeconduct::proto::v1::{DoNotMeetFacts, HealthFacts, Record, StatementFacts};

use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{HOUSE_ACCEPTED, HOUSE_TRIAGE, Person, Told, assert_seen, rank, read};
use crate::harness::run;
use crate::harness::simulated::Simulated;

/// Everybody who is not in the scenario's table.
const NOBODY: &[&str] = &[
    "beta",
    "house1",
    "house3",
    "camp",
    "clinic",
    "csw",
    "ident",
    "moi",
    "moi-atu",
    "moi-border-sid",
    "moi-asylum",
    "dpo-moi",
];

const CANARIES: &[&str] = &[
    "he carried the bag over the river",
    "the one with the green jacket",
    "scar on the left hand",
    "he collected the money",
];

const MEDIC_TRIAGE: &[&str] = &["LANGUAGE/WHOLE", "CARE_NEEDS/ACUITY"];
const MEDIC_ACCEPTED: &[&str] = &["IDENTITY/ALIAS", "HEALTH/FUNCTIONAL"];
const MEDIC_ASKED: &[&str] = &["HARM/WHOLE"];
const LAW_TRIAGE: &[&str] = &["LANGUAGE/WHOLE"];
const LAW_ACCEPTED: &[&str] = &["IDENTITY/ALIAS"];
const LAW_ASKED: &[&str] = &["PUNISHABLE_ACTS/WHOLE", "STATEMENT/WHOLE"];

fn farid() -> Record {
    Record {
        health: Some(HealthFacts {
            measures: vec!["a quiet room; one tablet at night".into()],
            ..Default::default()
        }),
        do_not_meet: Some(DoNotMeetFacts {
            descriptions: vec![format!("two men, {}", CANARIES[1])],
        }),
        statement: Some(StatementFacts {
            text: CANARIES[0].into(),
        }),
        ..people::farid()
    }
}

/// One ask, said yes to, and told the rest.
struct Asked {
    basis: Basis,
    offer: OfferId,
}

struct Part<'a> {
    to: &'a str,
    purpose: Purpose,
    alias: &'a str,
    triage: &'a [&'a str],
    accepted: &'a [&'a str],
    asked: &'a [&'a str],
}

const PARTS: [Part<'_>; 3] = [
    Part {
        to: "house2",
        purpose: Purpose::SafeAccommodation,
        alias: "Omar",
        triage: HOUSE_TRIAGE,
        accepted: HOUSE_ACCEPTED,
        asked: &[],
    },
    Part {
        to: "medic",
        purpose: Purpose::MedicalCare,
        alias: "Zaman",
        triage: MEDIC_TRIAGE,
        accepted: MEDIC_ACCEPTED,
        asked: MEDIC_ASKED,
    },
    Part {
        to: "law",
        purpose: Purpose::LegalDefence,
        alias: "Mr K.",
        triage: LAW_TRIAGE,
        accepted: LAW_ACCEPTED,
        asked: LAW_ASKED,
    },
];

/// Consent, ask, yes, and everything that may then be told.
async fn refer(own: &Simulated, person: &Person, part: &Part<'_>) -> Asked {
    let bundle = [part.triage, part.accepted].concat();
    let basis = person
        .agrees(part.to, part.purpose, &bundle, part.asked)
        .await;
    let told = Told {
        basis: &basis,
        alias: part.alias,
        triage: part.triage,
    };
    let sent = person.asks(part.purpose, Urgency::Emergency, &[told]).await;
    let offer = sent.offers[0].1;
    let desk = own.world.intake(part.to);
    desk.acknowledge(offer).await.unwrap();
    read(&own.world, part.to, offer, Stage::Triage).await;
    desk.accept(offer, None).await.unwrap();
    let told = Told {
        basis: &basis,
        alias: part.alias,
        triage: part.triage,
    };
    let later = [part.accepted, part.asked].concat();
    person.tells(offer, &told, Stage::Accepted, &later).await;
    Asked { basis, offer }
}

/// What the caseworker's desk shows before he chooses.
fn the_desk_shows_duties(person: &Person) {
    let mut needs = Needs {
        purpose: Purpose::MedicalCare,
        group: Vec::new(),
        settings: Vec::new(),
        languages: vec!["ps".parse().unwrap()],
        interpreter_gender: Some(PlacementGender::Man),
        accessibility: Vec::new(),
        areas: Vec::new(),
        now: person.source.now(),
        place_by: None,
        leaves_soon: false,
        excluded: Vec::new(),
        refused_reports: vec![ReportsTo::Police],
        refused_requirements: vec![Requirement::AsylumRegistration],
    };
    let doctors = rank(&person.source, &needs);
    let fit: Vec<&str> = doctors.fit.iter().map(|one| one.agency.as_str()).collect();
    assert_eq!(fit, ["medic"]);
    assert_eq!(doctors.apart[0].agency.as_str(), "clinic");
    assert_eq!(
        doctors.apart[0].duties,
        [Duty::ReportsTo(ReportsTo::Police)]
    );
    needs.purpose = Purpose::SafeAccommodation;
    needs.group = vec![Member {
        age_from: 27,
        age_to: 27,
        gender: PlacementGender::Man,
    }];
    let beds = rank(&person.source, &needs);
    let fit: Vec<&str> = beds.fit.iter().map(|one| one.agency.as_str()).collect();
    assert_eq!(fit, ["house2"], "{:?}", beds.unfit);
}

/// Ids, digests, ciphertexts and commitments: no two recipients hold one in common (R3).
fn assert_nothing_joins(parcels: &[SealedParcel]) {
    let mut all = HashSet::new();
    for parcel in parcels {
        let mut own: HashSet<Vec<u8>> = HashSet::new();
        own.insert(parcel.statement.clone());
        own.insert(parcel.enc.to_vec());
        own.insert(parcel.wrapped.to_vec());
        own.extend(parcel.labels.iter().map(|one| one.digest.to_vec()));
        own.extend(parcel.fields.iter().map(|field| field.to_vec()));
        for part in own {
            assert!(all.insert(part), "two recipients hold the same bytes");
        }
    }
}

#[test]
fn three_read_their_part_of_him_and_nobody_else_learns_that_he_was_there() {
    run(async {
        let own = town_at(19, 0).await;
        let eyes = Eyes::of(&own.world, NOBODY).await;
        let person = Person::new(&own.world.source("alpha"), farid());
        the_desk_shows_duties(&person);
        let mut asked = Vec::new();
        let mut parcels = Vec::new();
        for part in &PARTS {
            let one = refer(&own, &person, part).await;
            for stage in [Stage::Triage, Stage::Accepted] {
                let desk = own.world.intake(part.to);
                parcels.push(desk.fetch(one.offer, stage).await.unwrap());
            }
            asked.push(one);
        }

        // house2: one adult man, Pashto, what a bed needs; nothing of what was done or what he was made to do.
        let house2 = read(&own.world, "house2", asked[0].offer, Stage::Triage).await;
        assert_seen(
            &house2,
            &[
                ("age.band", "\"ADULT\""),
                ("care.needs", "[\"DOCTOR_TONIGHT\"]"),
                ("language.interpreter_gender", "\"MAN\""),
                ("language.languages", "[\"ps\"]"),
                ("placement.area", "\"BELGRADE\""),
                ("placement.placement_gender", "\"MAN\""),
                ("placement.settings", "[\"MIXED\"]"),
                ("placement.tonight", "true"),
                ("threat.level", "\"POSSIBLE_NEARBY\""),
            ],
        );
        let house2 = read(&own.world, "house2", asked[0].offer, Stage::Accepted).await;
        assert_seen(
            &house2,
            &[
                (
                    "do_not_meet.descriptions",
                    "[\"two men, the one with the green jacket\"]",
                ),
                ("gender.gender", "\"MASCULINE\""),
                ("health.measures", "[\"a quiet room; one tablet at night\"]"),
                ("identity.alias", "\"Omar\""),
            ],
        );
        let medic = read(&own.world, "medic", asked[1].offer, Stage::Accepted).await;
        let groups = |seen: &std::collections::BTreeMap<String, String>| -> Vec<String> {
            let mut groups: Vec<String> = seen
                .keys()
                .map(|path| path.split('.').next().unwrap().to_owned())
                .collect();
            groups.dedup();
            groups
        };
        assert_eq!(groups(&medic), ["harm", "health", "identity"]);
        assert_eq!(medic["identity.alias"], "\"Zaman\"");
        let law = read(&own.world, "law", asked[2].offer, Stage::Accepted).await;
        assert_eq!(
            groups(&law),
            ["identity", "punishable_acts", "statement", "trafficking"]
        );
        // By value: forced criminality is a punishable act wherever it stands (R4).
        assert_eq!(
            law["trafficking.exploitation@PUNISHABLE_ACTS"],
            "[\"FORCED_CRIMINALITY\"]"
        );
        assert_nothing_joins(&parcels);

        let heard = Heard {
            offer: asked[0].offer.to_string(),
            basis: asked[0].basis.chain.to_string(),
            case: person.case.to_string(),
            ..Heard::nothing()
        };
        own.ends(&eyes, &heard, CANARIES).await;
    });
}

/// The variant: he later tells the police unit of the extortion, and of nothing else.
#[test]
fn a_report_he_chooses_to_make_tells_the_unit_what_he_chose_and_not_that_there_is_more() {
    run(async {
        let own = town_at(10, 0).await;
        let others: Vec<&str> = NOBODY
            .iter()
            .copied()
            .filter(|id| *id != "moi-atu")
            .chain(["house2", "medic", "law"])
            .collect();
        let eyes = Eyes::of(&own.world, &others).await;
        let part = Part {
            to: "moi-atu",
            purpose: Purpose::CrimeReport,
            alias: "F.",
            triage: &["LANGUAGE/WHOLE", "AGE/CHILD_OR_ADULT"],
            accepted: &["IDENTITY/ALIAS", "CONTACT/VIA_SOURCE"],
            asked: &["STATEMENT/WHOLE", "TRAFFICKING/WHOLE"],
        };
        let mut record = farid();
        record.contact = Some(safeconduct::proto::v1::ContactFacts {
            via_source: Some(true),
            ..Default::default()
        });
        let mut seen = Vec::new();
        for with_acts in [true, false] {
            let mut record = record.clone();
            if !with_acts {
                record.punishable_acts = None;
                let trafficking = record.trafficking.as_mut().unwrap();
                trafficking.exploitation.truncate(1);
            }
            let person = Person::new(&own.world.source("alpha"), record);
            let asked = refer(&own, &person, &part).await;
            let parcel = read(&own.world, "moi-atu", asked.offer, Stage::Accepted).await;
            assert!(
                !parcel.values().any(|value| value.contains("CRIMINALITY")),
                "{parcel:?}"
            );
            assert_eq!(parcel["contact.via_source"], "true");
            assert_eq!(parcel["statement.text"], format!("\"{}\"", CANARIES[0]));
            let view = own
                .world
                .intake("moi-atu")
                .offer(asked.offer)
                .await
                .unwrap();
            assert_eq!(view.state, OfferState::Accepted);
            seen.push(parcel);
        }
        // What the unit holds is the same whether or not there is a part about what he was made to do.
        assert_eq!(seen[0], seen[1]);
        own.ends(&eyes, &Heard::nothing(), CANARIES).await;
    });
}
