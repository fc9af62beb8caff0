//! Staff tokens of any shape.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use safeconduct::client::agency::Desk;
use safeconduct::envelope::keys::{KeyPairSigner, Signer};
use serde_json::{Value, json};

/// A token to be made wrong: its header, its claims, and the key that should sign it.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    pub key: KeyPairSigner,
}

impl Token {
    /// The token that `desk` would send.
    pub fn right(desk: &Desk) -> Self {
        let keys = desk.agency().keys();
        let key = KeyPairSigner::from_pkcs8(keys.staff_pkcs8()).unwrap();
        let now = desk.now().seconds();
        let fingerprint = BASE64URL_NOPAD.encode(keys.tls().fingerprint());
        Self {
            header: json!({"alg": "ES256", "kid": key.verifying_key().point_kid(), "typ": "at+jwt"}),
            claims: json!({
                "iss": desk.agency().id().as_str(),
                "sub": desk.staff().pseudonym.as_str(),
                "aud": desk.agency().trust().origin,
                "iat": now - 1,
                "nbf": now - 1,
                "exp": now + 240,
                "role": desk.staff().role.name(),
                "cnf": {"x5t#S256": fingerprint},
            }),
            key,
        }
    }

    /// The same with one header member set, or removed by null.
    #[must_use]
    pub fn header(mut self, name: &str, value: Value) -> Self {
        set(&mut self.header, name, value);
        self
    }

    /// The same with one claim set, or removed by null.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    fn input(&self) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    /// Signed as it should be.
    pub fn signed(&self) -> String {
        let input = self.input();
        let signature = self.key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    /// Not signed at all.
    pub fn unsigned(&self) -> String {
        format!("{}.", self.input())
    }

    /// "Signed" with HMAC under something that everybody knows.
    pub fn hmac(&self, secret: &[u8]) -> String {
        let input = self.input();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
        format!("{input}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    let members = object.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}
