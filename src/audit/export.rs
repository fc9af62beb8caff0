//! Acts in the formats that other systems read: FHIR R4 `AuditEvent` as IHE BALP profiles it, and OCSF.
//!
//! Codes and references only: an agency by its URI, a member of staff by the pseudonym that only their agency resolves,
//! a person by an offer, which means nothing outside the parties to it. Nothing here says what was told.

pub mod balp;
pub mod ocsf;

use super::acts::Act;
use crate::identity::certificate::agency_uri;
use crate::ledger::entry::Actor;

/// What an act did to what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Read,
    Update,
    Delete,
    Execute,
}

/// The verb of an event. An event that is new to this list executes something.
fn verb(event: &str) -> Verb {
    match event {
        "opened" | "message_opened" | "attachment_opened" | "access_opened"
        | "carried_released" | "audit_read" => Verb::Read,
        "basis_recorded"
        | "offered"
        | "deposited"
        | "message_posted"
        | "attachment_deposited"
        | "access_requested"
        | "carried_recorded"
        | "code_registered"
        | "alert_raised"
        | "disposition_recorded"
        | "proposed" => Verb::Create,
        "erased" | "basis_withdrawn" => Verb::Delete,
        "offer_moved"
        | "offer_closed"
        | "offers_closed"
        | "amended"
        | "pool_updated"
        | "capacity_declared"
        | "keys"
        | "access_approved"
        | "access_refused"
        | "access_released"
        | "access_ended"
        | "access_reviewed"
        | "disposition_confirmed" => Verb::Update,
        _ => Verb::Execute,
    }
}

/// Whoever acted, as a URI.
fn actor(act: &Act, origin: &str) -> String {
    match &act.entry.by {
        Actor::Agency(agency) => agency_uri(origin, agency),
        Actor::Router => router(origin),
        Actor::Admin => format!("spiffe://{origin}/administrator"),
    }
}

/// The router, as a URI.
fn router(origin: &str) -> String {
    format!("spiffe://{origin}/router")
}

/// What an act is about: a kind of thing and its id.
fn object(act: &Act) -> (&'static str, String) {
    let named = [
        "offer", "access", "carried", "referral", "resume", "chain", "pool", "group", "alert",
    ];
    let found = named
        .iter()
        .find_map(|field| act.text(field).map(|id| (*field, id.to_owned())));
    found.unwrap_or_else(|| ("entry", act.index.to_string()))
}

/// Whether the act is a refusal, and why.
fn refusal(act: &Act) -> Option<&str> {
    (act.event() == "denied").then(|| act.text("reason").unwrap_or("NOT_PERMITTED"))
}

/// A moment as RFC 3339 with milliseconds, in UTC.
fn instant(millis: i64) -> String {
    let (seconds, milli) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn an_instant_is_that_of_the_calendar() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(instant(1_798_761_600_001), "2027-01-01T00:00:00.001Z");
    }
}
