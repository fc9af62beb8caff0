//! The record schema: what can be told of a person, cut into labelled fields by its descriptors.
//!
//! Sealing walks the schema rather than a list of its own, so that a field that is added with a label is
//! sealed under it, and one without a label does not pass the tests. A value may have a category of its own
//! (forced criminality is a punishable act wherever it stands): it is taken out of its list and travels alone.

mod twins;

use super::disclosure::Field;
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{Category, Form};
use data_encoding::BASE64URL_NOPAD;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage, Value as Reflected,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use twins::derive_twins;

/// The encoded descriptors with their custom options.
static DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Why a record or a field is refused. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no record of this schema; unknown fields are refused, not dropped.
    #[error("not a record of this schema")]
    NotARecord,
    /// A number that is no value of its enumeration, or no number at all.
    #[error("a value of the record is not in its vocabulary")]
    Value,
    /// A value that does not fit its path, or values of several categories in one field.
    #[error("a value does not fit its path")]
    Mismatch,
}

/// One field of the schema.
#[derive(Debug, Clone)]
pub struct SchemaField {
    /// `group.field`.
    pub path: String,
    /// Its label.
    pub label: Label,
    /// Its name in HTCDS, where it has one.
    pub htcds: Option<String>,
    /// Values with a category of their own, by the name that travels.
    pub overrides: BTreeMap<String, Label>,
    group: FieldDescriptor,
    field: FieldDescriptor,
}

/// The record schema.
#[derive(Debug)]
pub struct Schema {
    record: MessageDescriptor,
    fields: BTreeMap<String, SchemaField>,
}

impl Schema {
    /// The schema that this program was built with.
    ///
    /// # Panics
    ///
    /// If `record.proto` lacks a label, which the tests of this room exclude.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SCHEMA: LazyLock<Schema> =
            LazyLock::new(|| Schema::load(DESCRIPTORS).expect("every record field is labelled"));
        &SCHEMA
    }

    fn load(descriptors: &[u8]) -> Option<Self> {
        let pool = DescriptorPool::decode(descriptors).ok()?;
        let record = pool.get_message_by_name("safeconduct.v1.Record")?;
        let mut fields = BTreeMap::new();
        for group in record.fields() {
            let Kind::Message(message) = group.kind() else {
                return None;
            };
            for field in message.fields() {
                let path = format!("{}.{}", group.name(), field.name());
                let (label, htcds) = field_label(&pool, &field)?;
                let overrides = match field.kind() {
                    Kind::Enum(words) => overrides(&pool, &words)?,
                    _ => BTreeMap::new(),
                };
                let group = group.clone();
                let item = SchemaField {
                    path: path.clone(),
                    label,
                    htcds,
                    overrides,
                    group,
                    field,
                };
                fields.insert(path, item);
            }
        }
        Some(Self { record, fields })
    }

    /// Every field, by path.
    pub fn fields(&self) -> impl Iterator<Item = &SchemaField> {
        self.fields.values()
    }

    /// Cuts from `record` (an encoded `Record`) the fields whose labels are `wanted`, each form alone.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the bytes are no record, or a value is none of its vocabulary's.
    pub fn disclose(&self, record: &[u8], wanted: LabelSet) -> Result<Vec<Field>, RecordError> {
        let fields = self.cut(&self.decode(record)?)?;
        Ok(fields
            .into_iter()
            .filter(|field| wanted.contains(field.label))
            .collect())
    }

    /// The labels of all that `record` could tell.
    ///
    /// # Errors
    ///
    /// As [`Schema::disclose`].
    pub fn labels(&self, record: &[u8]) -> Result<LabelSet, RecordError> {
        Ok(self
            .cut(&self.decode(record)?)?
            .iter()
            .map(|field| field.label)
            .collect())
    }

    /// The label that `value` has at `path` by this schema; `None` if the schema does not know them.
    ///
    /// # Errors
    ///
    /// [`RecordError::Mismatch`] if the path is known and the value cannot stand there.
    pub fn label_of(&self, path: &str, value: &Value) -> Result<Option<Label>, RecordError> {
        let (base, category) = match path.split_once('@') {
            Some((base, category)) => (base, Some(category)),
            None => (path, None),
        };
        let Some(item) = self.fields.get(base) else {
            return Ok(None);
        };
        let values = if item.field.is_list() {
            value
                .as_array()
                .filter(|list| !list.is_empty())
                .ok_or(RecordError::Mismatch)?
        } else {
            std::slice::from_ref(value)
        };
        let mut labels = Vec::with_capacity(values.len());
        for value in values {
            match item.label_of_one(value)? {
                Some(label) => labels.push(label),
                None => return Ok(None),
            }
        }
        let first = *labels.first().ok_or(RecordError::Mismatch)?;
        let of_its_own = (first != item.label).then(|| first.category().name());
        if labels.iter().any(|&label| label != first) || of_its_own != category {
            return Err(RecordError::Mismatch);
        }
        Ok(Some(first))
    }

    fn decode(&self, record: &[u8]) -> Result<DynamicMessage, RecordError> {
        let message = DynamicMessage::decode(self.record.clone(), record)
            .map_err(|_| RecordError::NotARecord)?;
        if has_unknown(&message) {
            Err(RecordError::NotARecord)
        } else {
            Ok(message)
        }
    }

    fn cut(&self, record: &DynamicMessage) -> Result<Vec<Field>, RecordError> {
        let mut out = Vec::new();
        for item in self.fields.values() {
            let Reflected::Message(group) = record.get_field(&item.group).into_owned() else {
                return Err(RecordError::NotARecord);
            };
            if !record.has_field(&item.group) || !group.has_field(&item.field) {
                continue;
            }
            let value = json(&group.get_field(&item.field), &item.field.kind())?;
            item.split(value, &mut out);
        }
        Ok(out)
    }
}

impl SchemaField {
    /// Emits `value` under the field's label, and what has a category of its own under that.
    fn split(&self, value: Value, out: &mut Vec<Field>) {
        let is_list = value.is_array();
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        let mut by_label: BTreeMap<Label, Vec<Value>> = BTreeMap::new();
        for value in values {
            let of_its_own = value.as_str().and_then(|word| self.overrides.get(word));
            by_label
                .entry(*of_its_own.unwrap_or(&self.label))
                .or_default()
                .push(value);
        }
        for (label, mut values) in by_label {
            let path = if label == self.label {
                self.path.clone()
            } else {
                format!("{}@{}", self.path, label.category())
            };
            let value = if is_list {
                Value::Array(values)
            } else {
                values.remove(0)
            };
            out.push(Field { path, label, value });
        }
    }

    fn label_of_one(&self, value: &Value) -> Result<Option<Label>, RecordError> {
        let fits = match self.field.kind() {
            Kind::Enum(words) => {
                let word = value.as_str().ok_or(RecordError::Mismatch)?;
                if let Some(&label) = self.overrides.get(word) {
                    return Ok(Some(label));
                }
                let name = format!("{}{word}", prefix(&words));
                if words.get_value_by_name(&name).is_none() {
                    return Ok(None);
                }
                true
            }
            Kind::Message(_) => value.is_object(),
            Kind::String | Kind::Bytes => value.is_string(),
            Kind::Bool => value.is_boolean(),
            _ => value.is_number(),
        };
        if fits {
            Ok(Some(self.label))
        } else {
            Err(RecordError::Mismatch)
        }
    }
}

/// Fields of a newer schema would be left unlabelled, so they are refused rather than dropped.
fn has_unknown(message: &DynamicMessage) -> bool {
    if message.unknown_fields().next().is_some() {
        return true;
    }
    message.fields().any(|(_, value)| match value {
        Reflected::Message(message) => has_unknown(message),
        Reflected::List(values) => values
            .iter()
            .any(|value| value.as_message().is_some_and(has_unknown)),
        _ => false,
    })
}

/// `ENUM_NAME_`, which does not travel.
fn prefix(words: &EnumDescriptor) -> String {
    let zero = words.default_value();
    zero.name().trim_end_matches("UNSPECIFIED").to_owned()
}

fn json(value: &Reflected, kind: &Kind) -> Result<Value, RecordError> {
    Ok(match (value, kind) {
        (Reflected::List(values), _) => Value::Array(
            values
                .iter()
                .map(|value| json(value, kind))
                .collect::<Result<_, _>>()?,
        ),
        (Reflected::EnumNumber(number), Kind::Enum(words)) => {
            let word = words.get_value(*number).filter(|word| word.number() != 0);
            let word = word.ok_or(RecordError::Value)?;
            let name = word.name();
            let prefix = prefix(words);
            Value::String(name.strip_prefix(&prefix).unwrap_or(name).to_owned())
        }
        (Reflected::Message(message), _) => {
            let mut map = Map::new();
            for (field, value) in message.fields() {
                map.insert(field.name().to_owned(), json(value, &field.kind())?);
            }
            Value::Object(map)
        }
        (Reflected::String(text), _) => Value::String(text.clone()),
        (Reflected::Bytes(bytes), _) => Value::String(BASE64URL_NOPAD.encode(bytes)),
        (Reflected::Bool(value), _) => Value::Bool(*value),
        (Reflected::U32(value), _) => Value::from(*value),
        (Reflected::I64(value), _) => whole(*value)?,
        _ => return Err(RecordError::Value),
    })
}

/// Whole numbers beyond 2⁵³ do not survive JSON everywhere.
fn whole(value: i64) -> Result<Value, RecordError> {
    if value.unsigned_abs() < 1 << 53 {
        Ok(Value::from(value))
    } else {
        Err(RecordError::Value)
    }
}

fn field_label(pool: &DescriptorPool, field: &FieldDescriptor) -> Option<(Label, Option<String>)> {
    let extension = pool.get_extension_by_name("safeconduct.v1.field")?;
    let options = field.options();
    let option = options.get_extension(&extension);
    let option = option.as_message()?;
    let form = words_of(option, "form")?;
    let label = Label::new(category_of(option)?, form.parse::<Form>().ok()?).ok()?;
    Some((label, htcds_of(option)))
}

fn overrides(pool: &DescriptorPool, words: &EnumDescriptor) -> Option<BTreeMap<String, Label>> {
    let extension = pool.get_extension_by_name("safeconduct.v1.value")?;
    let prefix = prefix(words);
    let mut out = BTreeMap::new();
    for word in words.values() {
        let options = word.options();
        let option = options.get_extension(&extension);
        let option = option.as_message()?;
        if let Some(category) = category_of(option) {
            let name = word.name().strip_prefix(&prefix)?;
            out.insert(name.to_owned(), Label::most(category));
        }
    }
    Some(out)
}

fn category_of(option: &DynamicMessage) -> Option<Category> {
    words_of(option, "category")?.parse().ok()
}

fn words_of(option: &DynamicMessage, field: &str) -> Option<String> {
    let descriptor = option.descriptor().get_field_by_name(field)?;
    match json(&option.get_field(&descriptor), &descriptor.kind()).ok()? {
        Value::String(word) => Some(word),
        _ => None,
    }
}

fn htcds_of(option: &DynamicMessage) -> Option<String> {
    let value = option.get_field_by_name("htcds")?;
    value
        .as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
