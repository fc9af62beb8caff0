use super::*;
use crate::ledger::entry::EntryBody;
use serde_json::json;
use std::convert::Infallible;

fn nth<T: std::str::FromStr>(n: u8) -> T
where
    T::Err: std::fmt::Debug,
{
    OfferId::from_random([n; 16]).to_string().parse().unwrap()
}

fn text(n: u8) -> String {
    OfferId::from_random([n; 16]).to_string()
}

/// Access 9 is about offer 1. Offers 1 and 2 are of referral 5 and case 7 of alpha; beta is closed.
struct Known;

impl Context for Known {
    type Error = Infallible;

    fn offer_of(&self, access: AccessId) -> Result<Option<OfferId>, Infallible> {
        Ok((access == nth(9)).then(|| nth(1)))
    }

    fn referral_of(&self, offer: OfferId) -> Result<Option<ReferralId>, Infallible> {
        Ok([nth(1), nth(2)].contains(&offer).then(|| nth(5)))
    }

    fn case_of(&self, offer: OfferId) -> Result<Option<(AgencyId, CaseHandle)>, Infallible> {
        let of = [nth(1), nth(2)].contains(&offer);
        Ok(of.then(|| ("alpha".parse().unwrap(), nth(7))))
    }

    fn is_open(&self, agency: &AgencyId, _: Timestamp) -> Result<Option<bool>, Infallible> {
        Ok(Some(agency.as_str() != "beta"))
    }
}

fn entry(by: &str, event: &'static str) -> Entry {
    Entry {
        by: by.parse().unwrap(),
        at: Timestamp::from_millis(1_000).unwrap(),
        body: EntryBody::Committed {
            event,
            commitment: [0; 32],
        },
    }
}

fn answers(question: &Question, by: &str, event: &'static str, decision: &Value) -> bool {
    let Ok(answers) = question.is_answered_by(&entry(by, event), Some(decision), &Known);
    answers
}

fn about(about: About) -> Question {
    Question {
        about: Some(about),
        ..Question::default()
    }
}

fn statement(claims: &Value) -> String {
    let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("e30.{claims}.c2ln")
}

#[test]
fn an_offer_is_found_wherever_it_is_named_and_through_break_glass() {
    let question = about(About::Offer(nth(1)));
    let house = "agency:house";
    assert!(answers(
        &question,
        house,
        "opened",
        &json!({"offer": text(1)})
    ));
    assert!(!answers(
        &question,
        house,
        "opened",
        &json!({"offer": text(2)})
    ));
    let group = json!({"offers": [text(2), text(1)]});
    assert!(answers(&question, house, "group_moved", &group));
    let access = json!({"access": text(9)});
    assert!(answers(&question, house, "access_opened", &access));
    assert!(!answers(&question, house, "tick", &json!({})));
}

#[test]
fn a_referral_and_a_case_take_in_all_their_offers() {
    let referral = about(About::Referral(nth(5)));
    let case = about(About::CaseOf(nth(1)));
    for question in [&referral, &case] {
        let second = json!({"offer": text(2)});
        assert!(answers(question, "agency:house", "opened", &second));
        let other = json!({"offer": text(3)});
        assert!(!answers(question, "agency:house", "opened", &other));
    }
    let closed = json!({"referral": text(5)});
    assert!(answers(
        &referral,
        "agency:alpha",
        "referral_closed",
        &closed
    ));
}

#[test]
fn a_case_takes_in_its_bases_and_codes_of_its_own_source_only() {
    let question = about(About::CaseOf(nth(2)));
    let basis = json!({"statement": statement(&json!({"id": text(8), "case": text(7)}))});
    assert!(answers(&question, "agency:alpha", "basis_recorded", &basis));
    assert!(!answers(&question, "agency:beta", "basis_recorded", &basis));
    let code = json!({"case": text(7)});
    assert!(answers(&question, "agency:alpha", "code_registered", &code));
    assert!(!answers(&question, "agency:beta", "code_registered", &code));
    let entered = json!({"cases": [{"source": "alpha", "case": text(7)}]});
    assert!(answers(
        &question,
        "agency:clinic",
        "code_entered",
        &entered
    ));
    assert!(!answers(
        &about(About::CaseOf(nth(3))),
        "agency:alpha",
        "code_registered",
        &code
    ));
}

#[test]
fn a_basis_is_found_in_statements_and_deposits() {
    let question = about(About::Basis(nth(8)));
    let basis = json!({"statement": statement(&json!({"id": text(8)}))});
    assert!(answers(&question, "agency:alpha", "basis_recorded", &basis));
    let offered = json!({"deposits": [{"chain": text(6)}, {"chain": text(8)}]});
    assert!(answers(&question, "agency:alpha", "offered", &offered));
    let deposited = json!({"deposit": {"chain": text(8)}});
    assert!(answers(&question, "agency:alpha", "deposited", &deposited));
    let junk = json!({"statement": "not a statement"});
    assert!(!answers(&question, "agency:alpha", "basis_recorded", &junk));
}

#[test]
fn classes_agency_staff_and_time_each_narrow_the_answer() {
    let class = |class| Question {
        classes: vec![class],
        ..Question::default()
    };
    let empty = json!({});
    let declines = class(ActClass::AlertingDeclines);
    let alerting = json!({"reason": "REQUIRES_POLICE_REPORT"});
    assert!(answers(&declines, "agency:beta", "offer_moved", &alerting));
    let full = json!({"reason": "NO_CAPACITY"});
    assert!(!answers(&declines, "agency:beta", "offer_moved", &full));
    let hours = class(ActClass::OutOfHours);
    assert!(answers(&hours, "agency:beta", "opened", &empty));
    assert!(!answers(&hours, "agency:alpha", "opened", &empty));
    assert!(!answers(&hours, "router", "opened", &empty));
    let glass = class(ActClass::BreakGlass);
    assert!(answers(&glass, "agency:beta", "access_ended", &empty));
    assert!(!answers(&glass, "agency:beta", "opened", &empty));

    let by = Question {
        agency: Some("beta".parse().unwrap()),
        staff: Some("w7".parse().unwrap()),
        ..Question::default()
    };
    let w7 = json!({"staff": "w7"});
    assert!(answers(&by, "agency:beta", "opened", &w7));
    assert!(!answers(&by, "agency:alpha", "opened", &w7));
    assert!(!answers(
        &by,
        "agency:beta",
        "opened",
        &json!({"staff": "w8"})
    ));

    let named = Question {
        events: event_named("opened").into_iter().collect(),
        ..Question::default()
    };
    assert!(answers(&named, "agency:beta", "opened", &empty));
    assert!(!answers(&named, "agency:beta", "offer_moved", &empty));
    assert_eq!(event_named("no such event"), None);

    let at = Timestamp::from_millis(1_000);
    let since = Question {
        since: at,
        ..Question::default()
    };
    let until = Question {
        until: at,
        ..Question::default()
    };
    assert!(answers(&since, "router", "opened", &empty));
    assert!(!answers(&until, "router", "opened", &empty));
}

#[test]
fn what_is_recorded_of_a_question_is_codes_and_references() {
    let question = Question {
        about: Some(About::CaseOf(nth(1))),
        agency: Some("beta".parse().unwrap()),
        classes: vec![ActClass::Denials],
        ..Question::default()
    };
    let recorded = question.recorded();
    assert_eq!(recorded.about, Some(format!("case-of/{}", text(1))));
    assert_eq!(recorded.classes, ["DENIALS"]);
    assert!(!recorded.is_about_no_case());
    assert!(Question::default().recorded().is_about_no_case());
}
