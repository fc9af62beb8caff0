//! An act as an OCSF event of class API Activity (6003), schema version 1.1.0.
//!
//! | here | there |
//! |---|---|
//! | index of the entry | `metadata.uid`, `metadata.sequence` |
//! | time of the entry | `time` |
//! | log origin | `metadata.log_name` |
//! | event | `api.operation`, `metadata.event_code` |
//! | what it does | `activity_id` 1 create, 2 read, 3 update, 4 delete, 99 other |
//! | agency that acted | `actor.user.org.uid`, `src_endpoint` (the URI of its certificate) |
//! | staff pseudonym | `actor.user.uid` |
//! | what is named | `resources` |
//! | a refusal's reason | `status_id` 2, `status_detail`, `severity_id` 2; 1 otherwise; break-glass 3 |
//! | right and purpose | `unmapped` |
//!
//! A network address is never recorded.
//!
//! # Source
//!
//! Open Cybersecurity Schema Framework 1.1.0, classes `base_event`, `application`, `api_activity`.

use super::{Verb, actor, object, refusal, verb};
use crate::audit::acts::Act;
use crate::audit::acts::rights::Right;
use serde_json::{Value, json};

const VERSION: &str = "1.1.0";
const CATEGORY: u32 = 6;
const CLASS: u32 = 6003;

const fn activity(verb: Verb) -> (u32, &'static str) {
    match verb {
        Verb::Create => (1, "Create"),
        Verb::Read => (2, "Read"),
        Verb::Update => (3, "Update"),
        Verb::Delete => (4, "Delete"),
        Verb::Execute => (99, "Other"),
    }
}

/// Informational; low for refusals, which are many and harmless by themselves; medium for break-glass.
fn severity(act: &Act) -> (u32, &'static str) {
    if act.event().starts_with("access_") {
        (3, "Medium")
    } else if refusal(act).is_some() {
        (2, "Low")
    } else {
        (1, "Informational")
    }
}

/// One act, with the right by which it disclosed, if it did.
#[must_use]
pub fn event(act: &Act, right: Option<&Right>, origin: &str) -> Value {
    let (activity_id, activity_name) = activity(verb(act.event()));
    let (severity_id, severity) = severity(act);
    let by = actor(act, origin);
    let user = act.text("staff").unwrap_or(&by);
    let (kind, id) = object(act);
    let type_uid = CLASS * 100 + activity_id;
    let mut event = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "actor": {"user": {"uid": user, "org": {"uid": by}}},
        "api": {"operation": act.event(), "service": {"name": "safeconduct"}},
        "category_name": "Application Activity",
        "category_uid": CATEGORY,
        "class_name": "API Activity",
        "class_uid": CLASS,
        "metadata": {
            "event_code": act.event(),
            "log_name": origin,
            "product": {"name": "safeconduct", "vendor_name": "safeconduct", "version": env!("CARGO_PKG_VERSION")},
            "sequence": act.index,
            "uid": act.index.to_string(),
            "version": VERSION,
        },
        "resources": [{"type": kind, "uid": id}],
        "severity": severity,
        "severity_id": severity_id,
        "src_endpoint": {"uid": by},
        "status": if refusal(act).is_some() { "Failure" } else { "Success" },
        "status_id": if refusal(act).is_some() { 2 } else { 1 },
        "time": act.entry.at.millis(),
        "type_name": format!("API Activity: {activity_name}"),
        "type_uid": type_uid,
    });
    let Value::Object(fields) = &mut event else {
        return event;
    };
    if let Some(reason) = refusal(act) {
        fields.insert("status_detail".into(), reason.into());
    }
    if let Some(right) = right {
        let purpose = match right {
            Right::Basis { purpose, .. } => purpose.as_deref(),
            Right::BreakGlass { .. } | Right::Reply => None,
        };
        let unmapped = json!({"right": right.to_string(), "purpose": purpose});
        fields.insert("unmapped".into(), unmapped);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::Town;

    /// The attributes that the schema requires of the class, with the constraints of the objects in them.
    #[test]
    fn every_act_has_what_the_schema_requires() {
        let mut town = Town::ordinary();
        town.push(
            Town::by("shelter"),
            crate::ledger::decision::Decision::Denied {
                method: "OpenParcel".into(),
                reason: "NOT_PERMITTED".into(),
                staff: None,
            },
        );
        for ((entry, opening), index) in town.log.iter().zip(0u64..) {
            let act = Act::read(index, entry, opening.as_ref()).unwrap();
            let event = event(&act, None, "example.org");
            for required in [
                "activity_id",
                "actor",
                "api",
                "category_uid",
                "class_uid",
                "metadata",
                "severity_id",
                "src_endpoint",
                "time",
                "type_uid",
            ] {
                assert!(event.get(required).is_some(), "{required}");
            }
            let number = |name: &str| event[name].as_u64().unwrap();
            assert_eq!(number("category_uid"), number("class_uid") / 1000);
            assert_eq!(
                number("type_uid"),
                number("class_uid") * 100 + number("activity_id")
            );
            assert!([0, 1, 2, 3, 4, 99].contains(&number("activity_id")));
            assert!((0..=6).contains(&number("severity_id")));
            assert!(event["api"]["operation"].is_string());
            assert_eq!(event["metadata"]["version"], VERSION);
            assert!(event["metadata"]["product"]["vendor_name"].is_string());
            // At least one of their attributes: user, uid, uid.
            assert!(event["actor"]["user"]["uid"].is_string());
            assert!(event["src_endpoint"]["uid"].is_string());
            assert!(event["time"].as_i64().unwrap() > 1_000_000_000_000);
            let refused = event["api"]["operation"] == "denied";
            assert_eq!(number("status_id"), if refused { 2 } else { 1 });
        }
    }
}
