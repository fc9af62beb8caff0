use super::*;
use crate::domain::label::Label;
use proptest::prelude::*;

const REASON: AccessReason = AccessReason::LifeInDanger;

fn id(text: &str) -> AgencyId {
    text.parse().expect("an id")
}

fn party(agency: &str, authority: Option<&str>) -> Party {
    Party {
        agency: id(agency),
        authorities: authority.map(id).into_iter().collect(),
    }
}

fn person(agency: &str, staff: &str) -> Person {
    Person {
        agency: id(agency),
        staff: staff.parse().expect("a pseudonym"),
    }
}

fn at(minutes: u64) -> Timestamp {
    let begin = Timestamp::from_seconds(1_780_278_000).expect("a time");
    begin.plus(Duration::from_secs(60 * minutes))
}

fn labels(names: &[&str]) -> LabelSet {
    let parse = |name: &&str| name.parse::<Label>().expect("a label");
    names.iter().map(parse).collect()
}

fn ground(protocol: &Protocol) -> Ground<'_> {
    Ground {
        requester_kind: AgencyKind::HealthService,
        offer: OfferState::Received,
        taken_back: false,
        protocol,
    }
}

fn asked(protocol: &Protocol, wanted: &[&str]) -> Result<Access, Refusal> {
    let period = (at(0), at(60));
    let parties = (id("clinic"), id("ngo"));
    Access::request(parties, REASON, labels(wanted), &ground(protocol), period)
}

fn approved(protocol: &Protocol) -> Access {
    let mut access = asked(protocol, &["HEALTH/CLINICAL", "LANGUAGE/WHOLE"]).expect("asked");
    let parties = (&party("clinic", None), &party("ngo", None));
    access
        .answer(parties, person("ngo", "d1"), None, Some(at(62)), at(2))
        .expect("approved");
    access
}

fn released(protocol: &Protocol) -> Access {
    let mut access = approved(protocol);
    let told = labels(&["HEALTH/FUNCTIONAL"]);
    let _ = access
        .release(
            person("ngo", "d1"),
            told,
            &ground(protocol),
            (at(3), at(63)),
        )
        .expect("released");
    access
}

#[test]
fn a_request_is_approved_released_opened_ended_and_reviewed() {
    let protocol = Protocol::shipped();
    let mut access = released(&protocol);
    let permit = access
        .permit_opening(&ground(&protocol), at(4))
        .expect("opened");
    assert_eq!(permit.until(), at(63));
    assert_eq!(access.state(at(62)), AccessState::Released);
    assert_eq!(access.state(at(63)), AccessState::Ended);
    assert_eq!(access.review_by(), Some(at(3).plus(REVIEW_WITHIN)));
    let late = access.permit_opening(&ground(&protocol), at(63));
    assert_eq!(late.err(), Some(Refusal::State(AccessState::Ended)));

    let clinic = party("clinic", None);
    let mut review = |agency: &str, staff: &str, oversees, minute| {
        let reviewer = party(agency, None);
        let by = person(agency, staff);
        access.review(
            (&clinic, &reviewer),
            &by,
            oversees,
            AccessFinding::Justified,
            at(minute),
        )
    };
    assert_eq!(
        review("ngo", "s1", false, 62),
        Err(Refusal::State(AccessState::Released))
    );
    assert_eq!(review("ngo", "d1", false, 70), Err(Refusal::SamePerson));
    assert_eq!(review("clinic", "s1", false, 70), Err(Refusal::NotOutside));
    assert_eq!(review("house", "s1", false, 70), Err(Refusal::NotOutside));
    assert_eq!(review("ombud", "a1", true, 70), Ok(()));
    assert_eq!(access.state(at(70)), AccessState::Reviewed);
}

#[test]
fn what_the_protocol_does_not_let_this_kind_have_is_not_even_asked_for() {
    let protocol = Protocol::shipped();
    let more = labels(&["PUNISHABLE_ACTS/WHOLE", "LEGAL_STATUS/WHOLE"]);
    let names = [
        "PUNISHABLE_ACTS/WHOLE",
        "LEGAL_STATUS/WHOLE",
        "LANGUAGE/WHOLE",
    ];
    assert_eq!(
        asked(&protocol, &names).err(),
        Some(Refusal::Protocol(more))
    );
    assert_eq!(asked(&protocol, &[]).err(), Some(Refusal::Nothing));
}

#[test]
fn no_more_is_released_than_was_asked_for() {
    let protocol = Protocol::shipped();
    let mut access = approved(&protocol);
    let told = labels(&["HEALTH/CLINICAL", "GENDER/WHOLE"]);
    let period = (at(3), at(63));
    let refused = access.release(person("ngo", "d1"), told, &ground(&protocol), period);
    assert_eq!(
        refused.err(),
        Some(Refusal::NotAsked(labels(&["GENDER/WHOLE"])))
    );
}

#[test]
fn the_persons_own_refusal_binds_at_every_act() {
    // R5, R18: break-glass is for a consent that is missing, never against one that was taken back.
    let protocol = Protocol::shipped();
    let ground = Ground {
        taken_back: true,
        ..ground(&protocol)
    };
    let refused = Some(Refusal::TakenBack);
    let parties = (id("clinic"), id("ngo"));
    let told = labels(&["HEALTH/CLINICAL"]);
    let request = Access::request(parties, REASON, told, &ground, (at(0), at(60)));
    assert_eq!(request.err(), refused);
    assert_eq!(
        approved(&protocol)
            .permit_release(told, &ground, at(3))
            .err(),
        refused
    );
    assert_eq!(
        released(&protocol).permit_opening(&ground, at(4)).err(),
        refused
    );
}

#[test]
fn only_who_holds_an_offer_may_ask() {
    let protocol = Protocol::shipped();
    for &offer in OfferState::ALL {
        let ground = Ground {
            offer,
            ..ground(&protocol)
        };
        let parties = (id("clinic"), id("ngo"));
        let told = labels(&["HEALTH/CLINICAL"]);
        let request = Access::request(parties, REASON, told, &ground, (at(0), at(60)));
        assert_eq!(
            request.is_ok(),
            is_held(offer) && !offer.is_terminal(),
            "{offer}"
        );
    }
}

#[test]
fn an_approver_is_outside_the_requester_and_its_authority() {
    let protocol = Protocol::shipped();
    let line = id("moi");
    let cases = [
        ("clinic", None, Some("state"), false),
        ("ngo", None, None, true),
        ("moi", None, None, true),
        ("moi", Some("state"), Some("state"), false),
        ("state", None, Some("state"), false),
        ("house", None, None, false),
    ];
    for (approver, authority, of_requester, may) in cases {
        let mut access = asked(&protocol, &["HEALTH/CLINICAL"]).expect("asked");
        let parties = (&party("clinic", of_requester), &party(approver, authority));
        let by = person(approver, "d1");
        let answer = access.answer(parties, by, Some(&line), Some(at(10)), at(1));
        assert_eq!(answer.is_ok(), may, "{approver}");
    }
}

#[test]
fn what_nobody_answered_or_released_in_time_has_expired() {
    let protocol = Protocol::shipped();
    let mut access = asked(&protocol, &["HEALTH/CLINICAL"]).expect("asked");
    assert_eq!(access.state(at(60)), AccessState::Expired);
    let parties = (&party("clinic", None), &party("ngo", None));
    let late = access.answer(parties, person("ngo", "d1"), None, Some(at(70)), at(60));
    assert_eq!(late, Err(Refusal::State(AccessState::Expired)));
    assert_eq!(approved(&protocol).state(at(62)), AccessState::Expired);
}

/// One act of somebody, and the minutes that pass before it.
#[derive(Debug, Clone)]
enum Op {
    Answer(usize, bool, u64),
    Release(u64),
    Open,
    Review(usize),
    TakeBack,
}

const WHO: [(&str, Option<&str>); 5] = [
    ("clinic", Some("state")),
    ("ngo", None),
    ("line", None),
    ("twin", Some("state")),
    ("state", None),
];

fn ops() -> impl Strategy<Value = Vec<(u64, Op)>> {
    let op = prop_oneof![
        (0..WHO.len(), any::<bool>(), 1..90_u64)
            .prop_map(|(who, yes, most)| Op::Answer(who, yes, most)),
        (1..90_u64).prop_map(Op::Release),
        Just(Op::Open),
        (0..WHO.len()).prop_map(Op::Review),
        Just(Op::TakeBack),
    ];
    proptest::collection::vec((0..40_u64, op), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariant 16, whatever anybody tries and when: every opening follows an approval from outside the asking
    /// agency's authority, within 60 minutes of the release, and never what the person took back.
    #[test]
    fn invariant_16_holds_under_any_sequence(ops in ops()) {
        let protocol = Protocol::shipped();
        let mut access = asked(&protocol, &["HEALTH/CLINICAL"]).expect("asked");
        let requester = party("clinic", Some("state"));
        let line = id("line");
        let (mut minute, mut taken_back) = (0, false);
        let (mut approver, mut released_at) = (None, None);
        for (wait, op) in ops {
            minute += wait;
            let now = at(minute);
            let ground = Ground { taken_back, ..ground(&protocol) };
            let told = labels(&["HEALTH/FUNCTIONAL"]);
            match op {
                Op::Answer(who, yes, most) => {
                    let (agency, authority) = WHO[who];
                    let parties = (&requester, &party(agency, authority));
                    let until = yes.then(|| at(minute + most));
                    let by = person(agency, "d1");
                    if access.answer(parties, by, Some(&line), until, now).is_ok() {
                        prop_assert!(approver.is_none(), "answered once");
                        approver = Some((agency, yes));
                        prop_assert!(!yes || most <= 60);
                    }
                }
                Op::Release(most) => {
                    let period = (now, at(minute + most));
                    if access.release(person("ngo", "d2"), told, &ground, period).is_ok() {
                        prop_assert!(matches!(approver, Some(("ngo" | "line", true))));
                        prop_assert!(most <= 60 && !taken_back);
                        released_at = Some(minute);
                    }
                }
                Op::Open => if access.permit_opening(&ground, now).is_ok() {
                    prop_assert!(matches!(approver, Some(("ngo" | "line", true))));
                    let since = released_at.map(|then| minute - then);
                    prop_assert!(since.is_some_and(|since| since < 60) && !taken_back);
                },
                Op::Review(who) => {
                    let (agency, authority) = WHO[who];
                    let parties = (&requester, &party(agency, authority));
                    let by = person(agency, "d2");
                    let finding = AccessFinding::Misuse;
                    if access.review(parties, &by, agency == "line", finding, now).is_ok() {
                        prop_assert!(released_at.is_some() && agency == "line");
                    }
                }
                Op::TakeBack => taken_back = true,
            }
        }
    }
}
