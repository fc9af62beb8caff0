//! What an agency sees, without what may differ: replies as text, for comparing worlds (invariant 22).

use std::collections::HashMap;
use std::fmt::Write as _;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value};
use safeconduct::envelope::keys::sha256;
use safeconduct::proto::DESCRIPTORS;

/// How much may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Ids, randomness and times.
    Ids,
    /// These, and the listed set: log position, size, root, proofs.
    Listed,
}

/// Names each id by the order in which it appears.
#[derive(Default)]
struct Ids(HashMap<String, usize>);

impl Ids {
    fn replace(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut word = String::new();
        for character in text.chars().chain(['\n']) {
            if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') {
                word.push(character);
                continue;
            }
            out.push_str(&self.word(&word));
            word.clear();
            out.push(character);
        }
        out.pop();
        out
    }

    fn word(&mut self, word: &str) -> String {
        let base32 = |c: char| matches!(c, 'a'..='z' | '2'..='7');
        if word.len() == 26 && word.chars().all(base32) {
            let next = self.0.len();
            return format!("#{}", self.0.entry(word.to_owned()).or_insert(next));
        }
        match BASE64URL_NOPAD.decode(word.as_bytes()) {
            Ok(bytes) if bytes.len() == 32 => "~digest".into(),
            _ => word.to_owned(),
        }
    }
}

/// Reads replies of one world, in the order in which they came.
pub struct Reader {
    pool: DescriptorPool,
    level: Level,
    ids: Ids,
}

impl Reader {
    pub fn new(level: Level) -> Self {
        Self {
            pool: DescriptorPool::decode(DESCRIPTORS).unwrap(),
            level,
            ids: Ids::default(),
        }
    }

    /// A reply of `service/Method` as text.
    pub fn reply(&mut self, method: &str, bytes: &[u8]) -> String {
        let (service, name) = method.split_once('/').unwrap();
        let service = self
            .pool
            .get_service_by_name(&format!("safeconduct.v1.{service}"));
        let method = service
            .unwrap()
            .methods()
            .find(|method| method.name() == name);
        let message = DynamicMessage::decode(method.unwrap().output(), bytes).unwrap();
        let mut out = String::new();
        self.message(&message, &mut out, 0);
        out
    }

    fn message(&mut self, message: &DynamicMessage, out: &mut String, depth: usize) {
        if message.descriptor().name() == "Timestamp" {
            out.push_str(" a time\n");
            return;
        }
        out.push('\n');
        assert!(
            message.unknown_fields().next().is_none(),
            "a field that the schema does not know"
        );
        for (field, value) in message.fields() {
            let name = field.name().to_owned();
            let values = match value {
                Value::List(values) => values.clone(),
                value => vec![value.clone()],
            };
            if self.is_listed(&name) {
                continue;
            }
            let indent = "  ".repeat(depth + 1);
            let mut lines: Vec<String> = Vec::new();
            for value in values {
                let mut line = String::new();
                match value {
                    Value::Message(message) => self.message(&message, &mut line, depth + 1),
                    Value::Bytes(bytes) => {
                        writeln!(line, " {}", self.bytes(&name, &bytes)).unwrap()
                    }
                    Value::String(text) => writeln!(line, " {}", self.text(&name, &text)).unwrap(),
                    other => writeln!(line, " {other:?}").unwrap(),
                }
                lines.push(line);
            }
            // Sorted by digests, which are random: their order is theirs.
            if matches!(name.as_str(), "labels" | "fields") {
                lines.sort();
            }
            for line in lines {
                write!(out, "{indent}{name}:{line}").unwrap();
            }
        }
    }

    /// Positions, sizes, roots and proofs of the log.
    fn is_listed(&self, name: &str) -> bool {
        let listed = [
            "index",
            "inclusion",
            "consistency",
            "consistency_from",
            "proof",
            "checkpoint",
        ];
        self.level == Level::Listed && listed.contains(&name)
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) -> String {
        match name {
            "entry" | "decision" if !bytes.is_empty() => self.json(bytes),
            "statement" => self.statement(bytes),
            // Of the directory, the same in every world.
            "key_bundle" | "proposal" | "approval" | "toml" | "root" | "digest_proof" => {
                HEXLOWER.encode(&sha256(bytes))
            }
            _ => format!("{} bytes", bytes.len()),
        }
    }

    fn text(&mut self, name: &str, text: &str) -> String {
        match name {
            // Holds the agency's own count of bells, and is authenticated by a key that every world shares.
            "resume_token" => text.to_owned(),
            "page_token" | "next_page_token" => format!("{} characters", text.len()),
            "checkpoint" => {
                let mut lines = text.lines();
                format!("{} {}", lines.next().unwrap(), lines.next().unwrap())
            }
            _ => self.ids.replace(text),
        }
    }

    fn json(&mut self, bytes: &[u8]) -> String {
        let mut value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        for name in ["t", "c", "decide_by", "until"] {
            if let Some(member) = value.get_mut(name) {
                *member = "~".into();
            }
        }
        self.ids.replace(&value.to_string())
    }

    /// A parcel's statement: every claim, but for what is random.
    fn statement(&mut self, token: &[u8]) -> String {
        let claims = token.split(|&byte| byte == b'.').nth(1).unwrap();
        let mut claims: serde_json::Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(claims).unwrap()).unwrap();
        for name in ["iat", "exp"] {
            claims[name] = "~".into();
        }
        let hpke = claims["hpke"].as_str().map(str::len);
        claims["hpke"] = hpke.into();
        format!(
            "{} bytes {}",
            token.len(),
            self.ids.replace(&claims.to_string())
        )
    }
}
