//! Who may call what: one table over every RPC, and nothing allowed that is not in it.
//!
//! The table knows RPC, role and kind of agency. Whether a name in the request is the caller's own is checked where
//! names are parsed; who is source or recipient of what, by the exchange.

use super::caller::Caller;
use crate::domain::basis::needs_own_conversation;
use crate::domain::vocabulary::{AgencyKind, StaffRole};

/// That this caller may not call this method. One text, whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not permitted")]
pub struct NotPermitted;

/// Kinds of agency, as far as the table tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KindClass {
    /// Refers and receives.
    Member,
    /// Audits one agency.
    OwnOversight,
    /// Audits all, and receives complaints.
    NationalOversight,
    /// Runs the router and enrols; reads nothing of any case.
    Operator,
    /// Outside the membership: calls nothing, its source acts for it.
    Outside,
}

impl KindClass {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::Member,
        Self::OwnOversight,
        Self::NationalOversight,
        Self::Operator,
        Self::Outside,
    ];

    /// The class of a kind. Every kind is named, so that a new one must be placed.
    #[must_use]
    pub const fn of(kind: AgencyKind) -> Self {
        match kind {
            AgencyKind::Ngo
            | AgencyKind::Shelter
            | AgencyKind::ReceptionAuthority
            | AgencyKind::Police
            | AgencyKind::BorderPolice
            | AgencyKind::Prosecution
            | AgencyKind::AsylumService
            | AgencyKind::IdentificationAuthority
            | AgencyKind::ChildProtection
            | AgencyKind::GuardianService
            | AgencyKind::SocialService
            | AgencyKind::HealthService
            | AgencyKind::LegalService
            | AgencyKind::LabourInspectorate
            | AgencyKind::InterpreterService
            | AgencyKind::Hotline
            | AgencyKind::InternationalOrganisation => Self::Member,
            AgencyKind::AgencyDpo => Self::OwnOversight,
            AgencyKind::DataProtectionAuthority | AgencyKind::Ombudsperson => {
                Self::NationalOversight
            }
            AgencyKind::Operator => Self::Operator,
            AgencyKind::NonMember => Self::Outside,
        }
    }
}

/// Whether a method may be called without a staff token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenNeed {
    /// Certificate and token.
    Always,
    /// The certificate alone suffices while the agency has no key bundle ([`super::caller::Newcomer`]).
    UnlessNewcomer,
    /// The certificate alone: says nothing about anybody.
    Never,
}

/// A set of roles.
#[derive(Clone, Copy)]
struct Roles(u8);

impl Roles {
    const fn of(roles: &[StaffRole]) -> Self {
        let mut bits = 0;
        let mut rest = roles;
        while let Some((role, after)) = rest.split_first() {
            bits |= 1 << *role as u8;
            rest = after;
        }
        Self(bits)
    }

    const fn contains(self, role: StaffRole) -> bool {
        self.0 & (1 << role as u8) != 0
    }
}

use StaffRole::{Administrator, Auditor, Caseworker, DutyOfficer, Intake, Process, Supervisor};

const NONE: Roles = Roles::of(&[]);
const ALL: Roles = Roles::of(StaffRole::ALL);
/// Staff, and the unattended program that acts on doorbells: states and clocks, never content.
const STAFF: Roles = Roles::of(&[Caseworker, Intake, Supervisor, DutyOfficer, Process]);
/// People who handle cases.
const PEOPLE: Roles = Roles::of(&[Caseworker, Intake, Supervisor, DutyOfficer]);
/// People who refer.
const SOURCE: Roles = Roles::of(&[Caseworker, Supervisor, DutyOfficer]);
/// People who refer, and the program that sends what they have already decided.
const SOURCE_OR_PROCESS: Roles = Roles::of(&[Caseworker, Supervisor, DutyOfficer, Process]);
/// People who give places.
const INTAKE: Roles = Roles::of(&[Intake, Supervisor]);
/// Who answers at night.
const DUTY: Roles = Roles::of(&[DutyOfficer]);
/// Staff of oversight, and its auditors.
const STAFF_OR_AUDIT: Roles = Roles::of(&[
    Caseworker,
    Intake,
    Supervisor,
    DutyOfficer,
    Auditor,
    Process,
]);
const KEYS: Roles = Roles::of(&[Administrator, Process]);
const AUDIT: Roles = Roles::of(&[Auditor]);
const ADMINISTRATION: Roles = Roles::of(&[Administrator]);

/// One RPC: its path, whether it needs a token, and the roles allowed to each class of agency.
struct Rule {
    method: &'static str,
    token: TokenNeed,
    member: Roles,
    own_oversight: Roles,
    national_oversight: Roles,
    operator: Roles,
}

impl Rule {
    const fn roles(&self, class: KindClass) -> Roles {
        match class {
            KindClass::Member => self.member,
            KindClass::OwnOversight => self.own_oversight,
            KindClass::NationalOversight => self.national_oversight,
            KindClass::Operator => self.operator,
            KindClass::Outside => NONE,
        }
    }
}

const fn rule(method: &'static str, roles: [Roles; 4]) -> Rule {
    let [member, own_oversight, national_oversight, operator] = roles;
    Rule {
        method,
        token: TokenNeed::Always,
        member,
        own_oversight,
        national_oversight,
        operator,
    }
}

/// The table. Columns: member, own oversight, national oversight, operator.
#[rustfmt::skip]
const TABLE: &[Rule] = &[
    // The directory holds no case; who sees whom in it is decided by kind.
    rule("/safeconduct.v1.DirectoryService/GetDirectory", [ALL, ALL, ALL, ALL]),
    rule("/safeconduct.v1.DirectoryService/GetAgency", [ALL, ALL, ALL, ALL]),
    Rule {
        token: TokenNeed::UnlessNewcomer,
        ..rule("/safeconduct.v1.DirectoryService/PublishKeyBundle", [KEYS, KEYS, KEYS, KEYS])
    },
    rule("/safeconduct.v1.DirectoryService/DeclareCapacity", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.DirectoryService/GetProtocol", [ALL, ALL, ALL, ALL]),

    rule("/safeconduct.v1.BasisService/RecordBasis", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BasisService/GetBasis", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BasisService/ListBases", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BasisService/WithdrawBasis", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),

    rule("/safeconduct.v1.ReferralService/CreateReferral", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/GetReferral", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/ListReferrals", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/AddOffer", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/DepositParcel", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/RecallReferral", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/CreateGroupReferral", [SOURCE, NONE, NONE, NONE]),

    // An oversight body with a national mandate receives complaints, and gives no places.
    rule("/safeconduct.v1.OfferService/ListOffers", [STAFF, NONE, STAFF, NONE]),
    rule("/safeconduct.v1.OfferService/GetOffer", [STAFF, NONE, STAFF, NONE]),
    rule("/safeconduct.v1.OfferService/OpenParcel", [PEOPLE, NONE, PEOPLE, NONE]),
    rule("/safeconduct.v1.OfferService/AcknowledgeOffer", [PEOPLE, NONE, PEOPLE, NONE]),
    rule("/safeconduct.v1.OfferService/HoldPlaces", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/AcceptOffer", [INTAKE, NONE, INTAKE, NONE]),
    rule("/safeconduct.v1.OfferService/DeclineOffer", [INTAKE, NONE, INTAKE, NONE]),
    rule("/safeconduct.v1.OfferService/WaitlistOffer", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/CheckIn", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/CompleteOffer",
        [Roles::of(&[Intake, Caseworker, Supervisor]), NONE, Roles::of(&[Intake, Caseworker, Supervisor]), NONE]),
    rule("/safeconduct.v1.OfferService/RaiseAlarm", [STAFF, NONE, STAFF, NONE]),
    rule("/safeconduct.v1.OfferService/CheckOut", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/HoldGroup", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/AcceptGroup", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/DeclineGroup", [INTAKE, NONE, NONE, NONE]),

    rule("/safeconduct.v1.PlaceService/ListPools", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.PlaceService/UpdatePool", [INTAKE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.PlaceService/FinishPreparing", [INTAKE, NONE, NONE, NONE]),

    // Who approves and who releases are duty officers; who reviews is neither of those two people.
    rule("/safeconduct.v1.BreakGlassService/RequestAccess", [PEOPLE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BreakGlassService/ApproveAccess", [DUTY, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BreakGlassService/RefuseAccess", [DUTY, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BreakGlassService/ReleaseAccess", [DUTY, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BreakGlassService/OpenAccess", [PEOPLE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.BreakGlassService/ReviewAccess",
        [Roles::of(&[Supervisor, DutyOfficer]), NONE, Roles::of(&[Supervisor, Auditor]), NONE]),
    rule("/safeconduct.v1.BreakGlassService/GetAccess", [STAFF, NONE, STAFF_OR_AUDIT, NONE]),
    rule("/safeconduct.v1.BreakGlassService/ListAccesses", [STAFF, NONE, STAFF_OR_AUDIT, NONE]),

    rule("/safeconduct.v1.EventService/Watch", [STAFF, NONE, STAFF, NONE]),

    // Checkpoints and proofs hold hashes only; entries and openings need a mandate.
    rule("/safeconduct.v1.AuditService/GetCheckpoint", [ALL, ALL, ALL, ALL]),
    rule("/safeconduct.v1.AuditService/ProveInclusion", [ALL, ALL, ALL, ALL]),
    rule("/safeconduct.v1.AuditService/ProveConsistency", [ALL, ALL, ALL, ALL]),
    rule("/safeconduct.v1.AuditService/ListEntries", [NONE, NONE, AUDIT, NONE]),
    rule("/safeconduct.v1.AuditService/ReadOpenings", [NONE, NONE, AUDIT, NONE]),

    rule("/safeconduct.v1.AdministrationService/Propose", [NONE, NONE, NONE, ADMINISTRATION]),
    rule("/safeconduct.v1.AdministrationService/Approve", [NONE, NONE, NONE, ADMINISTRATION]),
    rule("/safeconduct.v1.AdministrationService/SuspendAgency", [NONE, NONE, NONE, ADMINISTRATION]),

    // Messages pass between the parties of an offer; the unattended program sends codes and what was decided before.
    rule("/safeconduct.v1.MessageService/PostMessage", [STAFF, NONE, PEOPLE, NONE]),
    rule("/safeconduct.v1.MessageService/ListMessages", [STAFF, NONE, STAFF, NONE]),
    rule("/safeconduct.v1.MessageService/OpenMessage", [PEOPLE, NONE, PEOPLE, NONE]),

    // Attachments.
    rule("/safeconduct.v1.AttachmentService/UploadAttachment", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),
    rule("/safeconduct.v1.AttachmentService/GetUpload", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.AttachmentService/DownloadAttachment", [PEOPLE, NONE, PEOPLE, NONE]),

    // Corrections.
    rule("/safeconduct.v1.ReferralService/AmendParcel", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/ConfirmAmendment", [PEOPLE, NONE, PEOPLE, NONE]),
    rule("/safeconduct.v1.ReferralService/CreateForward", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/ProposeTransfer", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/AnswerTransfer", [INTAKE, NONE, NONE, NONE]),
    // What the person asks, a human answers: no unattended program.
    rule("/safeconduct.v1.PersonService/ListDisclosures", [PEOPLE, NONE, NONE, NONE]),
    // Oversight is alerted too; it takes what it is told.
    rule("/safeconduct.v1.BasisService/AskRecipient", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/ConfirmErasure", [PEOPLE, NONE, PEOPLE, NONE]),
    rule("/safeconduct.v1.SlipService/RegisterCode", [SOURCE, NONE, NONE, NONE]),
    // Not every member: see `enters_codes`.
    rule("/safeconduct.v1.SlipService/WithdrawByCode", [PEOPLE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.SlipService/RequestResume", [PEOPLE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.SlipService/GetResume", [STAFF, NONE, NONE, NONE]),
    rule("/safeconduct.v1.SlipService/AnswerResume", [SOURCE, NONE, NONE, NONE]),

    rule("/safeconduct.v1.AlertService/ListAlerts", [STAFF, NONE, STAFF, NONE]),
    rule("/safeconduct.v1.AlertService/AcknowledgeAlert", [PEOPLE, NONE, PEOPLE, NONE]),

    rule("/safeconduct.v1.ReferralService/CloseReferral", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/MarkEnteredInError", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.ReferralService/AnswerInformation", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.OfferService/RequestInformation", [INTAKE, NONE, INTAKE, NONE]),
    // Whoever releases has spoken with the other side by phone.
    rule("/safeconduct.v1.CarriedService/RecordCarried", [SOURCE, NONE, NONE, NONE]),
    rule("/safeconduct.v1.CarriedService/ReleaseCarried", [Roles::of(&[Supervisor, DutyOfficer]), NONE, NONE, NONE]),
    // An agency's own office reads its agency's acts only: see `exchange::acts`.
    rule("/safeconduct.v1.AuditService/ReadActs", [NONE, AUDIT, AUDIT, NONE]),
    rule("/safeconduct.v1.AuditService/ListActs", [NONE, AUDIT, AUDIT, NONE]),
    rule("/safeconduct.v1.AuditService/RecordDisposition", [NONE, AUDIT, AUDIT, NONE]),
    rule("/safeconduct.v1.AuditService/ConfirmDisposition", [NONE, AUDIT, AUDIT, NONE]),

    rule("/safeconduct.v1.AuditService/RecordWatermark", [NONE, NONE, AUDIT, NONE]),
    // After a restore, the program that keeps the signed statements may bring them.
    rule("/safeconduct.v1.BasisService/ConfirmSuccession", [SOURCE_OR_PROCESS, NONE, NONE, NONE]),

    Rule { token: TokenNeed::Never, ..rule("/grpc.health.v1.Health/Check", [ALL, ALL, ALL, ALL]) },
    Rule { token: TokenNeed::Never, ..rule("/grpc.health.v1.Health/Watch", [ALL, ALL, ALL, ALL]) },
];

/// The methods that take the code of a person's slip.
const CODE_METHODS: [&str; 2] = [
    "/safeconduct.v1.SlipService/WithdrawByCode",
    "/safeconduct.v1.SlipService/RequestResume",
];

/// Whether an agency of `kind` has a screen for codes: not those whom a person must be able to refuse without being
/// asked for their card (R2).
#[must_use]
pub const fn enters_codes(kind: AgencyKind) -> bool {
    !needs_own_conversation(kind)
}

/// Whether an agency of `kind` may read whole entry bundles by its certificate alone: a mandate over all of them.
#[must_use]
pub const fn reads_bundles(kind: AgencyKind) -> bool {
    matches!(KindClass::of(kind), KindClass::NationalOversight)
}

/// Whether an agency of `kind` may read checkpoints and hash tiles that are not public.
#[must_use]
pub const fn reads_hashes(kind: AgencyKind) -> bool {
    !matches!(KindClass::of(kind), KindClass::Outside)
}

fn row(method: &str) -> Option<&'static Rule> {
    TABLE.iter().find(|rule| rule.method == method)
}

/// Every method in the table, as the path of its HTTP/2 request.
pub fn methods() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|rule| rule.method)
}

/// Whether `method` needs a staff token. Methods that the table does not know do.
#[must_use]
pub fn token_need(method: &str) -> TokenNeed {
    row(method).map_or(TokenNeed::Always, |rule| rule.token)
}

/// Whether `caller` may call `method` at all (`/package.Service/Method`).
///
/// # Errors
///
/// [`NotPermitted`] unless the table allows it (invariant 17).
pub fn authorize(method: &str, caller: &Caller) -> Result<(), NotPermitted> {
    let kind = caller.kind();
    let code = CODE_METHODS.contains(&method) && !enters_codes(kind);
    if allows(method, KindClass::of(kind), caller.role()) && !code {
        Ok(())
    } else {
        Err(NotPermitted)
    }
}

/// Whether an agency of `kind` without any key bundle may call `method` on its certificate alone.
///
/// # Errors
///
/// [`NotPermitted`] for every method but the publication of a key bundle, and for kinds that publish none.
pub fn authorize_newcomer(method: &str, kind: AgencyKind) -> Result<(), NotPermitted> {
    let publishes = allows(method, KindClass::of(kind), StaffRole::Administrator);
    if token_need(method) == TokenNeed::UnlessNewcomer && publishes {
        Ok(())
    } else {
        Err(NotPermitted)
    }
}

fn allows(method: &str, class: KindClass, role: StaffRole) -> bool {
    row(method).is_some_and(|rule| rule.roles(class).contains(role))
}

#[cfg(test)]
mod tests;
