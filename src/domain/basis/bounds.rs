//! What each kind of ground may never exceed, whatever a protocol or a statement says.

use super::{ALLOWS_MAX, Allow, BASIS_MAX, Basis, BoundsError, VITAL_INTEREST_MAX};
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{
    AgencyKind, Assent, BasisKind, Category, ChildTold, ChildView, Form, GivenBy, Purpose,
    ReportsTo,
};
use std::time::Duration;

/// Labels that say who the person is or lead to them.
pub const IDENTIFYING: LabelSet = LabelSet::of_categories(&[
    Category::Identity,
    Category::Contact,
    Category::Statement,
    Category::Documents,
])
.union(label(Category::Family, Form::Members).and_above());

/// The most that a ground of `kind` can carry to a recipient for a purpose. Empty: it does not
/// reach there at all.
///
/// Not a permission: a protocol that would go past it is refused when it is loaded, and a basis
/// when it is recorded.
///
/// - Nobody discloses to the operator, to an agency's own data protection officer, or to oversight,
///   other than by a complaint.
/// - A non-member is reached by a carried referral, never through the router, and on consent alone:
///   with what helps whoever treats or defends somebody who travels on, and an alias.
/// - `CHILD_SAFEGUARDING` reaches those whose task is children, and for a place for the night those
///   who run places: shelters, reception, and social services, which place children with families.
///   Not an NGO as such: an NGO's house is enrolled as a SHELTER, and its other work asks for
///   consent. In doubt about age the person is treated as a child (R11), so a wrong guess must cost
///   little: never PUNISHABLE_ACTS, and to a place never more than it needs to put a bed in the
///   right room.
/// - `VITAL_INTEREST` reaches health, with what treats; and for physical protection the police and
///   the border police, who run mountain and river rescue, with where and how urgent, and nothing
///   about the person.
/// - `LEGAL_DUTY` reaches those whom some duty to report names, for a report and for protection; it never says who the
///   person is, nor what they were made to do.
/// - `COMPLAINT` reaches oversight for the person's rights.
#[must_use]
pub const fn ceiling(kind: BasisKind, recipient: AgencyKind, purpose: Purpose) -> LabelSet {
    use AgencyKind as K;
    let oversight = matches!(recipient, K::DataProtectionAuthority | K::Ombudsperson);
    if matches!(recipient, K::Operator | K::AgencyDpo) {
        return LabelSet::EMPTY;
    }
    if matches!(recipient, K::NonMember) {
        return match kind {
            BasisKind::Consent => non_member(purpose),
            _ => LabelSet::EMPTY,
        };
    }
    match kind {
        BasisKind::Complaint if oversight && matches!(purpose, Purpose::InformationRights) => {
            LabelSet::ALL
        }
        _ if oversight => LabelSet::EMPTY,
        BasisKind::Complaint => LabelSet::EMPTY,
        BasisKind::Consent => LabelSet::ALL,
        BasisKind::ChildSafeguarding => child_safeguarding(recipient, purpose),
        BasisKind::VitalInterest => vital_interest(recipient, purpose),
        BasisKind::LegalDuty => legal_duty(recipient, purpose),
    }
}

const fn non_member(purpose: Purpose) -> LabelSet {
    match purpose {
        Purpose::MedicalCare
        | Purpose::MentalHealthPsychosocial
        | Purpose::SexualReproductiveHealth
        | Purpose::MedicoLegalDocumentation
        | Purpose::LegalAssistance
        | Purpose::LegalDefence
        | Purpose::OnwardReferral => LabelSet::of_categories(&[
            Category::Health,
            Category::CareNeeds,
            Category::Language,
            Category::MeetingPoint,
        ])
        .union(label(Category::Age, Form::Band).and_below())
        .union(label(Category::Identity, Form::Alias).and_below())
        .union(label(Category::Contact, Form::ViaSource).and_below()),
        _ => LabelSet::EMPTY,
    }
}

/// What a duty to notify may say: that something happened to somebody, never to whom, nor what they were made to do.
const fn legal_duty(recipient: AgencyKind, purpose: Purpose) -> LabelSet {
    let serves = matches!(
        purpose,
        Purpose::CrimeReport | Purpose::PhysicalProtection | Purpose::ChildProtection
    );
    let mut any = false;
    let mut rest = ReportsTo::ALL;
    while let Some((duty, after)) = rest.split_first() {
        any |= names(*duty, recipient);
        rest = after;
    }
    if serves && any {
        LabelSet::ALL
            .beyond(IDENTIFYING.union(LabelSet::of_categories(&[Category::PunishableActs])))
    } else {
        LabelSet::EMPTY
    }
}

/// Whether a duty to report is one towards a kind of recipient.
#[must_use]
pub const fn names(duty: ReportsTo, recipient: AgencyKind) -> bool {
    use AgencyKind as K;
    match duty {
        ReportsTo::Police => matches!(recipient, K::Police | K::BorderPolice),
        ReportsTo::Prosecutor => matches!(recipient, K::Prosecution),
        ReportsTo::Ministry => matches!(
            recipient,
            K::IdentificationAuthority | K::SocialService | K::LabourInspectorate
        ),
        ReportsTo::ChildProtection => matches!(recipient, K::ChildProtection | K::GuardianService),
    }
}

/// Whether a source whose own published facts name these duties may rest a basis of `kind` on them.
///
/// Only a duty to notify asks for one: it was shown before the person spoke, because it stands in the source's own
/// signed key bundle.
#[must_use]
pub fn is_dutiful(kind: BasisKind, duties: &[ReportsTo], recipient: AgencyKind) -> bool {
    kind != BasisKind::LegalDuty || duties.iter().any(|&duty| names(duty, recipient))
}

const fn child_safeguarding(recipient: AgencyKind, purpose: Purpose) -> LabelSet {
    use AgencyKind as K;
    match recipient {
        K::ChildProtection | K::GuardianService => {
            LabelSet::ALL.beyond(LabelSet::of_categories(&[Category::PunishableActs]))
        }
        K::Shelter | K::ReceptionAuthority | K::SocialService
            if matches!(purpose, Purpose::SafeAccommodation) =>
        {
            LabelSet::of_categories(&[
                Category::Language,
                Category::PlacementNeeds,
                Category::Age,
                Category::Gender,
                Category::CareNeeds,
                Category::Threat,
                Category::MeetingPoint,
                Category::DoNotMeet,
            ])
            .union(label(Category::Identity, Form::Alias).and_below())
            .union(label(Category::Contact, Form::ViaSource).and_below())
            .union(label(Category::Family, Form::Relations).and_below())
            .union(label(Category::Health, Form::Functional).and_below())
        }
        _ => LabelSet::EMPTY,
    }
}

const fn vital_interest(recipient: AgencyKind, purpose: Purpose) -> LabelSet {
    use AgencyKind as K;
    const WHERE: LabelSet =
        LabelSet::of_categories(&[Category::MeetingPoint, Category::PlacementLocation]);
    match (recipient, purpose) {
        (
            K::HealthService,
            Purpose::MedicalCare
            | Purpose::MentalHealthPsychosocial
            | Purpose::SexualReproductiveHealth
            | Purpose::TransportAccompaniment,
        ) => LabelSet::of_categories(&[Category::Health, Category::CareNeeds]).union(WHERE),
        (K::Police | K::BorderPolice, Purpose::PhysicalProtection) => {
            let urgency = label(Category::CareNeeds, Form::Acuity).and_below();
            LabelSet::of_categories(&[Category::MeetingPoint]).union(urgency)
        }
        _ => LabelSet::EMPTY,
    }
}

/// Recipients for whom consent needs a conversation of its own, with the person alone.
#[must_use]
pub const fn needs_own_conversation(kind: AgencyKind) -> bool {
    matches!(
        kind,
        AgencyKind::Police
            | AgencyKind::BorderPolice
            | AgencyKind::Prosecution
            | AgencyKind::AsylumService
    )
}

pub(super) fn check(basis: &Basis, recipient_kind: AgencyKind) -> Result<(), BoundsError> {
    let kind = basis.kind;
    let empty = |allow: &Allow| allow.purposes.is_empty() || allow.labels.is_empty();
    if basis.allows.is_empty() || basis.allows.iter().any(empty) {
        return Err(BoundsError::Empty);
    }
    if basis.allows.len() > ALLOWS_MAX {
        return Err(BoundsError::TooMany);
    }
    let latest = basis.from.plus(longest(kind));
    let lasts = |allow: &Allow| basis.from < allow.until && allow.until <= latest;
    if !basis.allows.iter().all(lasts) {
        return Err(BoundsError::Period);
    }
    let reached = |purpose: &Purpose| !ceiling(kind, recipient_kind, *purpose).is_empty();
    if !Purpose::ALL.iter().any(reached) {
        return Err(BoundsError::Recipient(kind, recipient_kind));
    }
    let mut past = LabelSet::EMPTY;
    for allow in &basis.allows {
        for &purpose in &allow.purposes {
            if !reached(&purpose) {
                return Err(BoundsError::Purpose(kind, recipient_kind, purpose));
            }
            past = past.union(allow.labels.beyond(ceiling(kind, recipient_kind, purpose)));
        }
    }
    if !past.is_empty() {
        return Err(BoundsError::Labels(kind, past, recipient_kind));
    }
    match kind {
        BasisKind::Consent => check_consent(basis, recipient_kind),
        BasisKind::ChildSafeguarding => check_child(basis),
        _ => Ok(()),
    }?;
    // A consent has its guardian checked with it; no other ground has one.
    if basis.given_by != GivenBy::Guardian && basis.for_child.guardian.is_some() {
        return Err(BoundsError::Guardian);
    }
    Ok(())
}

/// A child is told first, and heard.
fn check_child(basis: &Basis) -> Result<(), BoundsError> {
    if basis.child_told == ChildTold::NotApplicable {
        return Err(BoundsError::ChildNotTold);
    }
    if basis.for_child.view == ChildView::NotApplicable {
        return Err(BoundsError::ChildNotHeard);
    }
    Ok(())
}

fn check_guardian(basis: &Basis) -> Result<(), BoundsError> {
    let guardian = basis.for_child.guardian.ok_or(BoundsError::Guardian)?;
    if guardian.conflict {
        return Err(BoundsError::GuardianConflict);
    }
    let adult = basis.child_told == ChildTold::NotApplicable
        && basis.for_child.view == ChildView::NotApplicable;
    if adult || basis.for_child.assent == Assent::NotApplicable {
        return Err(BoundsError::GuardianOfAdult);
    }
    check_child(basis)
}

fn check_consent(basis: &Basis, recipient_kind: AgencyKind) -> Result<(), BoundsError> {
    if basis.given_by == GivenBy::NotApplicable {
        return Err(BoundsError::Giver);
    }
    if basis.given_by == GivenBy::Guardian {
        check_guardian(basis)?;
    }
    let through_companion = basis.asked_through_companion();
    if needs_own_conversation(recipient_kind) && (!basis.asked_alone || through_companion) {
        return Err(BoundsError::NotAlone(recipient_kind));
    }
    let allowed = basis.allows.iter().fold(LabelSet::EMPTY, |all, allow| {
        all.union(allow.labels.closed())
    });
    let identifying = allowed.intersection(IDENTIFYING);
    if through_companion && !identifying.is_empty() {
        return Err(BoundsError::Interpreter(identifying));
    }
    if basis.by_unverified_guardian(recipient_kind) && !identifying.is_empty() {
        return Err(BoundsError::GuardianUnverified(identifying));
    }
    Ok(())
}

const fn longest(kind: BasisKind) -> Duration {
    match kind {
        BasisKind::VitalInterest => VITAL_INTEREST_MAX,
        _ => BASIS_MAX,
    }
}

/// A label that exists, known when this is compiled.
const fn label(category: Category, form: Form) -> Label {
    match Label::new(category, form) {
        Ok(label) => label,
        Err(_) => panic!("the category has the form"),
    }
}
