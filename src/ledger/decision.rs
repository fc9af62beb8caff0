//! What an entry commits to: codes and references that a replay needs, never content.
//!
//! Written by the exchange, parsed by the audit. The commitment is over the RFC 8785 encoding.
//! A recipient is given the decisions of its own acts, so those name nothing it may not know: the basis chain
//! behind a parcel stands in the source's deposit, and replay joins the two by the parcel's id.

use serde::{Deserialize, Serialize};

/// One label of a parcel, as its statement and its deposit name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledDigest {
    /// SHA-256 of the disclosure, base64url without padding.
    pub d: String,
    /// Category name.
    pub cat: String,
    /// Form name.
    pub form: String,
}

/// A parcel as deposited, with what opens its basis commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposited {
    /// Parcel id.
    pub parcel: String,
    /// Stage name.
    pub stage: String,
    /// The statement: compact JWS.
    pub statement: String,
    /// Labels, sorted by digest.
    pub labels: Vec<LabelledDigest>,
    /// Basis chain id.
    pub chain: String,
    /// Salt of the basis commitment, base64url without padding.
    pub salt: String,
    /// Protocol version that allowed it.
    pub protocol: u64,
    /// Gate version that decided.
    pub gate: u32,
}

/// The private part of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// The log was begun; pins the first two administrators and the trust anchors.
    Initialised {
        /// Log origin, which is also the trust domain.
        origin: String,
        /// Public keys (SubjectPublicKeyInfo PEM) of the administrators.
        administrators: Vec<String>,
        /// Certificate authorities (PEM) that agencies' signing chains end in.
        roots: String,
    },
    /// One administrator proposed an act.
    Proposed {
        /// Proposal id.
        proposal: String,
        /// The act: compact JWS.
        statement: String,
    },
    /// An act with both signatures took effect: an enrolment, a protocol, a reinstatement.
    Approved {
        /// Proposal id.
        proposal: String,
        /// The act: compact JWS.
        statement: String,
        /// The approval: compact JWS.
        approval: String,
    },
    /// One administrator suspended an agency.
    Suspended {
        /// The act: compact JWS.
        statement: String,
    },
    /// A basis statement became the head of its chain.
    BasisRecorded {
        /// The statement: compact JWS.
        statement: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A basis chain was withdrawn.
    BasisWithdrawn {
        /// The withdrawal: compact JWS.
        statement: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// An offer was made, with the parcels deposited in the same act.
    Offered {
        /// Offer id.
        offer: String,
        /// Referral id.
        referral: String,
        /// Case handle.
        case: String,
        /// Recipient's agency id.
        recipient: String,
        /// Purpose name.
        purpose: String,
        /// Urgency name.
        urgency: String,
        /// Milliseconds since the epoch.
        decide_by: i64,
        /// Parcels.
        deposits: Vec<Deposited>,
        /// Staff pseudonym.
        staff: String,
    },
    /// A parcel was deposited later.
    Deposited {
        /// Offer id.
        offer: String,
        /// The parcel.
        deposit: Deposited,
        /// Staff pseudonym.
        staff: String,
    },
    /// A parcel was disclosed to its recipient.
    Opened {
        /// Offer id.
        offer: String,
        /// Stage name.
        stage: String,
        /// Parcel id.
        parcel: String,
        /// SHA-256 of the statement, base64url without padding.
        statement_hash: String,
        /// Protocol version that allowed it.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// The recipient moved its offer.
    OfferMoved {
        /// Offer id.
        offer: String,
        /// State name after the act.
        to: String,
        /// Decline reason, when declined.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// Who declined.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        decliner: Option<String>,
        /// Outcome, when completed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        outcome: Option<String>,
        /// Staff pseudonym.
        staff: String,
    },
    /// An offer was closed by something upstream; the decision does not say what.
    OfferClosed {
        /// Offer id.
        offer: String,
    },
    /// Places were held for an offer.
    PlacesHeld {
        /// Offer id.
        offer: String,
        /// Pool id.
        pool: String,
        /// Places.
        places: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// A pool's size was set.
    PoolUpdated {
        /// Pool id.
        pool: String,
        /// All places.
        total: u32,
        /// Closed places.
        closed: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// An agency declared its capacity.
    CapacityDeclared {
        /// The declaration's name.
        capacity: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A recipient's own checks found a parcel wrong.
    AlarmRaised {
        /// Offer id.
        offer: String,
        /// Stage name.
        stage: String,
        /// Alarm name.
        alarm: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// An auditor read entries or openings.
    AuditRead {
        /// `entries` or `openings`.
        what: String,
        /// First index.
        start: u64,
        /// How many were given.
        count: u64,
        /// Staff pseudonym.
        staff: String,
    },
    /// A caller was refused by the gate, by authorisation or by authentication.
    Denied {
        /// Method name.
        method: String,
        /// The reason given, or kept from the caller.
        reason: String,
        /// Staff pseudonym, when known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        staff: Option<String>,
    },
    /// Denials past the cap were only counted.
    DeniedCounted {
        /// How many.
        count: u64,
    },
    /// Certificate revocation lists were loaded.
    RevocationsLoaded {
        /// SHA-256 of each list (DER), base64url without padding.
        lists: Vec<String>,
    },
    /// An agency was told that a human must look.
    AlertRaised {
        /// Alert id.
        alert: String,
        /// Agency that is told.
        viewer: String,
        /// Kind name.
        kind: String,
    },
    /// Somebody of the viewer took an alert.
    AlertAcknowledged {
        /// Alert id.
        alert: String,
        /// Staff pseudonym.
        staff: String,
    },
}

impl Decision {
    /// Every event name.
    pub const EVENTS: &'static [&'static str] = &[
        "initialised",
        "proposed",
        "approved",
        "suspended",
        "basis_recorded",
        "basis_withdrawn",
        "offered",
        "deposited",
        "opened",
        "offer_moved",
        "offer_closed",
        "places_held",
        "pool_updated",
        "capacity_declared",
        "alarm_raised",
        "audit_read",
        "denied",
        "denied_counted",
        "revocations_loaded",
        "alert_raised",
        "alert_acknowledged",
    ];

    /// The event name that the entry carries in the clear.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Initialised { .. } => "initialised",
            Self::Proposed { .. } => "proposed",
            Self::Approved { .. } => "approved",
            Self::Suspended { .. } => "suspended",
            Self::BasisRecorded { .. } => "basis_recorded",
            Self::BasisWithdrawn { .. } => "basis_withdrawn",
            Self::Offered { .. } => "offered",
            Self::Deposited { .. } => "deposited",
            Self::Opened { .. } => "opened",
            Self::OfferMoved { .. } => "offer_moved",
            Self::OfferClosed { .. } => "offer_closed",
            Self::PlacesHeld { .. } => "places_held",
            Self::PoolUpdated { .. } => "pool_updated",
            Self::CapacityDeclared { .. } => "capacity_declared",
            Self::AlarmRaised { .. } => "alarm_raised",
            Self::AuditRead { .. } => "audit_read",
            Self::Denied { .. } => "denied",
            Self::DeniedCounted { .. } => "denied_counted",
            Self::RevocationsLoaded { .. } => "revocations_loaded",
            Self::AlertRaised { .. } => "alert_raised",
            Self::AlertAcknowledged { .. } => "alert_acknowledged",
        }
    }
}
