//! An act as a FHIR R4 `AuditEvent`.
//!
//! What an agency opened follows the profile `IHE.BasicAudit.PatientRead` of IHE BALP; every other act is a plain
//! `AuditEvent` and names no profile. So is the release of a carried referral: its reader is no party to the log.
//!
//! | here | there |
//! |---|---|
//! | index of the entry | `id` |
//! | time of the entry | `recorded` |
//! | event | `subtype` (our own system), for disclosures beside `read` |
//! | what it does | `action` C, R, U, D, E |
//! | a refusal's reason | `outcome` 4 and `outcomeDesc`; 0 otherwise |
//! | agency that acted | `agent` with `requestor` false, by its URI |
//! | staff pseudonym | `agent` of type `IRCP` with `requestor` true; the agency's where none is named |
//! | router | `agent` of type 110153 (source), and `source.observer`: it keeps the log |
//! | purpose | `purposeOfEvent` |
//! | offer | `entity` of type Person: the reference by which a person goes here |
//! | what is named, and the right | `entity` of type System Object |
//!
//! A network address is never recorded: where the profile asks for one, it is the URI of the certificate that was used.
//!
//! # Source
//!
//! FHIR R4 (4.0.1) `AuditEvent`; IHE ITI Basic Audit Log Patterns 1.1.

use super::{Verb, actor, instant, object, refusal, router, verb};
use crate::audit::acts::Act;
use crate::audit::acts::rights::Right;
use serde_json::{Value, json};

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PROFILE: &str =
    "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead";
const OURS: &str = "urn:safeconduct:act";
const NAMES: &str = "urn:safeconduct:";

const fn action(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "C",
        Verb::Read => "R",
        Verb::Update => "U",
        Verb::Delete => "D",
        Verb::Execute => "E",
    }
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [coding(system, code, display)]})
}

fn identifier(of: &str, value: &str) -> Value {
    json!({"identifier": {"system": format!("{NAMES}{of}"), "value": value}})
}

/// An agent that is a machine: known by the URI in its certificate.
fn machine(code: &str, display: &str, uri: &str, requestor: bool) -> Value {
    json!({
        "type": concept(DCM, code, display),
        "who": identifier("uri", uri),
        "requestor": requestor,
        // 5: a URI.
        "network": {"address": uri, "type": "5"},
    })
}

fn person(pseudonym: &str, agency: &str) -> Value {
    let participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
    json!({
        "type": concept(participation, "IRCP", "information recipient"),
        "who": identifier(&format!("staff:{agency}"), pseudonym),
        "requestor": true,
    })
}

/// Whether an agency read something: then the act follows the profile.
fn is_read(act: &Act) -> bool {
    act.discloses() && act.event() != "carried_released"
}

/// One act, with the right by which it disclosed, if it did.
#[must_use]
pub fn event(act: &Act, right: Option<&Right>, origin: &str) -> Value {
    let by = actor(act, origin);
    let staff = act.text("staff");
    let mut agents = vec![
        machine("110152", "Destination Role ID", &by, staff.is_none()),
        machine("110153", "Source Role ID", &router(origin), false),
    ];
    if let (Some(staff), Some(agency)) = (staff, act.agency()) {
        agents.push(person(staff, agency.as_str()));
    }
    let rest = "http://terminology.hl7.org/CodeSystem/audit-event-type";
    let mut subtypes = Vec::new();
    if is_read(act) {
        subtypes.push(coding(
            "http://hl7.org/fhir/restful-interaction",
            "read",
            "read",
        ));
    }
    subtypes.push(coding(OURS, act.event(), &act.event().replace('_', " ")));
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": format!("entry-{}", act.index),
        "type": coding(rest, "rest", "Restful Operation"),
        "subtype": subtypes,
        "action": action(verb(act.event())),
        "recorded": instant(act.entry.at.millis()),
        "outcome": if refusal(act).is_some() { "4" } else { "0" },
        "agent": agents,
        "source": {
            "site": origin,
            "observer": identifier("uri", &router(origin)),
            "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")],
        },
        "entity": entities(act, right),
    });
    let Value::Object(fields) = &mut event else {
        return event;
    };
    if is_read(act) {
        fields.insert("meta".into(), json!({"profile": [PROFILE]}));
    }
    if let Some(reason) = refusal(act) {
        fields.insert("outcomeDesc".into(), reason.into());
    }
    let purpose = match right {
        Some(Right::Basis { purpose, .. }) => purpose.as_deref(),
        _ => act.text("purpose"),
    };
    if let Some(purpose) = purpose {
        let purpose = concept("urn:safeconduct:purpose", purpose, purpose);
        fields.insert("purposeOfEvent".into(), json!([purpose]));
    }
    event
}

fn entities(act: &Act, right: Option<&Right>) -> Value {
    const TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
    let (kind, id) = object(act);
    let mut data = json!({
        "what": identifier(kind, &id),
        "type": coding(TYPE, "2", "System Object"),
        "role": coding(ROLE, "4", "Domain Resource"),
    });
    if let (Some(right), Value::Object(fields)) = (right, &mut data) {
        let detail = json!([{"type": "right", "valueString": right.to_string()}]);
        fields.insert("detail".into(), detail);
    }
    let mut entities = vec![data];
    if kind == "offer" || act.discloses() {
        let mut what = identifier(kind, &id);
        if let Value::Object(fields) = &mut what {
            fields.insert("type".into(), "Patient".into());
        }
        entities.push(json!({
            "what": what,
            "type": coding(TYPE, "1", "Person"),
            "role": coding(ROLE, "1", "Patient"),
        }));
    }
    entities.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::acts::rights::Rights;
    use crate::audit::fixture::Town;

    fn exported() -> Vec<(Act, Value)> {
        let mut town = Town::ordinary();
        town.push(
            Town::by("shelter"),
            crate::ledger::decision::Decision::Denied {
                method: "OpenParcel".into(),
                reason: "BASIS_WITHDRAWN".into(),
                staff: Some("s2".into()),
            },
        );
        let mut rights = Rights::default();
        let acts = town.log.iter().zip(0u64..);
        let acts = acts.map(|((entry, opening), index)| {
            let act = Act::read(index, entry, opening.as_ref()).unwrap();
            rights.learn(&act);
            let event = event(&act, rights.of(&act).as_ref(), "example.org");
            (act, event)
        });
        acts.collect()
    }

    fn has_code(value: &Value, code: &str) -> bool {
        let codings = value.get("coding").and_then(Value::as_array);
        codings.is_some_and(|codings| codings.iter().any(|coding| coding["code"] == code))
    }

    fn agent<'a>(event: &'a Value, code: &str) -> Vec<&'a Value> {
        let agents = event["agent"].as_array().unwrap().iter();
        agents
            .filter(|agent| has_code(&agent["type"], code))
            .collect()
    }

    /// What FHIR R4 requires of every `AuditEvent`: type, recorded, agent with requestor, source with observer; codes
    /// from the required bindings.
    #[test]
    fn every_act_is_a_fhir_r4_audit_event() {
        let exported = exported();
        assert!(exported.len() > 10);
        for (_, event) in &exported {
            assert_eq!(event["resourceType"], "AuditEvent");
            assert_eq!(event["type"]["code"], "rest");
            let recorded = event["recorded"].as_str().unwrap();
            assert!(
                recorded.len() == 24 && recorded.ends_with('Z'),
                "{recorded}"
            );
            let action = event["action"].as_str().unwrap();
            assert!(["C", "R", "U", "D", "E"].contains(&action));
            assert!(["0", "4", "8", "12"].contains(&event["outcome"].as_str().unwrap()));
            let agents = event["agent"].as_array().unwrap();
            assert!(agents.iter().all(|agent| agent["requestor"].is_boolean()));
            let requestors = agents.iter().filter(|agent| agent["requestor"] == true);
            assert_eq!(requestors.count(), 1);
            assert!(event["source"]["observer"]["identifier"]["value"].is_string());
            let id = event["id"].as_str().unwrap();
            assert!((1..=64).contains(&id.len()));
        }
    }

    /// What `IHE.BasicAudit.PatientRead` requires beyond that.
    #[test]
    fn disclosures_follow_the_profile_that_they_name() {
        let exported = exported();
        let named = exported
            .iter()
            .filter(|(_, event)| event["meta"]["profile"][0] == PROFILE);
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), 2);
        for (act, event) in named {
            assert!(act.discloses());
            let subtypes = event["subtype"].as_array().unwrap();
            assert!(subtypes.iter().any(|coding| coding["code"] == "read"));
            assert_eq!(event["action"], "R");
            assert_eq!(event["outcome"], "0");
            for code in ["110152", "110153"] {
                let [machine] = agent(event, code)[..] else {
                    panic!("{code}");
                };
                assert!(machine["who"]["identifier"]["value"].is_string());
                assert_eq!(machine["network"]["type"], "5");
                assert!(machine.get("media").is_none());
            }
            let [user] = agent(event, "IRCP")[..] else {
                panic!("no user");
            };
            assert_eq!(user["requestor"], true);
            assert!(user.get("network").is_none() && user["who"].is_object());
            let entities = event["entity"].as_array().unwrap();
            let of = |code: &str| {
                let found: Vec<&Value> = entities
                    .iter()
                    .filter(|entity| entity["type"]["code"] == code)
                    .collect();
                assert_eq!(found.len(), 1);
                found[0]
            };
            assert_eq!(of("2")["role"]["code"], "4");
            assert_eq!(of("1")["role"]["code"], "1");
            assert_eq!(of("1")["what"]["type"], "Patient");
            let right = of("2")["detail"][0]["valueString"].as_str().unwrap();
            assert!(right.starts_with("CONSENT basis "), "{right}");
            assert!(event["purposeOfEvent"][0]["coding"][0]["code"].is_string());
        }
    }

    #[test]
    fn a_refusal_is_a_failure_with_its_reason_and_claims_no_profile() {
        let exported = exported();
        let (_, event) = exported.last().unwrap();
        assert_eq!(event["outcome"], "4");
        assert_eq!(event["outcomeDesc"], "BASIS_WITHDRAWN");
        assert!(event.get("meta").is_none());
    }
}
