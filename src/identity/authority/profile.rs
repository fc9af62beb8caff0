//! What a leaf certificate says.

use std::net::IpAddr;

use rcgen::CustomExtension;

use crate::domain::time::Timestamp;
use crate::identity::signing_chain::SIGNING_USAGE_OID;

/// Extended key usages of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS server: a router.
    Server,
    /// TLS client: an agency's connections.
    Client,
    /// An agency's statements; our own OID.
    Signing,
}

impl Usage {
    /// DER content octets of the OID.
    const fn oid(self) -> &'static [u8] {
        match self {
            // id-kp-serverAuth and id-kp-clientAuth, RFC 5280 §4.2.1.12.
            Self::Server => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
            Self::Client => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
            Self::Signing => SIGNING_USAGE_OID,
        }
    }
}

/// A leaf certificate in full. The authority's own methods fill it in rightly; tests fill it in wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProfile {
    /// Subject alternative names: URIs.
    pub uris: Vec<String>,
    /// Subject alternative names: DNS names.
    pub dns: Vec<String>,
    /// Subject alternative names: IP addresses.
    pub ips: Vec<IpAddr>,
    /// Common name: for people, read by no program.
    pub common_name: String,
    /// Extended key usages; no extension at all when empty.
    pub usages: Vec<Usage>,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
}

impl LeafProfile {
    /// The extended key usage extension, encoded here because our OID's arc is wider than the library's 64 bits.
    pub(super) fn usage_extension(&self) -> Option<CustomExtension> {
        if self.usages.is_empty() {
            return None;
        }
        let oids: Vec<u8> = self
            .usages
            .iter()
            .flat_map(|usage| der(0x06, usage.oid()))
            .collect();
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], der(0x30, &oids));
        // Critical, so that software which does not know our usage refuses a signing certificate.
        extension.set_criticality(self.usages.contains(&Usage::Signing));
        Some(extension)
    }
}

/// Tag, short length, content: the contents here stay under 128 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("three short OIDs at most");
    debug_assert!(length < 128);
    let mut out = vec![tag, length];
    out.extend_from_slice(content);
    out
}
