//! The people of the demo: invented, and told only as far as each wanted.

use prost::Message;

use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{Category, Form};
use crate::envelope::disclosure::Field;
use crate::envelope::record::{RecordError, Schema, derive_twins};
use crate::proto::v1::{self, Record};

use super::profile::Drawn;

/// What only Samira's own record holds; searched for in the router's files.
pub const SAMIRA_CANARIES: [&str; 3] = [
    "blue door behind the bakery",
    "lighthouse-7",
    "he drives a white van",
];

/// What only Farid's own record holds.
pub const FARID_CANARIES: [&str; 2] = ["scar on the left hand", "he collected the money"];

/// A set of labels, written as pairs.
#[must_use]
pub fn labels(pairs: &[(Category, Form)]) -> LabelSet {
    let labels = pairs
        .iter()
        .filter_map(|&(category, form)| Label::new(category, form).ok());
    labels.collect()
}

/// What `wanted` lets through of a record, with an alias for this recipient alone.
///
/// # Errors
///
/// [`RecordError`] when the record is not one of the schema.
pub fn cut(record: &Record, alias: &str, wanted: LabelSet) -> Result<Vec<Field>, RecordError> {
    let full = derive_twins(&record.encode_to_vec(), Some(alias))?;
    Schema::shared().disclose(&full, wanted)
}

/// Samira, 31, Arabic, seven months pregnant. She says: no police, no camp; a bed tonight.
#[must_use]
pub fn samira() -> Record {
    Record {
        language: Some(v1::LanguageFacts {
            languages: vec!["ar".into()],
            interpreter_gender: v1::StaffGender::Woman.into(),
            ..Default::default()
        }),
        placement: Some(v1::PlacementFacts {
            settings: vec!["ROOM".into(), "WOMEN_ONLY".into()],
            area: "BELGRADE".into(),
            placement_gender: v1::PlacementPreference::Woman.into(),
            tonight: Some(true),
            keep_together: Some(true),
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(31),
            ..Default::default()
        }),
        gender: Some(v1::GenderFacts {
            gender: v1::Gender::Feminine.into(),
        }),
        care: Some(v1::CareFacts {
            needs: vec![
                v1::CareNeed::Pregnant.into(),
                v1::CareNeed::MedicationTonight.into(),
            ],
            trimester: Some(3),
            ..Default::default()
        }),
        threat: Some(v1::ThreatFacts {
            level: v1::ThreatLevel::PossibleNearby.into(),
            ..Default::default()
        }),
        family: Some(v1::FamilyFacts {
            counts: vec![v1::GroupCount {
                band: v1::AgeBand::Adult.into(),
                placement_gender: v1::PlacementPreference::Woman.into(),
                count: 1,
            }],
            ..Default::default()
        }),
        contact: Some(v1::ContactFacts {
            via_source: Some(true),
            never: "call her; messages go through alpha".into(),
            ..Default::default()
        }),
        nationality: Some(v1::NationalityFacts {
            citizenship: vec!["SY".into()],
        }),
        health: Some(v1::HealthFacts {
            measures: vec!["iron tablets with breakfast".into()],
            ..Default::default()
        }),
        do_not_meet: Some(v1::DoNotMeetFacts {
            descriptions: vec![format!(
                "her partner, tall, grey jacket; {}",
                SAMIRA_CANARIES[2]
            )],
        }),
        meeting_point: Some(v1::MeetingFacts {
            place: SAMIRA_CANARIES[0].into(),
            code_word: SAMIRA_CANARIES[1].into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Farid, 27, Pashto. Smugglers held him and made him work for them; what was done to him he tells the doctor only.
#[must_use]
pub fn farid() -> Record {
    Record {
        language: Some(v1::LanguageFacts {
            languages: vec!["ps".into()],
            interpreter_gender: v1::StaffGender::Man.into(),
            ..Default::default()
        }),
        placement: Some(v1::PlacementFacts {
            settings: vec!["MIXED".into()],
            area: "BELGRADE".into(),
            placement_gender: v1::PlacementPreference::Man.into(),
            tonight: Some(true),
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(27),
            ..Default::default()
        }),
        gender: Some(v1::GenderFacts {
            gender: v1::Gender::Masculine.into(),
        }),
        care: Some(v1::CareFacts {
            needs: vec![v1::CareNeed::DoctorTonight.into()],
            ..Default::default()
        }),
        threat: Some(v1::ThreatFacts {
            level: v1::ThreatLevel::PossibleNearby.into(),
            ..Default::default()
        }),
        identity: Some(v1::IdentityFacts {
            stated_name: "Farid".into(),
            ..Default::default()
        }),
        harm: Some(v1::HarmFacts {
            kinds: vec![
                v1::HarmKind::PhysicalInjury.into(),
                v1::HarmKind::SexualViolence.into(),
            ],
            by: vec![v1::HarmSource::Smuggler.into()],
            detail: FARID_CANARIES[0].into(),
            ..Default::default()
        }),
        trafficking: Some(v1::TraffickingFacts {
            status: v1::TraffickingStatus::Unassessed.into(),
            exploitation: vec![
                v1::Exploitation::ForcedLabour.into(),
                v1::Exploitation::ForcedCriminality.into(),
            ],
            ..Default::default()
        }),
        punishable_acts: Some(v1::PunishableFacts {
            acts: vec![v1::PunishableAct::WorkForSmugglers.into()],
            detail: FARID_CANARIES[1].into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Somebody of the case load.
#[must_use]
pub fn drawn(person: &Drawn) -> Record {
    let staff = match person.placement {
        v1::PlacementPreference::Woman => v1::StaffGender::Woman,
        _ => v1::StaffGender::Man,
    };
    Record {
        language: Some(v1::LanguageFacts {
            languages: vec!["ar".into()],
            interpreter_gender: staff.into(),
            ..Default::default()
        }),
        placement: Some(v1::PlacementFacts {
            settings: vec!["ROOM".into()],
            area: "BELGRADE".into(),
            placement_gender: person.placement.into(),
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(24),
            ..Default::default()
        }),
        trafficking: Some(v1::TraffickingFacts {
            status: v1::TraffickingStatus::AtRisk.into(),
            exploitation: person
                .exploitation
                .iter()
                .map(|&kind| kind.into())
                .collect(),
            means_of_control: person.means.iter().map(|&means| means.into()).collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}
