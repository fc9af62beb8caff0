//! A record with something in every field, and a mark in everything that can carry one.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use prost_reflect::prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use safeconduct::domain::label::LabelSet;
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::record::Schema;
use safeconduct::proto::DESCRIPTORS;

/// A record in which every field of the schema is set.
pub struct FullRecord {
    bytes: Vec<u8>,
    marks: Vec<String>,
}

impl FullRecord {
    /// Texts carry `mark`; numbers are long ones of their own.
    pub fn marked(mark: &str) -> Self {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let record = pool.get_message_by_name("safeconduct.v1.Record").unwrap();
        let mut filler = Filler {
            mark,
            numbers: 0,
            marks: vec![mark.to_owned()],
        };
        let bytes = filler.message(&record, "").encode_to_vec();
        Self {
            bytes,
            marks: filler.marks,
        }
    }

    /// The fields under these labels.
    pub fn cut(&self, wanted: LabelSet) -> Vec<Field> {
        Schema::shared().disclose(&self.bytes, wanted).unwrap()
    }

    /// Byte strings, none of which may be found where plaintext may not be: every mark as it is, in hexadecimal, and
    /// in base64url at each of its three alignments.
    pub fn needles(&self) -> Vec<Vec<u8>> {
        self.marks
            .iter()
            .flat_map(|mark| needles(mark.as_bytes()))
            .collect()
    }
}

/// `secret` as it is, in hexadecimal, and in base64url wherever it stands in a longer text.
pub fn needles(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![secret.to_vec(), HEXLOWER.encode(secret).into_bytes()];
    for before in 0..3 {
        let shifted = [&vec![0; before], secret].concat();
        let text = BASE64URL_NOPAD.encode(&shifted).into_bytes();
        // The first and last characters also hold bits of the neighbours.
        let (from, until) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        all.push(text[from..until].to_vec());
    }
    all
}

struct Filler<'a> {
    mark: &'a str,
    numbers: u32,
    marks: Vec<String>,
}

impl Filler<'_> {
    fn message(&mut self, message: &MessageDescriptor, path: &str) -> DynamicMessage {
        let mut filled = DynamicMessage::new(message.clone());
        for field in message.fields() {
            let path = format!("{path}-{}", field.name());
            let value = if field.is_list() {
                Value::List(self.values(&field, &path))
            } else {
                self.value(&field, &path)
            };
            filled.set_field(&field, value);
        }
        filled
    }

    /// One value; of an enumeration every value, so that those with a category of their own are among them.
    fn values(&mut self, field: &FieldDescriptor, path: &str) -> Vec<Value> {
        match field.kind() {
            Kind::Enum(words) => {
                let numbers = words.values().map(|word| word.number());
                numbers
                    .filter(|&number| number != 0)
                    .map(Value::EnumNumber)
                    .collect()
            }
            _ => vec![self.value(field, path)],
        }
    }

    fn value(&mut self, field: &FieldDescriptor, path: &str) -> Value {
        self.numbers += 1;
        match field.kind() {
            Kind::Message(message) => Value::Message(self.message(&message, path)),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::String => Value::String(format!("{}{path}", self.mark)),
            Kind::Bytes => Value::Bytes(format!("{}{path}", self.mark).into_bytes().into()),
            Kind::Bool => Value::Bool(true),
            Kind::Uint32 => {
                let number = 3_141_592_000 + self.numbers;
                self.marks.push(number.to_string());
                Value::U32(number)
            }
            Kind::Int64 => {
                let number = 2_718_281_828_459_000 + i64::from(self.numbers);
                self.marks.push(number.to_string());
                Value::I64(number)
            }
            other => panic!("the record has a field of a new kind: {other:?}"),
        }
    }
}
