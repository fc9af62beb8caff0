//! Carried referrals that a router may not have recorded or released.

use super::*;
use crate::domain::basis::{Allow, Basis};
use crate::domain::id::BasisChainId;
use crate::domain::label::Label;
use crate::domain::vocabulary::{Asked, BasisKind, ChildTold, GivenBy, InterpreterClass};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::outward::OutwardStatement;
use crate::envelope::withdrawal::Withdrawal;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ABROAD: &str = "out-hr-ngo";

fn chain() -> BasisChainId {
    BasisChainId::from_random([8; 16])
}

fn labels(names: &[&str]) -> LabelSet {
    let names = names.iter();
    names.map(|name| name.parse::<Label>().unwrap()).collect()
}

fn text(token: Vec<u8>) -> String {
    String::from_utf8(token).unwrap()
}

/// The person agreed to somebody abroad.
fn agreed(town: &mut Town) -> u64 {
    let statement = BasisStatement {
        basis: Basis {
            chain: chain(),
            source: "ngo".parse().unwrap(),
            recipient: ABROAD.parse().unwrap(),
            case: town.case,
            seq: 1,
            from: Timestamp::from_seconds(town.now.seconds()).unwrap(),
            kind: BasisKind::Consent,
            allows: vec![Allow {
                purposes: vec![Purpose::MedicalCare],
                labels: labels(&["LANGUAGE/WHOLE"]),
                asked: Asked::Bundle,
                until: Timestamp::from_seconds(town.now.plus(20 * DAY).seconds()).unwrap(),
                reply: false,
            }],
            given_by: GivenBy::Itself,
            asked_alone: true,
            interpreter: InterpreterClass::NoneNeeded,
            child_told: ChildTold::NotApplicable,
            for_child: Default::default(),
        },
        issued: town.now,
        evidence: [0; 32],
    };
    let decision = Decision::BasisRecorded {
        statement: text(statement.sign(&town.signers["ngo"]).unwrap()),
        staff: "s1".into(),
    };
    town.push(Town::by("ngo"), decision)
}

/// Sealed, with these labels, for so many days.
fn sealed(town: &mut Town, id: u8, names: &[&str], days: u32) -> u64 {
    let carried = CarriedId::from_random([id; 16]);
    let statement = OutwardStatement {
        carried,
        source: "ngo".parse().unwrap(),
        recipient: ABROAD.parse().unwrap(),
        purpose: Purpose::MedicalCare,
        chain: chain(),
        labels: labels(names),
        issued: town.now,
        expires: town.now.plus(days * DAY),
        file: [3; 32],
    };
    let decision = Decision::CarriedRecorded {
        carried: carried.to_string(),
        statement: text(statement.sign(&town.signers["ngo"]).unwrap()),
        protocol: 1,
        gate: 1,
        staff: "s1".into(),
    };
    town.push(Town::by("ngo"), decision)
}

fn released(town: &mut Town, by: &str, id: u8, gate: u32) -> u64 {
    let decision = Decision::CarriedReleased {
        carried: CarriedId::from_random([id; 16]).to_string(),
        request: crate::envelope::keys::b64u(&[4; 32]),
        protocol: 1,
        gate,
        staff: "s1".into(),
    };
    town.push(Town::by(by), decision)
}

#[test]
fn a_carried_referral_is_sealed_and_released_under_its_basis() {
    let mut town = Town::new();
    agreed(&mut town);
    sealed(&mut town, 1, &["LANGUAGE/WHOLE"], 5);
    released(&mut town, "ngo", 1, 1);
    let counts = finds(&town, &[]);
    assert_eq!((counts.disclosures, counts.covered), (1, 1));
}

#[test]
fn a_release_that_may_not_be_is_found() {
    // Invariants 12 and 13.
    let mut town = Town::new();
    agreed(&mut town);
    let more = sealed(&mut town, 1, &["LANGUAGE/WHOLE", "AGE/BAND"], 5);
    let beyond = Refusal::NotCovered(labels(&["AGE/BAND"]));
    let uncovered = released(&mut town, "ngo", 1, 1);
    sealed(&mut town, 2, &["LANGUAGE/WHOLE"], 1);
    let unknown = released(&mut town, "ngo", 3, 1);
    let stranger = released(&mut town, "shelter", 2, 1);
    let gate = released(&mut town, "ngo", 2, 9);
    let twice = sealed(&mut town, 2, &["LANGUAGE/WHOLE"], 1);
    town.now = town.now.plus(DAY + Duration::from_secs(60));
    let tick = town.tick();
    let late = released(&mut town, "ngo", 2, 1);
    assert_eq!(late, tick + 1);
    let found = [
        (more, Problem::DepositNotCovered(beyond)),
        (uncovered, Problem::NotCovered(beyond)),
        (unknown, Problem::NoParcel),
        (stranger, Problem::NoParcel),
        (gate, Problem::GateVersion(9)),
        (twice, Problem::Decision),
        (late, Problem::ParcelTime),
    ];
    let report = replay(&town.source());
    let violations: Vec<_> = report
        .violations()
        .map(|finding| (finding.index.unwrap(), finding.problem.clone()))
        .collect();
    assert_eq!(violations, found);
}

#[test]
fn a_release_after_the_withdrawal_is_found() {
    // Invariant 13.
    let mut town = Town::new();
    agreed(&mut town);
    sealed(&mut town, 1, &["LANGUAGE/WHOLE"], 5);
    let withdrawal = Withdrawal {
        chain: chain(),
        source: "ngo".parse().unwrap(),
        recipient: ABROAD.parse().unwrap(),
        case: town.case,
        seq: 2,
        issued: town.now,
        erase: false,
        leave: false,
    };
    let decision = Decision::BasisWithdrawn {
        statement: text(withdrawal.sign(&town.signers["ngo"]).unwrap()),
        staff: "s1".into(),
    };
    town.push(Town::by("ngo"), decision);
    let late = released(&mut town, "ngo", 1, 1);
    let again = sealed(&mut town, 2, &["LANGUAGE/WHOLE"], 5);
    let found = [
        (late, Problem::AfterWithdrawal),
        (again, Problem::DepositNotCovered(Refusal::NotInForce)),
    ];
    finds(&town, &found);
}
