//! The value of a slip's code: what the router stores and looks up instead of the code.
//!
//! `Argon2id(digits, salt)` with a salt that belongs to one log: whoever steals the router's store
//! has to spend a second
//! of a machine and 64 MiB on each guess of each code, and nothing that was worked out for one
//! deployment serves against
//! another. The salt is made of the log's origin, which every agency pins, so that nobody has to ask for it.

use super::keys::sha256;
use crate::domain::code::Code;
use crate::domain::transcript::transcript;
use argon2::{Algorithm, Argon2, Params, Version};

/// Memory of one computation, in KiB.
///
/// # Source
///
/// RFC 9106 §4, the second recommended option: 64 MiB and three passes, where 2 GiB are too much.
pub const MEMORY_KIB: u32 = 64 * 1024;

/// Passes over the memory.
pub const PASSES: u32 = 3;

/// Lanes: a desk computes one value at a time on one core.
pub const LANES: u32 = 1;

/// Bytes of a value.
pub const VALUE_BYTES: usize = 32;

/// The salt of the deployment whose log is `origin`.
#[must_use]
pub fn salt(origin: &str) -> [u8; 32] {
    let parts: [&[u8]; 2] = [b"safeconduct/v1/slip", origin.as_bytes()];
    sha256(&transcript(&parts))
}

/// The value of `code` in the deployment whose log is `origin`. Takes a good part of a second and 64 MiB: never on a
/// thread that serves, and never many at once.
///
/// # Panics
///
/// Never: the parameters are within Argon2's bounds.
#[must_use]
pub fn value(code: &Code, origin: &str) -> [u8; VALUE_BYTES] {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(VALUE_BYTES))
        .expect("the parameters are within Argon2's bounds");
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut value = [0; VALUE_BYTES];
    argon
        .hash_password_into(code.digits().as_bytes(), &salt(origin), &mut value)
        .expect("the lengths are within Argon2's bounds");
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_another_value_in_another_deployment() {
        let code: Code = "+381 64 123 4567 890"
            .parse()
            .or_else(|_| {
                (0..10)
                    .find_map(|last| format!("38164123456789{last}").parse().ok())
                    .ok_or(())
            })
            .expect("one last digit checks the others");
        let here = value(&code, "here.example");
        assert_eq!(here, value(&code, "here.example"));
        assert_ne!(here, value(&code, "there.example"));
    }
}
