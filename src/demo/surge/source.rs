//! The sources: match on the mirror, have the person's yes recorded per house, seal, ask.

use std::time::Duration;

use tokio::task::JoinSet;

use super::arrival::Arrival;
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::source::{Ask, Candidate, SentReferral};
use crate::demo::people::{self, labels};
use crate::demo::story::{SHELTER_TRIAGE, consent, new_case, shelter_bundle};
use crate::demo::town::members::MemberSpec;
use crate::domain::basis::Basis;
use crate::domain::id::AgencyId;
use crate::domain::matching::{self, Candidate as Suitor, Member, Needs};
use crate::domain::vocabulary::{AgencyKind, PlacementGender, Purpose, Stage};
use crate::proto::v1::PlacementPreference;

/// The NGOs to which people come.
pub const SOURCES: [&str; 4] = ["ngo-north", "ngo-east", "ngo-south", "ngo-west"];

/// Most houses put to one person, three of them at once: each is named in a consent of its own.
const CANDIDATES_MAX: usize = 4;

/// Ages of those who come: a caseworker has not asked for more.
const AGES: (u8, u8) = (18, 59);

/// Every source, as it is enrolled.
#[must_use]
pub fn members() -> Vec<MemberSpec> {
    let sources = SOURCES.iter();
    sources
        .map(|id| MemberSpec::new(id, AgencyKind::Ngo).offering(&[Purpose::BasicAssistance]))
        .collect()
}

/// Houses that fit, best first; those that fit equally well are taken in turn.
///
/// # Errors
///
/// [`ClientError::Directory`] without a mirror.
pub fn fitting(desk: &Desk, arrival: &Arrival) -> Result<Vec<AgencyId>, ClientError> {
    let directory = desk.agency().directory()?;
    let suitors: Vec<Suitor> = directory
        .members()
        .filter(|member| member.kind == AgencyKind::Shelter)
        .filter_map(|member| {
            Some(Suitor {
                agency: member.agency.clone(),
                parent: member.parent.clone(),
                facts: member.bundle.as_ref()?.content().facts.clone(),
                duties_stated: true,
                capacity: member.capacity,
            })
        })
        .collect();
    let gender = match arrival.person.placement {
        PlacementPreference::Woman => PlacementGender::Woman,
        _ => PlacementGender::Man,
    };
    let needs = Needs {
        purpose: Purpose::SafeAccommodation,
        group: vec![Member {
            age_from: AGES.0,
            age_to: AGES.1,
            gender,
        }],
        settings: Vec::new(),
        languages: arrival.language.parse().into_iter().collect(),
        interpreter_gender: Some(gender),
        accessibility: Vec::new(),
        areas: Vec::new(),
        now: desk.now(),
        place_by: None,
        leaves_soon: false,
        excluded: Vec::new(),
        refused_reports: Vec::new(),
        refused_requirements: Vec::new(),
    };
    let mut fit = matching::rank(&needs, &suitors).fit;
    for equal in fit.chunk_by_mut(|one, other| one.score == other.score) {
        let count = u64::try_from(equal.len()).unwrap_or(1);
        equal.rotate_left(usize::try_from(arrival.first % count).unwrap_or(0));
    }
    fit.truncate(CANDIDATES_MAX);
    Ok(fit.into_iter().map(|ranked| ranked.agency).collect())
}

/// Asks these houses for a bed; `None` when there is nobody to ask.
///
/// # Errors
///
/// As any call.
pub async fn ask(
    desk: &Desk,
    arrival: &Arrival,
    houses: &[AgencyId],
) -> Result<Option<SentReferral>, ClientError> {
    if houses.is_empty() {
        return Ok(None);
    }
    let case = new_case();
    let mut recording = JoinSet::new();
    for (at, house) in houses.iter().enumerate() {
        let (bundle, none) = (shelter_bundle(), labels(&[]));
        let draft = consent(desk, case, house, Purpose::SafeAccommodation, bundle, none);
        let desk = desk.clone();
        recording.spawn(async move { desk.record_basis(draft).await.map(|basis| (at, basis)) });
    }
    let mut bases: Vec<(usize, Basis)> = Vec::with_capacity(houses.len());
    while let Some(recorded) = recording.join_next().await {
        bases.push(recorded.map_err(|_| ClientError::NoAnswer)??);
    }
    bases.sort_by_key(|(at, _)| *at);
    let mut record = people::drawn(&arrival.person);
    if let Some(language) = &mut record.language {
        language.languages = vec![arrival.language.to_owned()];
    }
    let fields = people::cut(&record, "", labels(SHELTER_TRIAGE));
    let fields = fields.map_err(|_| ClientError::Reply("a record of another schema"))?;
    let candidates: Vec<Candidate<'_>> = bases
        .iter()
        .map(|(_, basis)| Candidate {
            basis,
            parcels: vec![(Stage::Triage, fields.clone())],
        })
        .collect();
    let ask = Ask {
        case,
        purpose: Purpose::SafeAccommodation,
        urgency: arrival.urgency,
        decide_by: desk.now().plus(Duration::from_secs(24 * 60 * 60)),
    };
    desk.create_referral(&ask, &candidates).await.map(Some)
}
