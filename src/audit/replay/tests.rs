use super::super::fixture::{Memory, TRIAGE, Town};
use super::super::{Audit, Level, Report};
use super::*;
use crate::domain::gate::Refusal;
use crate::domain::vocabulary::{AgencyKind, Alarm, Category, Form, OfferState, Purpose, Stage};
use crate::envelope::act::ActBody;
use crate::envelope::error::StatementError;
use crate::envelope::jws::JwsError;
use crate::ledger::checkpoint::Checkpoint;

mod carried;
mod digests;
mod expiry;
mod onward;
mod turns;

fn replay(log: &Memory) -> Report {
    let mut audit = Audit::new(Level::Replay, None);
    for (entry, opening) in &log.log {
        let _ = audit.feed(entry, opening.as_ref());
    }
    let checkpoint: Checkpoint = log.checkpoint();
    audit.finish(&checkpoint)
}

/// The town's log replayed: exactly these are found.
pub(super) fn finds(town: &Town, expected: &[(u64, Problem)]) -> Counts {
    let report = replay(&town.source());
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.index.unwrap(), finding.problem.clone()))
        .collect();
    assert_eq!(found, expected);
    report.counts.unwrap()
}

#[test]
fn an_ordinary_night_is_replayed_without_a_finding() {
    let counts = finds(&Town::ordinary(), &[]);
    assert_eq!((counts.disclosures, counts.covered), (2, 2));
    assert_eq!((counts.deposits, counts.bases), (2, 1));
}

#[test]
fn the_first_entrys_pins_are_shown() {
    let town = Town::new();
    let pins = replay(&town.source()).pins.unwrap();
    use crate::envelope::keys::Signer as _;
    let mut expected: Vec<_> = town
        .admins
        .iter()
        .map(|a| a.verifying_key().spki_kid())
        .collect();
    expected.sort();
    assert_eq!(pins.administrators, expected);
    assert_eq!(pins.authorities.len(), 1);
}

#[test]
fn an_opening_after_the_withdrawal_is_found() {
    // Invariant 13.
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    town.open(offer, Stage::Triage);
    town.withdraw();
    let opened = town.open(offer, Stage::Triage);
    let counts = finds(&town, &[(opened, Problem::AfterWithdrawal)]);
    assert_eq!((counts.disclosures, counts.covered), (2, 1));
}

#[test]
fn a_label_beyond_the_basis_is_found_at_deposit_and_at_opening() {
    // Invariant 12.
    let mut town = Town::new();
    town.record_basis();
    let care = (Category::CareNeeds, Form::Acuity);
    let deposit = town.parcel(Stage::Triage, &[care], "ngo");
    let (offer, offered) = town.offered(deposit);
    let opened = town.open(offer, Stage::Triage);
    let uncovered = Refusal::NotCovered(
        std::iter::once(crate::domain::label::Label::new(care.0, care.1).unwrap()).collect(),
    );
    let expected = [
        (offered, Problem::DepositNotCovered(uncovered)),
        (opened, Problem::NotCovered(uncovered)),
    ];
    finds(&town, &expected);
}

#[test]
fn a_stage_that_the_offer_had_not_reached_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    town.deposit(offer, Stage::Accepted, &[(Category::Identity, Form::Alias)]);
    let early = town.open(offer, Stage::Accepted);
    finds(&town, &[(early, Problem::NotCovered(Refusal::Stage))]);
}

#[test]
fn a_superseded_basis_covers_nothing_more() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let statement = town.basis(&TRIAGE[..1]);
    town.push(
        Town::by("ngo"),
        Decision::BasisRecorded {
            statement,
            staff: "s1".into(),
        },
    );
    let opened = town.open(offer, Stage::Triage);
    let report = replay(&town.source());
    let [finding] = report.findings.as_slice() else {
        panic!("{:?}", report.findings)
    };
    assert_eq!(finding.index, Some(opened));
    assert!(matches!(
        finding.problem,
        Problem::NotCovered(Refusal::NotCovered(_))
    ));
}

#[test]
fn a_basis_signed_by_another_agency_is_found() {
    let mut town = Town::new();
    let statement = town.basis(TRIAGE);
    let index = town.push(
        Town::by("shelter"),
        Decision::BasisRecorded {
            statement,
            staff: "s".into(),
        },
    );
    finds(&town, &[(index, Problem::NoKey)]);
}

#[test]
fn a_basis_with_a_changed_claim_is_found() {
    let mut town = Town::new();
    let statement = town.basis(TRIAGE);
    let mut parts: Vec<String> = statement.split('.').map(str::to_owned).collect();
    let claims = data_encoding::BASE64URL_NOPAD
        .decode(parts[1].as_bytes())
        .unwrap();
    let claims = String::from_utf8(claims)
        .unwrap()
        .replace("AGE/BAND", "AGE/EXACT");
    parts[1] = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
    let statement = parts.join(".");
    let index = town.push(
        Town::by("ngo"),
        Decision::BasisRecorded {
            statement,
            staff: "s".into(),
        },
    );
    finds(
        &town,
        &[(
            index,
            Problem::Basis(StatementError::Jws(JwsError::Signature)),
        )],
    );
}

#[test]
fn a_disclosure_without_any_basis_or_parcel_is_found() {
    let mut town = Town::new();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (offer, offered) = town.offered(deposit);
    let opened = town.open(offer, Stage::Triage);
    finds(
        &town,
        &[(offered, Problem::NoBasis), (opened, Problem::NoBasis)],
    );
    let mut town = Town::new();
    let decision = Decision::Opened {
        offer: offer.to_string(),
        stage: "TRIAGE".into(),
        parcel: crate::domain::id::ParcelId::from_random([0; 16]).to_string(),
        statement_hash: String::new(),
        protocol: 1,
        gate: 1,
        staff: "s".into(),
    };
    let opened = town.push(Town::by("shelter"), decision);
    finds(&town, &[(opened, Problem::Offer)]);
}

#[test]
fn a_parcel_swapped_after_its_deposit_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let first = town.offer(TRIAGE);
    let second = town.offer(TRIAGE);
    let opened = town.open(first, Stage::Triage);
    // The same opening, told of the other offer.
    let (_, Some(given)) = town.log.pop().unwrap() else {
        panic!("an opening")
    };
    let mut opening = Opening::parse(&given.nonce, &given.decision).unwrap();
    if let Decision::Opened { offer, .. } = &mut opening.decision {
        *offer = second.to_string();
    }
    assert_eq!(town.push(Town::by("shelter"), opening.decision), opened);
    finds(&town, &[(opened, Problem::NoParcel)]);
}

#[test]
fn labels_that_the_statement_does_not_sign_are_found() {
    let mut town = Town::new();
    town.record_basis();
    let mut deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    deposit.labels[0].form = deposit.labels[1].form.clone();
    deposit.labels[0].cat = deposit.labels[1].cat.clone();
    let (_, index) = town.offered(deposit);
    finds(&town, &[(index, Problem::Parcel(StatementError::Labels))]);
}

#[test]
fn an_opening_by_someone_else_is_found() {
    let mut town = Town::new();
    town.enrol("police", AgencyKind::Police);
    town.record_basis();
    let offer = town.offer(TRIAGE);
    town.open(offer, Stage::Triage);
    let (_, Some(given)) = town.log.pop().unwrap() else {
        panic!("an opening")
    };
    let opening = Opening::parse(&given.nonce, &given.decision).unwrap();
    let index = town.push(Town::by("police"), opening.decision);
    finds(&town, &[(index, Problem::Actor)]);
}

#[test]
fn one_administrator_is_not_two() {
    let mut town = Town::new();
    let enrol = |id: &str| ActBody::Enrol {
        agency: id.parse().unwrap(),
        kind: AgencyKind::Police,
        parent: None,
    };
    let act = town.act(enrol("p1"));
    let alone = town.approval(&act, &town.admins[0]);
    let other = town.approval(&town.act(enrol("p2")), &town.admins[1]);
    let stranger = crate::envelope::keys::KeyPairSigner::generate().unwrap().0;
    let strange = town.approval(&act, &stranger);
    let approved = |approval: &str| Decision::Approved {
        proposal: "p".into(),
        statement: act.clone(),
        approval: approval.into(),
    };
    let first = town.push(Actor::Admin, approved(&alone));
    town.push(Actor::Admin, approved(&other));
    town.push(Actor::Admin, approved(&strange));
    let good = town.approval(&act, &town.admins[1]);
    town.push(Actor::Admin, approved(&good));
    town.push(Actor::Admin, approved(&good));
    finds(
        &town,
        &[
            (first, Problem::SameAdministrator),
            (first + 1, Problem::OtherAct),
            (first + 2, Problem::NotAdministrator),
            (first + 4, Problem::ActNotForThis),
        ],
    );
}

#[test]
fn keys_of_a_stranger_or_out_of_order_are_found() {
    let mut town = Town::new();
    let skipped = town.bundle("ngo");
    let index = town.push_body(Town::by("shelter"), EntryBody::Keys { bundle: skipped });
    let third = town.bundle("ngo");
    town.push_body(Town::by("ngo"), EntryBody::Keys { bundle: third });
    // Another authority's town issues to the same name.
    let mut other = Town::new();
    let foreign = other.bundle("shelter");
    town.push_body(Town::by("shelter"), EntryBody::Keys { bundle: foreign });
    finds(
        &town,
        &[
            (index, Problem::Actor),
            (index + 1, Problem::Bundle(StatementError::Sequence)),
            (index + 2, Problem::Chain),
        ],
    );
}

#[test]
fn a_suspended_agency_opens_nothing() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let statement = town.act(ActBody::Suspend {
        agency: "shelter".parse().unwrap(),
    });
    town.push(Actor::Admin, Decision::Suspended { statement });
    let index = town.open(offer, Stage::Triage);
    finds(&town, &[(index, Problem::Suspended)]);
}

#[test]
fn moves_that_the_state_or_the_clock_forbids_are_found() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let skipped = town.moved(offer, OfferState::InProgress);
    let unsaid = town.moved(offer, OfferState::Declined);
    let lapse = |offer: &str| Decision::OfferMoved {
        offer: offer.into(),
        to: "LAPSED".into(),
        reason: None,
        decliner: None,
        outcome: None,
        staff: "router".into(),
    };
    let early = town.push(Actor::Router, lapse(&offer.to_string()));
    town.moved(offer, OfferState::Accepted);
    let sibling = town.offer(TRIAGE);
    let second = town.moved(sibling, OfferState::Accepted);
    finds(
        &town,
        &[
            (skipped, Problem::Move),
            (unsaid, Problem::Decision),
            (early, Problem::EarlyLapse),
            (second, Problem::SecondAcceptance),
        ],
    );
}

#[test]
fn an_answer_after_the_time_to_decide_is_found_though_the_lapse_is_not_recorded() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    town.now = town.now.plus(Duration::from_secs(600));
    town.tick();
    town.now = town.now.plus(Duration::from_secs(600));
    town.tick();
    town.now = town.now.plus(Duration::from_secs(600));
    let tick = town.tick();
    let opened = town.open(offer, Stage::Triage);
    let accepted = town.moved(offer, OfferState::Accepted);
    assert_eq!(opened, tick + 1);
    finds(
        &town,
        &[
            (opened, Problem::NotCovered(Refusal::Stage)),
            (accepted, Problem::Move),
        ],
    );
}

#[test]
fn a_certified_stranger_may_publish_keys_and_not_act() {
    let mut town = Town::new();
    let bundle = town.bundle("ngo");
    town.push_body(Town::by("ngo"), EntryBody::Keys { bundle });
    town.record_basis();
    town.certify("guest");
    let bundle = town.bundle("guest");
    town.push_body(Town::by("guest"), EntryBody::Keys { bundle });
    let statement = town.basis(TRIAGE);
    let index = town.push(
        Town::by("guest"),
        Decision::BasisRecorded {
            statement,
            staff: "s".into(),
        },
    );
    finds(&town, &[(index, Problem::NotEnrolled)]);
}

#[test]
fn a_decision_by_another_gate_or_protocol_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let mut deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    deposit.gate = 9;
    let (_, gate) = town.offered(deposit);
    let mut deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    deposit.protocol = 2;
    let (_, protocol) = town.offered(deposit);
    finds(
        &town,
        &[
            (gate, Problem::GateVersion(9)),
            (protocol, Problem::ProtocolVersion),
        ],
    );
}

#[test]
fn a_parcel_for_another_purpose_than_the_offer_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    town.offered(deposit);
    let (_, Some(given)) = town.log.pop().unwrap() else {
        panic!("an opening")
    };
    let mut opening = Opening::parse(&given.nonce, &given.decision).unwrap();
    if let Decision::Offered { purpose, .. } = &mut opening.decision {
        *purpose = Purpose::MedicalCare.to_string();
    }
    let index = town.push(Town::by("ngo"), opening.decision);
    finds(&town, &[(index, Problem::ParcelOther)]);
}

#[test]
fn alarms_are_shown_and_are_no_violation() {
    let mut town = Town::ordinary();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (offer, _) = town.offered(deposit);
    let alarm = Decision::AlarmRaised {
        offer: offer.to_string(),
        stage: "TRIAGE".into(),
        alarm: "TAMPERED_PARCEL".into(),
        staff: "s".into(),
    };
    let index = town.push(Town::by("shelter"), alarm);
    finds(
        &town,
        &[(index, Problem::AlarmRaised(Alarm::TamperedParcel))],
    );
    assert_eq!(replay(&town.source()).violations().count(), 0);
}

#[test]
fn a_log_that_does_not_begin_with_its_pins_is_found() {
    let mut town = Town::new();
    let first = town.log.remove(0);
    let report = replay(&town.source());
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.problem == Problem::Beginning)
    );
    town.log.insert(0, first.clone());
    let twice = town.next();
    town.log.push(first);
    let report = replay(&town.source());
    assert!(report.findings.contains(&Problem::Time.at(twice)));
}

/// Break-glass acts, as a router that keeps to no rule would record them.
fn requested(town: &mut Town, offer: OfferId, until: i64) -> u64 {
    let decision = Decision::AccessRequested {
        access: AccessId::from_random([9; 16]).to_string(),
        offer: offer.to_string(),
        reason: "LIFE_IN_DANGER".into(),
        labels: vec!["HEALTH/FUNCTIONAL".into()],
        until,
        protocol: 1,
        gate: 1,
        staff: "s1".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn approved(town: &mut Town, by: &str) -> u64 {
    let decision = Decision::AccessApproved {
        access: AccessId::from_random([9; 16]).to_string(),
        until: town.now.millis() + 1_000,
        staff: "d1".into(),
    };
    town.push(Town::by(by), decision)
}

fn opened_under_access(town: &mut Town) -> u64 {
    let decision = Decision::AccessOpened {
        access: AccessId::from_random([9; 16]).to_string(),
        parcel: crate::domain::id::ParcelId::from_random([3; 16]).to_string(),
        statement_hash: "x".into(),
        protocol: 1,
        gate: 1,
        staff: "s1".into(),
    };
    town.push(Town::by("shelter"), decision)
}

#[test]
fn a_glass_broken_against_the_rules_is_found_act_by_act() {
    // Invariant 16.
    use crate::domain::break_glass::Refusal as Broken;
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let hour = |town: &Town| town.now.millis() + 60 * 60 * 1000;
    let before = opened_under_access(&mut town);
    let long = hour(&town) + 1;
    let too_long = requested(&mut town, offer, long);
    let until = hour(&town);
    requested(&mut town, offer, until);
    let own = approved(&mut town, "shelter");
    approved(&mut town, "ngo");
    let unreleased = opened_under_access(&mut town);
    finds(
        &town,
        &[
            (before, Problem::NoAccess),
            (too_long, Problem::Access(Broken::Period)),
            (own, Problem::Access(Broken::NotOutside)),
            (unreleased, Problem::NoParcel),
        ],
    );
}

#[test]
fn a_glass_broken_after_the_withdrawal_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    town.withdraw();
    let until = town.now.millis() + 1_000;
    let asked = requested(&mut town, offer, until);
    let refused = crate::domain::break_glass::Refusal::TakenBack;
    finds(&town, &[(asked, Problem::Access(refused))]);
}
