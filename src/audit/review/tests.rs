use super::*;
use crate::domain::id::OfferId;
use crate::domain::vocabulary::AccessFinding;
use crate::ledger::entry::{Entry, EntryBody};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// A log that is written by hand: what each rule sees, and nothing else.
struct Log {
    review: Review,
    at: Timestamp,
    next: u64,
}

/// Both objects' fields.
fn merged(mut one: Value, other: &Value) -> Value {
    let fields = other.as_object().unwrap().clone();
    one.as_object_mut().unwrap().extend(fields);
    one
}

fn text(n: u8) -> String {
    OfferId::from_random([n; 16]).to_string()
}

impl Log {
    fn new() -> Self {
        Self {
            review: Review::new(),
            at: Timestamp::from_seconds(1_794_000_000).unwrap(),
            next: 0,
        }
    }

    fn pass(&mut self, by: Duration) -> &mut Self {
        self.at = self.at.plus(by);
        self
    }

    fn act(&mut self, by: &str, event: &'static str, decision: Value) -> u64 {
        let act = Act {
            index: self.next,
            entry: Entry {
                by: by.parse().unwrap(),
                at: self.at,
                body: EntryBody::Committed {
                    event,
                    commitment: [0; 32],
                },
            },
            decision: Some(decision),
        };
        self.review.feed(&act);
        self.next += 1;
        self.pass(Duration::from_secs(1));
        act.index
    }

    fn open(&mut self, staff: &str, offer: u8) -> u64 {
        let decision = json!({"offer": text(offer), "stage": "TRIAGE", "staff": staff});
        let index = self.act("agency:house", "opened", decision);
        self.act(
            "agency:house",
            "offer_moved",
            json!({"offer": text(offer), "to": "RECEIVED", "staff": staff}),
        );
        index
    }

    fn denied(&mut self, method: &str, reason: &str) -> u64 {
        let decision = json!({"method": method, "reason": reason, "staff": "w1"});
        self.act("agency:house", "denied", decision)
    }

    fn found(self) -> Vec<(ReviewRule, u64)> {
        let found = self.review.finish();
        found
            .iter()
            .map(|(found, _)| (found.rule, found.index))
            .collect()
    }
}

#[test]
fn an_ordinary_evening_is_nothing_to_look_at() {
    let mut log = Log::new();
    for offer in 0..5 {
        log.open("w1", offer);
        log.pass(HOUR);
    }
    log.denied("OpenParcel", "NOT_FOUND");
    log.act(
        "agency:dpa",
        "audit_read",
        json!({"what": "acts", "count": 500, "staff": "a"}),
    );
    assert_eq!(log.found(), []);
}

#[test]
fn break_glass_is_found_once_an_access() {
    let mut log = Log::new();
    let asked = json!({"access": text(1), "offer": text(2), "reason": "LIFE_IN_DANGER"});
    let request = log.act("agency:house", "access_requested", asked);
    let opened = json!({"access": text(1), "staff": "w1"});
    let first = log.act("agency:house", "access_opened", opened.clone());
    log.act("agency:house", "access_opened", opened);
    let found = log.review.finish();
    assert_eq!(found.len(), 1);
    let (found, _) = &found[0];
    assert_eq!((found.rule, found.index), (ReviewRule::BreakGlass, first));
    assert_eq!(found.also, [request]);
    assert!(found.why.contains("LIFE_IN_DANGER"));
}

#[test]
fn a_burst_is_measured_by_the_agencys_own_average_hour() {
    // A house that opens six an hour is not found for sixteen; one that opens one an hour is.
    let mut busy = Log::new();
    for hour in 0..20 {
        for offer in 0..6 {
            busy.open("w1", hour * 6 + offer);
        }
        busy.pass(HOUR);
    }
    for offer in 120..136 {
        busy.open("w1", offer);
    }
    assert_eq!(busy.found(), []);

    let mut quiet = Log::new();
    for offer in 0..10 {
        quiet.open("w1", offer);
        quiet.pass(HOUR);
    }
    let mut last = 0;
    for offer in 10..22 {
        last = quiet.open("w1", offer);
    }
    quiet.open("w1", 23);
    assert_eq!(quiet.found(), [(ReviewRule::Burst, last)]);
}

#[test]
fn what_was_opened_and_left_is_found_after_a_day_unless_it_was_answered_or_closed() {
    let read = |offer| json!({"offer": text(offer), "stage": "TRIAGE", "staff": "w1"});
    let mut log = Log::new();
    let left = log.act("agency:house", "opened", read(1));
    log.act("agency:house", "opened", read(2));
    log.act("agency:house", "message_posted", json!({"offer": text(2)}));
    log.act("agency:house", "opened", read(3));
    log.act("router", "offers_closed", json!({"offers": [text(3)]}));
    // Another party's word is no answer.
    log.act("agency:ngo", "message_posted", json!({"offer": text(1)}));
    log.pass(DAY);
    log.act(
        "agency:house",
        "offer_moved",
        json!({"offer": text(1), "to": "DECLINED"}),
    );
    log.act("agency:house", "opened", read(4));
    assert_eq!(log.found(), [(ReviewRule::NoFollowUp, left)]);
}

#[test]
fn refused_openings_are_told_apart_by_a_withdrawal_before_them() {
    let claims = json!({"aud": "house", "id": text(9)}).to_string();
    let statement = format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()));
    let mut log = Log::new();
    for _ in 0..2 {
        log.denied("OpenParcel", "NOT_FOUND");
    }
    let third = log.denied("OpenMessage", "NOT_FOUND");
    let withdrawn = json!({"statement": statement});
    log.act("agency:ngo", "basis_withdrawn", withdrawn);
    let after = log.denied("OpenParcel", "NOT_FOUND");
    let mut probes = 0;
    for _ in 0..3 {
        probes = log.denied("ListReferrals", "NOT_PERMITTED");
    }
    let counted = log.act("agency:house", "denied_counted", json!({"count": 40}));
    let expected = [
        (ReviewRule::FailedOpens, third),
        (ReviewRule::TriedAfterWithdrawal, after),
        (ReviewRule::RepeatedProbes, probes),
        (ReviewRule::RepeatedProbes, counted),
    ];
    assert_eq!(log.found(), expected);
}

#[test]
fn a_dormant_pseudonym_and_a_new_one_that_reads_a_lot_are_found() {
    let mut log = Log::new();
    log.open("w1", 1);
    log.pass(DAY * 60);
    let back = log.open("w1", 2);
    let mut last = 0;
    for offer in 3..25 {
        let index = log.open("new", offer);
        if offer == 22 {
            last = index;
        }
        log.pass(Duration::from_secs(30 * 60));
    }
    let found = log.found();
    assert!(
        found.contains(&(ReviewRule::DormantStaff, back)),
        "{found:?}"
    );
    assert!(
        found.contains(&(ReviewRule::NewStaffInBulk, last)),
        "{found:?}"
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn an_auditor_who_reads_everything_is_found_and_one_who_names_a_case_is_not() {
    let mut log = Log::new();
    let read = |what: &str, about: Option<&str>| {
        let question = about.map(|about| json!({"about": about}));
        json!({"what": what, "count": 6_000, "staff": "a", "question": question})
    };
    log.act("agency:dpa", "audit_read", read("entries", None));
    log.act("agency:dpa", "audit_read", read("acts", Some("case-of/x")));
    log.act("agency:dpa", "audit_read", read("openings", None));
    let bulk = log.act("agency:dpa", "audit_read", read("acts", None));
    log.act("agency:dpa", "audit_read", read("acts", None));
    assert_eq!(log.found(), [(ReviewRule::AuditWithoutCase, bulk)]);
}

#[test]
fn a_disposition_stands_beside_its_finding_and_nobody_confirms_their_own() {
    let mut log = Log::new();
    let asked = json!({"access": text(1), "reason": "LIFE_IN_DANGER"});
    log.act("agency:house", "access_requested", asked);
    let opened = json!({"access": text(1), "staff": "w1"});
    let about = log.act("agency:house", "access_opened", opened);
    let rule = ReviewRule::BreakGlass.name();
    let said = |staff: &str, finding: &str| {
        let name = json!({"rule": rule, "about": about});
        merged(name, &json!({"finding": finding, "staff": staff}))
    };
    log.act("agency:ombud", "disposition_recorded", said("a", "MISUSE"));
    log.act("agency:ombud", "disposition_confirmed", said("a", "MISUSE"));
    log.act(
        "agency:ombud",
        "disposition_confirmed",
        said("b", "JUSTIFIED"),
    );
    let mut confirmed = Log::new();
    std::mem::swap(&mut confirmed.review.said, &mut log.review.said);
    let standing = confirmed.review.said.of(ReviewRule::BreakGlass, about);
    assert_eq!(standing.unwrap().confirmed, None);
    std::mem::swap(&mut confirmed.review.said, &mut log.review.said);
    log.act("agency:ombud", "disposition_confirmed", said("b", "MISUSE"));
    let found = log.review.finish();
    let [(_, Some(standing))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(standing.finding, AccessFinding::Misuse);
    assert_eq!(standing.confirmed.as_ref().unwrap().1, "b");
}

#[test]
fn a_disposition_over_a_confirmed_one_is_shown_with_the_one_that_it_replaces() {
    let mut log = Log::new();
    let asked = json!({"access": text(1), "reason": "LIFE_IN_DANGER"});
    log.act("agency:house", "access_requested", asked);
    let opened = json!({"access": text(1), "staff": "w1"});
    let about = log.act("agency:house", "access_opened", opened);
    let mut say = |event: &'static str, staff: &str, finding: &str| {
        let said =
            json!({"rule": "BREAK_GLASS", "about": about, "finding": finding, "staff": staff});
        log.act("agency:ombud", event, said);
        let standing = log.review.said.of(ReviewRule::BreakGlass, about);
        let standing = standing.unwrap();
        let before = standing.replaces.as_ref();
        let before = before.map(|before| (before.finding, before.confirmed.is_some()));
        (standing.finding, standing.confirmed.is_some(), before)
    };
    let (justified, misuse) = (AccessFinding::Justified, AccessFinding::Misuse);
    say("disposition_recorded", "a", "RULE_WRONG");
    // What nobody confirmed never stood.
    let said = say("disposition_recorded", "a", "JUSTIFIED");
    assert_eq!(said, (justified, false, None));
    let said = say("disposition_confirmed", "b", "JUSTIFIED");
    assert_eq!(said, (justified, true, None));
    let stood = Some((justified, true));
    let said = say("disposition_recorded", "c", "MISUSE");
    assert_eq!(said, (misuse, false, stood));
    let said = say("disposition_recorded", "b", "MISUSE");
    assert_eq!(said, (misuse, false, stood));
    let said = say("disposition_confirmed", "c", "MISUSE");
    assert_eq!(said, (misuse, true, stood));
    let said = say("disposition_recorded", "c", "JUSTIFIED");
    assert_eq!(said, (justified, false, Some((misuse, true))));
}
