//! What an act is about: references that its decision names, each with its word. No field of a person is among them.
//!
//! Statements are read without their signatures: replay verifies those, and this only says what stands there.

use crate::audit::acts::Act;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::vocabulary::{AgencyKind, BasisKind};
use crate::ledger::entry::{EntryBody, Erased};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use std::str::FromStr;

/// References of a decision, each with its word, in the order in which they are said.
const NAMED: [(&str, &str); 15] = [
    ("offer", "offer"),
    ("access", "access"),
    ("referral", "referral"),
    ("chain", "basis"),
    ("case", "case"),
    ("source", "of"),
    ("pool", "pool"),
    ("room", "room"),
    ("group", "group"),
    ("attachment", "attachment"),
    ("alert", "alert"),
    ("resume", "request"),
    ("carried", "carried referral"),
    ("capacity", ""),
    ("origin", "log"),
];

/// Most references of one list that are said; how many more there are is said, too.
const LISTED_MAX: usize = 4;

/// What a signed statement claims.
fn claims(statement: &str) -> Option<Value> {
    let claims = BASE64URL_NOPAD.decode(statement.split('.').nth(1)?.as_bytes());
    serde_json::from_slice(&claims.ok()?).ok()
}

/// A reference in `value`, if it is one of its kind: what is not may be anything.
fn reference<T: FromStr + ToString>(value: &Value, field: &str) -> Option<String> {
    let parsed = value.get(field)?.as_str()?.parse::<T>().ok()?;
    Some(parsed.to_string())
}

/// A list's first members, and how many more there are.
fn some_of(all: &[String]) -> String {
    let (shown, more) = all.split_at(all.len().min(LISTED_MAX));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A case and whose it is.
fn case(of: &Value) -> Option<String> {
    let (case, source) = (
        reference::<CaseHandle>(of, "case")?,
        reference::<AgencyId>(of, "source")?,
    );
    Some(format!("case {case} of {source}"))
}

/// Which agency, or what else, an administrator's act is about.
fn administration(claims: &Value) -> Option<String> {
    let (act, of) = claims.get("act")?.as_object()?.iter().next()?;
    // That it was suspended, its event says.
    let act = match act.as_str() {
        "enrol" => "enrol ",
        "reinstate" => "reinstate ",
        "suspend" => "",
        _ => "protocol ",
    };
    if let Some(agency) = reference::<AgencyId>(of, "agency") {
        let kind = reference::<AgencyKind>(of, "kind");
        let kind = kind.map(|kind| format!(" as {kind}")).unwrap_or_default();
        let parent = reference::<AgencyId>(of, "parent");
        let parent = parent.map(|parent| format!(", of {parent}"));
        return Some(format!(
            "{act}agency {agency}{kind}{}",
            parent.unwrap_or_default()
        ));
    }
    let version = of.get("version")?.as_u64()?;
    Some(format!("{act}version {version}"))
}

/// What the statement of a decision is about.
fn of_statement(event: &str, claims: &Value) -> Vec<String> {
    match event {
        "proposed" | "approved" | "suspended" => administration(claims).into_iter().collect(),
        "basis_recorded" | "basis_withdrawn" => [
            reference::<BasisKind>(claims, "kind"),
            reference::<BasisChainId>(claims, "id").map(|chain| format!("basis {chain}")),
            reference::<CaseHandle>(claims, "case").map(|case| format!("case {case}")),
            reference::<AgencyId>(claims, "aud").map(|to| format!("for {to}")),
        ]
        .into_iter()
        .flatten()
        .collect(),
        "watermark_recorded" => {
            let upto = claims.get("upto").and_then(Value::as_u64);
            let last = upto.map(|upto| format!("up to entry {}", upto.saturating_sub(1)));
            last.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What an auditor asked, and how far.
fn reading(decision: &Value) -> Vec<String> {
    let number = |field| decision.get(field).and_then(Value::as_u64);
    let span = number("start").zip(number("count"));
    let mut said: Vec<String> = span
        .map(|(start, count)| format!("{count} from entry {start} on"))
        .into_iter()
        .collect();
    let Some(question) = decision.get("question") else {
        return said;
    };
    let text = |field| question.get(field).and_then(Value::as_str);
    said.extend(text("about").map(|about| format!("about {about}")));
    said.extend(text("agency").map(|agency| match text("staff") {
        Some(staff) => format!("by {agency} / {staff}"),
        None => format!("by {agency}"),
    }));
    said
}

/// What stands in the clear.
fn in_the_clear(body: &EntryBody) -> Vec<String> {
    match body {
        EntryBody::Committed { .. } | EntryBody::Keys { .. } | EntryBody::Tick => Vec::new(),
        EntryBody::Digest { number, size, .. } => {
            vec![format!("number {number}, of {size} agencies")]
        }
        EntryBody::Erased { of, indexes } => {
            let of = match of {
                Erased::Content => "content",
                Erased::Decision => "decision",
            };
            let indexes: Vec<String> = indexes.iter().map(ToString::to_string).collect();
            vec![format!("the {of} of entry {}", some_of(&indexes))]
        }
    }
}

/// Everything that an act is about, in words.
pub(super) fn of(act: &Act) -> Vec<String> {
    let mut said = in_the_clear(&act.entry.body);
    let Some(decision) = &act.decision else {
        return said;
    };
    for (field, word) in NAMED {
        said.extend(act.text(field).map(|name| format!("{word} {name}")));
    }
    if let Some(claims) = act.text("statement").and_then(claims) {
        said.extend(of_statement(act.event(), &claims));
    }
    let list = |field| decision.get(field).and_then(Value::as_array);
    if let Some(offers) = list("offers") {
        let offers = offers.iter().filter_map(Value::as_str);
        let offers: Vec<String> = offers.map(str::to_owned).collect();
        said.push(format!("offers {}", some_of(&offers)));
    }
    if let Some(cases) = list("cases") {
        let cases: Vec<String> = cases.iter().filter_map(case).collect();
        said.push(if cases.is_empty() {
            "a code of no case".to_owned()
        } else {
            some_of(&cases)
        });
    }
    said.extend(decision.get("case").and_then(case));
    if let Some(counts) = list("counts") {
        let count = |one: &Value| {
            let reason = one.get("reason")?.as_str()?;
            Some(format!("{reason} {}", one.get("count")?.as_u64()?))
        };
        let counts: Vec<String> = counts.iter().filter_map(count).collect();
        said.push(some_of(&counts));
    }
    match act.event() {
        "audit_read" => said.extend(reading(decision)),
        "denied_counted" => {
            let count = decision.get("count").and_then(Value::as_u64);
            said.extend(count.map(|count| format!("{count} more")));
        }
        "revocations_loaded" => {
            said.extend(list("lists").map(|lists| format!("{} lists", lists.len())));
        }
        "succession_confirmed" => {
            let of = decision.get("succession").and_then(Value::as_u64);
            said.extend(of.map(|of| format!("that of entry {of}")));
        }
        "succeeded" => said.extend(act.text("of").map(|of| format!("after {of}"))),
        "escalated" => said.extend(act.text("line").map(|line| format!("duty line {line}"))),
        _ => {}
    }
    said.into_iter().map(|one| one.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::super::print::{said, text};
    use super::*;
    use crate::audit::acts::rights::Rights;
    use crate::audit::fixture::{TRIAGE, Town, agency};
    use crate::domain::time::Timestamp;
    use crate::envelope::act::ActBody;
    use crate::ledger::decision::Decision;
    use crate::ledger::entry::{Actor, Entry};
    use serde_json::json;

    fn last(town: &Town) -> String {
        let (entry, opening) = town.log.last().expect("an act");
        let index = town.next() - 1;
        said(&Act::read(index, entry, opening.as_ref()).expect("it reads"))
    }

    #[test]
    fn a_basis_is_told_with_its_chain_its_case_and_whom_it_is_for() {
        let mut town = Town::ordinary();
        town.record_basis();
        let recorded = last(&town);
        town.withdraw();
        let withdrawn = last(&town);
        for text in [recorded, withdrawn] {
            for wanted in ["basis ", " case ", " for shelter"] {
                assert!(text.contains(wanted), "{text}");
            }
            assert!(!text.contains("SAFE_ACCOMMODATION"), "{text}");
        }
    }

    #[test]
    fn an_administrators_act_is_told_with_the_agency_that_it_is_about() {
        let mut town = Town::ordinary();
        town.approve(ActBody::Enrol {
            agency: agency("unit"),
            kind: AgencyKind::Shelter,
            parent: Some(agency("ngo")),
        });
        let enrolled = last(&town);
        assert_eq!(enrolled, "approved enrol agency unit as SHELTER, of ngo");
        let statement = town.act(ActBody::Suspend {
            agency: agency("shelter"),
        });
        town.push(Actor::Admin, Decision::Suspended { statement });
        assert_eq!(last(&town), "suspended agency shelter");
        town.approve(ActBody::Reinstate {
            agency: agency("shelter"),
        });
        assert_eq!(last(&town), "approved reinstate agency shelter");
        town.offer(TRIAGE);
        assert!(last(&town).contains(" offer "), "{}", last(&town));
    }

    /// An act as an opening gives it; what it commits to does not matter here.
    fn act(event: &'static str, decision: Value) -> Act {
        Act {
            index: 0,
            entry: Entry {
                by: Actor::Router,
                at: Timestamp::EPOCH,
                body: EntryBody::Committed {
                    event,
                    commitment: [0; 32],
                },
            },
            decision: Some(decision),
        }
    }

    #[test]
    fn lists_cases_questions_and_counts_are_told_by_reference() {
        let case = CaseHandle::from_random([7; 16]).to_string();
        for (event, decision, wanted) in [
            (
                "offers_closed",
                json!({"offers": ["a", "b", "c", "d", "e", "f"]}),
                "offers closed offers a, b, c, d and 2 more".to_owned(),
            ),
            (
                "code_entered",
                json!({"cases": [{"source": "ngo", "case": case}]}),
                format!("code entered case {case} of ngo"),
            ),
            (
                "code_entered",
                json!({"cases": []}),
                "code entered a code of no case".to_owned(),
            ),
            (
                "audit_read",
                json!({"what": "acts", "start": 3, "count": 9, "question": {"agency": "ngo"}}),
                "audit read acts 9 from entry 3 on by ngo".to_owned(),
            ),
            (
                "escalated",
                json!({"source": "ngo", "referral": "r", "line": "duty"}),
                "escalated referral r of ngo duty line duty".to_owned(),
            ),
            (
                "pool_updated",
                json!({"pool": "beds"}),
                "pool updated pool beds".to_owned(),
            ),
            (
                "alert_acknowledged",
                json!({"alert": "x"}),
                "alert acknowledged alert x".to_owned(),
            ),
            (
                "resume_requested",
                json!({"resume": "q", "case": {"source": "ngo", "case": case}}),
                format!("resume requested request q case {case} of ngo"),
            ),
            (
                "carried_released",
                json!({"carried": "out-1"}),
                "carried released carried referral out-1".to_owned(),
            ),
            (
                "capacity_declared",
                json!({"capacity": "agencies/house/capacities/1"}),
                "capacity declared agencies/house/capacities/1".to_owned(),
            ),
            (
                "group_moved",
                json!({"group": "g", "to": "ACCEPTED", "offers": ["a", "b"]}),
                "group moved ACCEPTED group g offers a, b".to_owned(),
            ),
            (
                "authentication_failed",
                json!({"counts": [{"reason": "REVOKED", "count": 2}]}),
                "authentication failed REVOKED 2".to_owned(),
            ),
            (
                "denied",
                json!({"method": "OpenParcel", "reason": "NOT_FOUND"}),
                "denied NOT_FOUND OpenParcel".to_owned(),
            ),
        ] {
            assert_eq!(said(&act(event, decision)), wanted);
        }
    }

    #[test]
    fn what_is_no_reference_is_not_told_and_drives_no_terminal() {
        let claims =
            json!({"id": "x\u{1b}[2J", "case": "y", "aud": "Anna Example", "kind": "C\u{202e}"});
        let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        let statement = format!("h.{claims}.s");
        let basis = act("basis_recorded", json!({"statement": statement}));
        assert_eq!(said(&basis), "basis recorded");
        let denied = act("denied", json!({"method": "a\u{1b}[2J"}));
        assert_eq!(said(&denied), "denied a?[2J");
        let staff = act("denied", json!({"staff": "w\u{1b}]0;x\u{7}\u{202e}"}));
        let answer = Answer {
            origin: String::new(),
            acts: vec![staff],
            rights: Rights::default(),
            next: 1,
        };
        let shown = text(&answer).join("\n");
        assert!(shown.contains(" / w?]0;x??"), "{shown}");
    }
}
