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

/// A case, as the router knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseOf {
    /// Source's agency id.
    pub source: String,
    /// Case handle.
    pub case: String,
}

/// A recipient's sealed message: it names no chain, since who replies may not know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replied {
    /// Parcel id.
    pub parcel: String,
    /// Stage name.
    pub stage: String,
    /// The statement: compact JWS.
    pub statement: String,
    /// Labels, sorted by digest.
    pub labels: Vec<LabelledDigest>,
    /// Protocol version that stood.
    pub protocol: u64,
    /// Gate version that decided.
    pub gate: u32,
}

/// How many were not recognised for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedCount {
    /// Code of the reason.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// One room of a pool, as its agency set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomSet {
    /// Room id.
    pub room: String,
    /// Its places.
    pub places: u32,
    /// Of these, closed.
    pub closed: u32,
}

/// What an auditor asked: codes and references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questioned {
    /// `offer/…`, `referral/…`, `case-of/…` or `basis/…`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<String>,
    /// Agency id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agency: Option<String>,
    /// Staff pseudonym there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub staff: Option<String>,
    /// Class names.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub classes: Vec<String>,
    /// Event names.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub events: Vec<String>,
    /// Not before, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<i64>,
    /// Before, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<i64>,
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
        /// The agency that administrators call as: in the directory from the start, under nobody's signature.
        operator: String,
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
        /// Milliseconds since the epoch; zero for a candidate next in line, who is not asked yet.
        decide_by: i64,
        /// When the person must be placed by, milliseconds since the epoch.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        place_by: Option<i64>,
        /// Parcels.
        deposits: Vec<Deposited>,
        /// The received offer whose parcels these pass on.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        forwards: Option<String>,
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
        /// Room id, in a pool with rooms.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        room: Option<String>,
        /// Places.
        places: u32,
        /// When the hold ends, milliseconds since the epoch.
        until: i64,
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
        /// Who may be in one room at a time, in a pool with rooms.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sharing: Option<String>,
        /// The rooms.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        rooms: Vec<RoomSet>,
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
    /// Break-glass was asked for: the alarm, before anything else.
    AccessRequested {
        /// Access id.
        access: String,
        /// Offer id.
        offer: String,
        /// Reason name.
        reason: String,
        /// Labels asked for, as `CATEGORY/FORM`.
        labels: Vec<String>,
        /// When an answer must have come by, milliseconds since the epoch.
        until: i64,
        /// Protocol version that allowed it.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// Somebody outside the asking agency approved.
    AccessApproved {
        /// Access id.
        access: String,
        /// When a release must have come by, milliseconds since the epoch.
        until: i64,
        /// Staff pseudonym.
        staff: String,
    },
    /// Somebody outside the asking agency refused.
    AccessRefused {
        /// Access id.
        access: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// The source's duty desk released a parcel.
    AccessReleased {
        /// Access id.
        access: String,
        /// The parcel; its chain is the access id.
        deposit: Deposited,
        /// When it can no longer be opened, milliseconds since the epoch.
        until: i64,
        /// Staff pseudonym.
        staff: String,
    },
    /// What was released was disclosed to the asking agency.
    AccessOpened {
        /// Access id.
        access: String,
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
    /// An access ended by itself: its window is over, or nobody answered or released in time.
    AccessEnded {
        /// Access id.
        access: String,
        /// State name after it.
        to: String,
    },
    /// A review found whether an access was right.
    AccessReviewed {
        /// Access id.
        access: String,
        /// Finding name.
        finding: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// The source asked the recipient to become responsible.
    TransferProposed {
        /// Offer id.
        offer: String,
        /// Basis chain that says so.
        chain: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// The recipient answered.
    TransferAnswered {
        /// Offer id.
        offer: String,
        /// Answer name.
        answer: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// An auditor read entries or openings.
    AuditRead {
        /// `entries`, `openings`, `acts` or `entry_bundle`.
        what: String,
        /// First index.
        start: u64,
        /// How many were given; of `acts`, how many were looked at.
        count: u64,
        /// Of `acts`: what was asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        question: Option<Questioned>,
        /// Staff pseudonym; empty for an `entry_bundle`, which is read by certificate.
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
    /// The person asked something of a chain's recipient, without or after a withdrawal.
    RecipientAsked {
        /// Basis chain id.
        chain: String,
        /// To erase.
        erase: bool,
        /// To know that they leave.
        leave: bool,
        /// Staff pseudonym.
        staff: String,
    },
    /// A recipient said what it did when it was asked to erase.
    ErasureAnswered {
        /// Offer id.
        offer: String,
        /// Answer name.
        answer: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A source registered the code on a person's slip; the code is not in the log.
    CodeRegistered {
        /// Case handle.
        case: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// Somebody entered a code to stop a case. Right or wrong, the entry is one.
    CodeEntered {
        /// The cases that it stopped.
        cases: Vec<CaseOf>,
        /// Staff pseudonym.
        staff: String,
    },
    /// Somebody entered a code to go on with a case. Right or wrong, the entry is one.
    ResumeRequested {
        /// Id of the request.
        resume: String,
        /// The case that the code belongs to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        case: Option<CaseOf>,
        /// Staff pseudonym.
        staff: String,
    },
    /// The source answered a request to go on.
    ResumeAnswered {
        /// Id of the request.
        resume: String,
        /// Answer name.
        answer: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A source sealed a carried referral for somebody who is no member.
    CarriedRecorded {
        /// Carried referral id.
        carried: String,
        /// The statement: compact JWS.
        statement: String,
        /// Protocol version that allowed it.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// A source released what opens a carried referral to a non-member whom it verified itself.
    CarriedReleased {
        /// Carried referral id.
        carried: String,
        /// SHA-256 of the request whose fingerprint was read out, base64url without padding.
        request: String,
        /// Protocol version that allowed it.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// Certificate revocation lists were loaded.
    RevocationsLoaded {
        /// SHA-256 of each list (DER), base64url without padding.
        lists: Vec<String>,
    },
    /// Places were taken until arrival, with the acceptance that stands before it.
    PlacesTaken {
        /// Offer id.
        offer: String,
        /// Pool id.
        pool: String,
        /// Room id, in a pool with rooms.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        room: Option<String>,
        /// Places.
        places: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// The person moved out: the places are prepared for the next, the service may go on.
    CheckedOut {
        /// Offer id.
        offer: String,
        /// Pool id.
        pool: String,
        /// Places.
        places: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// Places that were being prepared are free.
    PlacesPrepared {
        /// Pool id.
        pool: String,
        /// Room id, in a pool with rooms.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        room: Option<String>,
        /// Places.
        places: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// A hold ran out.
    HoldEnded {
        /// Offer id.
        offer: String,
    },
    /// Offers of several cases were made to one recipient as a group, in the same act.
    Grouped {
        /// The recipient's id of the group.
        group: String,
        /// Recipient's agency id.
        recipient: String,
        /// Offer ids, one per member.
        offers: Vec<String>,
        /// Whether those still to be decided on are decided on together.
        together: bool,
        /// Staff pseudonym.
        staff: String,
    },
    /// The recipient decided on all of a group that were still to be decided on; their moves follow.
    GroupMoved {
        /// The recipient's id of the group.
        group: String,
        /// State name after the act.
        to: String,
        /// Offer ids of those it was about.
        offers: Vec<String>,
        /// Staff pseudonym.
        staff: String,
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
    /// A candidate next in line was asked.
    OfferTurn {
        /// Offer id.
        offer: String,
        /// Time to decide by, milliseconds since the epoch.
        decide_by: i64,
        /// When its turn came, milliseconds since the epoch; earlier than the entry when the router was down.
        due: i64,
    },
    /// A candidate was reminded of a clock of its offer.
    OfferReminded {
        /// Offer id.
        offer: String,
        /// When that was due, milliseconds since the epoch.
        due: i64,
    },
    /// Offers that nobody but their source knew of, and those on waiting lists, were closed with an acceptance, or for
    /// lack of time.
    OffersClosed {
        /// Offer ids.
        offers: Vec<String>,
    },
    /// One member of staff proposed to decline with OTHER; a second must confirm.
    DeclineProposed {
        /// Offer id.
        offer: String,
        /// Who declined.
        decliner: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A source ended its referral.
    ReferralClosed {
        /// Referral id.
        referral: String,
        /// Reason name, or `ENTERED_IN_ERROR`.
        reason: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A referral without a place went past its source: nobody there acted in time.
    Escalated {
        /// Source's agency id.
        source: String,
        /// Referral id.
        referral: String,
        /// The duty line that was rung; none when the protocol names none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        line: Option<String>,
        /// When that was due, milliseconds since the epoch.
        due: i64,
    },
    /// Somebody of the viewer took an alert.
    AlertAcknowledged {
        /// Alert id.
        alert: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// A parcel was corrected: the statement names the one that it supersedes.
    Amended {
        /// Offer id.
        offer: String,
        /// The parcel.
        deposit: Deposited,
        /// Staff pseudonym.
        staff: String,
    },
    /// A party of an offer told the other something.
    MessagePosted {
        /// Offer id.
        offer: String,
        /// Number within the offer.
        number: u32,
        /// The code, unless sealed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        code: Option<String>,
        /// A sealed message of the source.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sealed: Option<Deposited>,
        /// A sealed message of the recipient.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reply: Option<Replied>,
        /// Staff pseudonym.
        staff: String,
    },
    /// A sealed message was disclosed to the other party.
    MessageOpened {
        /// Offer id.
        offer: String,
        /// Number within the offer.
        number: u32,
        /// Parcel id.
        parcel: String,
        /// SHA-256 of the statement, base64url without padding.
        statement_hash: String,
        /// Protocol version that stood.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// All of an attachment is there.
    AttachmentDeposited {
        /// Offer id.
        offer: String,
        /// Attachment id.
        attachment: String,
        /// Stage name.
        stage: String,
        /// Chunks.
        chunks: u32,
        /// SHA-256 of all sealed chunks, base64url without padding.
        digest: String,
        /// Basis chain id.
        chain: String,
        /// Protocol version that allowed it.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// An attachment was disclosed to its recipient.
    AttachmentOpened {
        /// Offer id.
        offer: String,
        /// Attachment id.
        attachment: String,
        /// Stage name.
        stage: String,
        /// Id of the parcel that it goes with.
        parcel: String,
        /// The first chunk asked for.
        first_chunk: u32,
        /// Protocol version that allowed it.
        protocol: u64,
        /// Gate version that decided.
        gate: u32,
        /// Staff pseudonym.
        staff: String,
    },
    /// A recipient that had opened a parcel opened its correction and confirmed it.
    AmendmentConfirmed {
        /// Offer id.
        offer: String,
        /// Stage name.
        stage: String,
        /// Id of the correcting parcel.
        parcel: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// How many were not recognised since the last such entry: handshakes, certificates and tokens that were refused.
    AuthenticationFailed {
        /// By reason, each once.
        counts: Vec<FailedCount>,
    },
    /// The log goes on under a new origin and key: it was restored from a backup that is behind what was witnessed.
    Succeeded {
        /// The new origin.
        origin: String,
        /// The old origin.
        of: String,
        /// The old log's verifier key.
        of_key: String,
        /// Size of the last checkpoint of the old log that is known; zero when none is.
        witnessed: u64,
        /// Its root, base64url without padding; empty when none is known.
        root: String,
        /// Entries of the old log that were restored: the index of this entry.
        restored: u64,
    },
    /// A source has resubmitted what it signed since the backup.
    SuccessionConfirmed {
        /// Index of the succession's entry.
        succession: u64,
        /// Staff pseudonym.
        staff: String,
    },
    /// An auditor of a national mandate has decided the log again up to some entry.
    WatermarkRecorded {
        /// The watermark: compact JWS.
        statement: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// An auditor said what a finding of the review comes to.
    DispositionRecorded {
        /// Rule name.
        rule: String,
        /// Index of the entry that the finding is about.
        about: u64,
        /// What it comes to, by name.
        finding: String,
        /// Staff pseudonym.
        staff: String,
    },
    /// Another person confirmed that.
    DispositionConfirmed {
        /// Rule name.
        rule: String,
        /// Index of the entry that the finding is about.
        about: u64,
        /// What it comes to, by name.
        finding: String,
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
        "access_requested",
        "access_approved",
        "access_refused",
        "access_released",
        "access_opened",
        "access_ended",
        "access_reviewed",
        "audit_read",
        "transfer_proposed",
        "transfer_answered",
        "denied",
        "denied_counted",
        "revocations_loaded",
        "recipient_asked",
        "erasure_answered",
        "code_registered",
        "code_entered",
        "resume_requested",
        "resume_answered",
        "places_taken",
        "checked_out",
        "places_prepared",
        "hold_ended",
        "grouped",
        "group_moved",
        "carried_recorded",
        "carried_released",
        "alert_raised",
        "alert_acknowledged",
        "offer_turn",
        "offer_reminded",
        "offers_closed",
        "decline_proposed",
        "referral_closed",
        "escalated",
        "amended",
        "message_posted",
        "message_opened",
        "attachment_deposited",
        "attachment_opened",
        "amendment_confirmed",
        "authentication_failed",
        "succeeded",
        "succession_confirmed",
        "watermark_recorded",
        "disposition_recorded",
        "disposition_confirmed",
    ];

    /// Whether the decisions of an event can be opened as long as the log lasts: what every later replay stands on.
    #[must_use]
    pub fn outlives_retention(event: &str) -> bool {
        matches!(
            event,
            "initialised"
                | "proposed"
                | "approved"
                | "suspended"
                | "pool_updated"
                | "succeeded"
                | "succession_confirmed"
                | "watermark_recorded"
        )
    }

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
            Self::AccessRequested { .. } => "access_requested",
            Self::AccessApproved { .. } => "access_approved",
            Self::AccessRefused { .. } => "access_refused",
            Self::AccessReleased { .. } => "access_released",
            Self::AccessOpened { .. } => "access_opened",
            Self::AccessEnded { .. } => "access_ended",
            Self::AccessReviewed { .. } => "access_reviewed",
            Self::AuditRead { .. } => "audit_read",
            Self::TransferProposed { .. } => "transfer_proposed",
            Self::TransferAnswered { .. } => "transfer_answered",
            Self::Denied { .. } => "denied",
            Self::DeniedCounted { .. } => "denied_counted",
            Self::RevocationsLoaded { .. } => "revocations_loaded",
            Self::RecipientAsked { .. } => "recipient_asked",
            Self::ErasureAnswered { .. } => "erasure_answered",
            Self::CodeRegistered { .. } => "code_registered",
            Self::CodeEntered { .. } => "code_entered",
            Self::ResumeRequested { .. } => "resume_requested",
            Self::ResumeAnswered { .. } => "resume_answered",
            Self::PlacesTaken { .. } => "places_taken",
            Self::CheckedOut { .. } => "checked_out",
            Self::PlacesPrepared { .. } => "places_prepared",
            Self::HoldEnded { .. } => "hold_ended",
            Self::Grouped { .. } => "grouped",
            Self::GroupMoved { .. } => "group_moved",
            Self::CarriedRecorded { .. } => "carried_recorded",
            Self::CarriedReleased { .. } => "carried_released",
            Self::AlertRaised { .. } => "alert_raised",
            Self::AlertAcknowledged { .. } => "alert_acknowledged",
            Self::OfferTurn { .. } => "offer_turn",
            Self::OfferReminded { .. } => "offer_reminded",
            Self::OffersClosed { .. } => "offers_closed",
            Self::DeclineProposed { .. } => "decline_proposed",
            Self::ReferralClosed { .. } => "referral_closed",
            Self::Escalated { .. } => "escalated",
            Self::Amended { .. } => "amended",
            Self::MessagePosted { .. } => "message_posted",
            Self::MessageOpened { .. } => "message_opened",
            Self::AttachmentDeposited { .. } => "attachment_deposited",
            Self::AttachmentOpened { .. } => "attachment_opened",
            Self::AmendmentConfirmed { .. } => "amendment_confirmed",
            Self::AuthenticationFailed { .. } => "authentication_failed",
            Self::Succeeded { .. } => "succeeded",
            Self::SuccessionConfirmed { .. } => "succession_confirmed",
            Self::WatermarkRecorded { .. } => "watermark_recorded",
            Self::DispositionRecorded { .. } => "disposition_recorded",
            Self::DispositionConfirmed { .. } => "disposition_confirmed",
        }
    }
}
