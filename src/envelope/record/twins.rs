//! Generalised twins: what a source derives from what it knows, so that less can be told.
//!
//! The router cannot blur what it cannot read; each form is therefore a field of its own. What is already said
//! stands; only what is missing is derived, always on the cautious side.

use super::{RecordError, Schema};
use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, ReflectMessage, Value};

/// Adds the twins that are missing to an encoded `Record`.
///
/// `alias` is used where there is none: one for each case *and recipient*, or two recipients could join what they hold.
///
/// # Errors
///
/// [`RecordError::NotARecord`] if the bytes are no record.
pub fn derive_twins(record: &[u8], alias: Option<&str>) -> Result<Vec<u8>, RecordError> {
    let mut record = Schema::shared().decode(record)?;
    derive(&mut record, alias).ok_or(RecordError::NotARecord)?;
    Ok(record.encode_to_vec())
}

fn derive(record: &mut DynamicMessage, alias: Option<&str>) -> Option<()> {
    with_group(record, "age", age)?;
    let subject = subject(record)?;
    with_group(record, "family", |inner| family(inner, subject))?;
    with_group(record, "care", care)?;
    with_group(record, "threat", threat)?;
    with_group(record, "contact", |contact| {
        set_missing(contact, "via_source", Value::Bool(true))
    })?;
    with_group(record, "documents", documents)?;
    if let Some(alias) = alias {
        let mut identity = group(record, "identity")?;
        set_missing(&mut identity, "alias", Value::String(alias.to_owned()))?;
        record
            .try_set_field_by_name("identity", Value::Message(identity))
            .ok()?;
    }
    Some(())
}

/// A group, empty if it is not set.
fn group(record: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    record.get_field_by_name(name)?.as_message().cloned()
}

/// Changes a group that is set; one that is not stays so.
fn with_group(
    record: &mut DynamicMessage,
    name: &str,
    change: impl FnOnce(&mut DynamicMessage) -> Option<()>,
) -> Option<()> {
    if !record.has_field_by_name(name) {
        return Some(());
    }
    let mut inner = group(record, name)?;
    change(&mut inner)?;
    record
        .try_set_field_by_name(name, Value::Message(inner))
        .ok()
}

fn set_missing(message: &mut DynamicMessage, field: &str, value: Value) -> Option<()> {
    if message.has_field_by_name(field) {
        return Some(());
    }
    message.try_set_field_by_name(field, value).ok()
}

fn enumeration(message: &DynamicMessage, field: &str) -> Option<EnumDescriptor> {
    match message.descriptor().get_field_by_name(field)?.kind() {
        Kind::Enum(words) => Some(words),
        _ => None,
    }
}

/// The number of a word of the enumeration at `field`.
fn word(message: &DynamicMessage, field: &str, word: &str) -> Option<Value> {
    let words = enumeration(message, field)?;
    let name = format!("{}{word}", super::prefix(&words));
    Some(Value::EnumNumber(words.get_value_by_name(&name)?.number()))
}

/// Whether the enumeration at `field`, or one of its values, is `word`.
fn says(message: &DynamicMessage, field: &str, wanted: &str) -> Option<bool> {
    let wanted = word(message, field, wanted)?;
    let value = message.get_field_by_name(field)?;
    Some(match &*value {
        Value::List(values) => values.contains(&wanted),
        value => *value == wanted,
    })
}

fn number(message: &DynamicMessage, field: &str) -> Option<u32> {
    if !message.has_field_by_name(field) {
        return None;
    }
    message.get_field_by_name(field)?.as_u32()
}

/// The band of an age in years.
fn band(years: u32) -> &'static str {
    match years {
        0..=1 => "INFANT",
        2..=11 => "CHILD",
        12..=17 => "ADOLESCENT",
        18..=59 => "ADULT",
        _ => "OLDER",
    }
}

fn age(age: &mut DynamicMessage) -> Option<()> {
    // The person's own word counts; in doubt a child (R11), so the least age is taken.
    let told = ["claimed", "documented", "assessed"].map(|field| number(age, field));
    if let Some(years) = told.into_iter().flatten().min() {
        let value = word(age, "band", band(years))?;
        set_missing(age, "band", value)?;
    }
    let doubtful = says(age, "doubt", "MAY_BE_CHILD")? || says(age, "doubt", "MAY_BE_ADULT")?;
    if age.has_field_by_name("band") || doubtful {
        let adult = says(age, "band", "ADULT")? || says(age, "band", "OLDER")?;
        let value = if adult && !doubtful { "ADULT" } else { "CHILD" };
        let value = word(age, "child_or_adult", value)?;
        set_missing(age, "child_or_adult", value)?;
    }
    Some(())
}

fn care(care: &mut DynamicMessage) -> Option<()> {
    let tonight = [
        "MEDICATION_TONIGHT",
        "DOCTOR_TONIGHT",
        "SELF_HARM_SUPPORT",
        "WITHDRAWAL_CARE",
    ];
    let mut acuity = "ROUTINE";
    if care.has_field_by_name("needs") {
        acuity = "SOON";
    }
    for need in tonight {
        if says(care, "needs", need)? {
            acuity = "TONIGHT";
        }
    }
    let value = word(care, "acuity", acuity)?;
    set_missing(care, "acuity", value)
}

fn threat(threat: &mut DynamicMessage) -> Option<()> {
    if !threat.has_field_by_name("level") {
        return Some(());
    }
    let active = says(threat, "level", "ACTIVE")?;
    set_missing(threat, "present_danger", Value::Bool(active))
}

/// The person's own band and the place they prefer: the person is counted among the group.
fn subject(record: &DynamicMessage) -> Option<(Value, Value)> {
    let band = group(record, "age")?
        .get_field_by_name("band")?
        .into_owned();
    let placement = group(record, "placement")?;
    Some((
        band,
        placement
            .get_field_by_name("placement_gender")?
            .into_owned(),
    ))
}

fn family(family: &mut DynamicMessage, subject: (Value, Value)) -> Option<()> {
    let members = family.get_field_by_name("members")?.as_list()?.to_vec();
    let mut relations: Vec<Value> = Vec::new();
    let mut people: Vec<(Value, Value)> = Vec::new();
    if !members.is_empty() && subject.0 != Value::EnumNumber(0) {
        people.push(subject);
    }
    let kind = family.descriptor().get_field_by_name("counts")?.kind();
    let empty = DynamicMessage::new(kind.as_message()?.clone());
    for member in members.iter().filter_map(Value::as_message) {
        let relation = member.get_field_by_name("relation")?.into_owned();
        if relation != Value::EnumNumber(0) {
            relations.push(relation);
        }
        if let Some(years) = number(member, "age") {
            let gender = member.get_field_by_name("placement_gender")?.into_owned();
            people.push((word(&empty, "band", band(years))?, gender));
        }
    }
    if !relations.is_empty() {
        set_missing(family, "relations", Value::List(relations))?;
    }
    let mut list: Vec<Value> = Vec::new();
    let mut counted: Vec<(Value, Value)> = Vec::new();
    for person in &people {
        if counted.contains(person) {
            continue;
        }
        counted.push(person.clone());
        let count = people.iter().filter(|other| *other == person).count();
        let mut message = empty.clone();
        message
            .try_set_field_by_name("band", person.0.clone())
            .ok()?;
        message
            .try_set_field_by_name("placement_gender", person.1.clone())
            .ok()?;
        message
            .try_set_field_by_name("count", Value::U32(u32::try_from(count).ok()?))
            .ok()?;
        list.push(Value::Message(message));
    }
    if list.is_empty() {
        Some(())
    } else {
        set_missing(family, "counts", Value::List(list))
    }
}

fn documents(documents: &mut DynamicMessage) -> Option<()> {
    let copies = documents.get_field_by_name("copies")?.as_list()?.to_vec();
    let mut kinds: Vec<Value> = Vec::new();
    for copy in copies.iter().filter_map(Value::as_message) {
        let kind = copy.get_field_by_name("kind")?.into_owned();
        if kind != Value::EnumNumber(0) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        Some(())
    } else {
        set_missing(documents, "kinds", Value::List(kinds))
    }
}
