//! Scenario B: a woman who refuses the police and needs a bed tonight (R2, R5, R6, R7, R12, R16).

use std::collections::HashMap;

use safeconduct::client::agent::{LaterParcels, Plan, SourceAgent};
use safeconduct::demo::people::{self, SAMIRA_CANARIES};
use safeconduct::domain::matching::{Duty, Member, Needs};
use safeconduct::domain::vocabulary::{
    DeclineReason, Decliner, OfferState, Outcome, PlacementGender, Purpose, ReferralState,
    ReportsTo, Requirement, StaffRole, Stage, Urgency,
};

use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{HOUSE_ACCEPTED, HOUSE_TRIAGE, Person, Told, assert_seen, rank, read};
use crate::harness::run;
use crate::harness::simulated::Simulated;

/// Everybody who is not in the scenario's table, and those of whom it says that they see nothing.
const NOBODY: &[&str] = &[
    "beta",
    "house3",
    "camp",
    "clinic",
    "medic",
    "law",
    "csw",
    "ident",
    "moi",
    "moi-atu",
    "moi-border-sid",
    "moi-asylum",
    "dpo-moi",
];

/// The camp is shown apart, with why; one tap cannot select it (R2).
fn the_camp_stands_apart(person: &Person) {
    let needs = Needs {
        purpose: Purpose::SafeAccommodation,
        group: vec![Member {
            age_from: 31,
            age_to: 31,
            gender: PlacementGender::Woman,
        }],
        settings: Vec::new(),
        languages: vec!["ar".parse().unwrap()],
        interpreter_gender: Some(PlacementGender::Woman),
        accessibility: Vec::new(),
        areas: Vec::new(),
        now: person.source.now(),
        place_by: None,
        leaves_soon: false,
        excluded: Vec::new(),
        refused_reports: vec![ReportsTo::Police],
        refused_requirements: vec![Requirement::AsylumRegistration],
    };
    let ranking = rank(&person.source, &needs);
    let fit: Vec<&str> = ranking.fit.iter().map(|one| one.agency.as_str()).collect();
    assert_eq!(fit, ["house1", "house2"]);
    assert_eq!(ranking.apart.len(), 1);
    assert_eq!(ranking.apart[0].agency.as_str(), "camp");
    assert_eq!(
        ranking.apart[0].duties,
        [
            Duty::ReportsTo(ReportsTo::Police),
            Duty::Requires(Requirement::AsylumRegistration)
        ]
    );
}

/// Samira at alpha, asked for at both houses; the agent has its plan.
async fn asked(
    own: &Simulated,
) -> (
    Person,
    SourceAgent,
    safeconduct::client::source::SentReferral,
    Heard,
) {
    let person = Person::new(&own.world.source("alpha"), people::samira());
    the_camp_stands_apart(&person);
    let bases = [
        person.agrees_to_bed("house1").await,
        person.agrees_to_bed("house2").await,
    ];
    let told: Vec<Told<'_>> = bases
        .iter()
        .zip(["Rima", "Hala"])
        .map(|(basis, alias)| Told {
            basis,
            alias,
            triage: HOUSE_TRIAGE,
        })
        .collect();
    let sent = person
        .asks(Purpose::SafeAccommodation, Urgency::Immediate, &told)
        .await;
    let later: HashMap<_, _> = told
        .iter()
        .map(|one| {
            let parcels = LaterParcels {
                basis: one.basis.clone(),
                stages: vec![(Stage::Accepted, person.cut(one.alias, HOUSE_ACCEPTED))],
            };
            (one.basis.recipient.clone(), parcels)
        })
        .collect();
    let agent = SourceAgent::new(own.world.desk("alpha", StaffRole::Process));
    agent.plan(Plan {
        referral: sent.referral,
        purpose: Purpose::SafeAccommodation,
        recipients: later,
    });
    let heard = Heard::of(&sent, &bases[0]);
    (person, agent, sent, heard)
}

#[test]
fn she_has_a_bed_within_the_half_hour_and_no_authority_learns_of_it() {
    run(async {
        let mut own = town_at(1, 40).await;
        let house1 = own.world.intake("house1");
        let beds = "beds".parse().unwrap();
        house1.update_pool(&beds, 6, 0).await.unwrap();
        let eyes = Eyes::of(&own.world, NOBODY).await;

        own.minutes(3).await;
        let (person, agent, sent, heard) = asked(&own).await;
        let offer = sent.offers[0].1;
        own.minutes(6).await;
        let triage = read(&own.world, "house1", offer, Stage::Triage).await;
        assert_seen(
            &triage,
            &[
                ("age.band", "\"ADULT\""),
                ("care.needs", "[\"PREGNANT\",\"MEDICATION_TONIGHT\"]"),
                ("care.trimester", "3"),
                (
                    "family.counts",
                    "[{\"band\":\"ADULT\",\"count\":1,\"placement_gender\":\"WOMAN\"}]",
                ),
                ("language.interpreter_gender", "\"WOMAN\""),
                ("language.languages", "[\"ar\"]"),
                ("placement.area", "\"BELGRADE\""),
                ("placement.keep_together", "true"),
                ("placement.placement_gender", "\"WOMAN\""),
                ("placement.settings", "[\"ROOM\",\"WOMEN_ONLY\"]"),
                ("placement.tonight", "true"),
                ("threat.level", "\"POSSIBLE_NEARBY\""),
            ],
        );
        // Two taps.
        house1.acknowledge(offer).await.unwrap();
        own.minutes(6).await;
        house1.accept(offer, Some((&beds, 1))).await.unwrap();
        let view = person.source.referral(sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Placed);
        assert_eq!(view.offers[1].state, OfferState::Closed);
        agent.catch_up().await.unwrap();
        let accepted = read(&own.world, "house1", offer, Stage::Accepted).await;
        assert_eq!(accepted["identity.alias"], "\"Rima\"");
        assert_eq!(
            accepted["contact.never"],
            "\"call her; messages go through alpha\""
        );
        assert!(accepted["do_not_meet.descriptions"].contains("her partner"));
        assert!(!accepted.keys().any(|path| path.starts_with("nationality")));

        own.minutes(15).await;
        house1.check_in(offer).await.unwrap();
        let pool = &house1.pools().await.unwrap()[0];
        assert_eq!((pool.available, pool.occupied), (5, 1));

        // Days later she is asked about the police, once; her no is recorded in the desk and goes nowhere.
        own.pass(2 * crate::harness::scene::DAY).await;
        let view = person.source.referral(sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::InProgress);
        house1
            .complete(offer, Outcome::ServiceProvided)
            .await
            .unwrap();
        own.ends(&eyes, &heard, &SAMIRA_CANARIES).await;
    });
}

#[test]
fn a_house_that_wants_a_police_report_first_may_say_so_and_the_next_is_asked_already() {
    run(async {
        let mut own = town_at(1, 40).await;
        let eyes = Eyes::of(&own.world, NOBODY).await;
        let (person, _, sent, heard) = asked(&own).await;
        own.minutes(4).await;
        let [(_, first), (_, second)] = sent.offers[..] else {
            panic!("two houses are asked");
        };
        own.world
            .intake("house1")
            .decline(first, DeclineReason::RequiresPoliceReport, Decliner::Agency)
            .await
            .unwrap();
        let view = person.source.referral(sent.referral).await.unwrap();
        assert_eq!(view.offers[0].state, OfferState::Declined);
        assert_eq!(
            view.offers[0].decline_reason,
            Some(DeclineReason::RequiresPoliceReport)
        );
        let house2 = own.world.intake("house2");
        house2.accept(second, None).await.unwrap();
        let view = person.source.referral(sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Placed);
        own.ends(&eyes, &heard, &SAMIRA_CANARIES).await;
    });
}
