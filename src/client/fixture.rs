//! For this room's tests: an agency's folder as `safeconduct ca issue` makes it, and facts that say nothing.

use std::path::Path;

use super::keys::KeyFiles;
use super::random::SystemRandom;
use crate::domain::directory::AgencyFacts;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::identity::authority::{Authority, LEAF_LIFETIME};

/// Issues certificates for `agency` into `folder`.
pub(super) fn issue(
    authority: &mut Authority,
    agency: &AgencyId,
    folder: &Path,
    now: Timestamp,
) -> KeyFiles {
    let issued = authority
        .issue_agency(agency, now, LEAF_LIFETIME, &mut SystemRandom)
        .expect("certificates are issued");
    let files = KeyFiles {
        tls_certificate: folder.join("tls.pem"),
        tls_key: folder.join("tls.key"),
        signing_certificate: folder.join("signing.pem"),
        signing_key: folder.join("signing.key"),
        own: folder.join("keys"),
    };
    let write = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).expect("a file is written");
    write(&files.tls_certificate, issued.tls.chain_pem.as_bytes());
    write(&files.tls_key, issued.tls.key_pem.as_bytes());
    write(
        &files.signing_certificate,
        issued.signing.chain_pem.as_bytes(),
    );
    write(&files.signing_key, issued.signing.key_pem.as_bytes());
    files
}

/// Facts of an agency that says nothing of itself.
pub(super) const fn facts() -> AgencyFacts {
    AgencyFacts::unstated()
}
