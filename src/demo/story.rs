//! The story: a woman who refuses the police and needs a bed tonight, a man who tells only the doctor, and those who
//! would like to know.
//!
//! Every step is shown by what a real agency gets from a real router, never asserted from inside it.

mod attacks;
mod audit;
mod bed;
mod bystander;
mod doctor;
mod found;
mod seen;

use std::time::Duration;

use crate::client::agency::Desk;
use crate::client::source::{Ask, BasisDraft};
use crate::domain::basis::Allow;
use crate::domain::id::{AgencyId, CaseHandle};
use crate::domain::label::LabelSet;
use crate::domain::random::Random;
use crate::domain::vocabulary::{
    Asked, BasisKind, Category, ChildTold, Form, GivenBy, InterpreterClass, Purpose, StaffRole,
    Urgency,
};

use super::narrate::{Narrator, Stop, Voice};
use super::people::labels;
use super::town::{Town, TownError, TownOptions};
use crate::client::random::SystemRandom;

/// What a shelter needs to decide.
pub(super) const SHELTER_TRIAGE: &[(Category, Form)] = &[
    (Category::Language, Form::Whole),
    (Category::PlacementNeeds, Form::Whole),
    (Category::Age, Form::Band),
    (Category::CareNeeds, Form::Coded),
    (Category::Threat, Form::Coded),
    (Category::Family, Form::Counts),
];

/// What the accepted place needs.
const SHELTER_ACCEPTED: &[(Category, Form)] = &[
    (Category::Identity, Form::Alias),
    (Category::Gender, Form::Whole),
    (Category::Contact, Form::ViaSource),
    (Category::Health, Form::Functional),
    (Category::DoNotMeet, Form::Whole),
    (Category::MeetingPoint, Form::Whole),
];

/// The story as it goes.
pub struct Story {
    /// The town it plays in.
    pub town: Town,
    /// Who tells it.
    pub narrator: Narrator,
    /// What each party has read so far.
    seen: seen::Seen,
    /// The people, each with alpha's handle of the case.
    cases: Vec<(&'static str, CaseHandle)>,
}

/// What is left of a story that was told.
pub struct Told {
    /// Who told it.
    pub narrator: Narrator,
    /// Where it played; none if it could not be built.
    pub town: Option<Town>,
    /// The people, each with alpha's handle of the case, as far as the story came.
    pub cases: Vec<(&'static str, CaseHandle)>,
}

/// Builds the town and plays everything in it. The town is there afterwards unless it could not be built.
pub async fn play(options: TownOptions, voice: Voice) -> Told {
    let mut narrator = Narrator::new(voice);
    let Ok(town) = found::the_town(&mut narrator, options).await else {
        return Told {
            narrator,
            town: None,
            cases: Vec::new(),
        };
    };
    let mut story = Story {
        town,
        narrator,
        seen: seen::Seen::default(),
        cases: Vec::new(),
    };
    // What stops the story is told already.
    let _ = story.acts().await;
    story.show();
    Told {
        narrator: story.narrator,
        town: Some(story.town),
        cases: story.cases,
    }
}

impl Story {
    async fn acts(&mut self) -> Result<(), Stop> {
        self.the_first_look().await?;
        let before = self.police_before().await?;
        let samira = self.a_bed_tonight().await?;
        self.after_a_power_cut(&samira).await?;
        let farid = self.only_the_doctor().await?;
        self.police_after(&before, &samira, &farid).await?;
        self.police_bells(before).await;
        self.what_is_refused(&samira).await?;
        self.she_said_stop(&farid).await?;
        self.nothing_readable();
        self.the_ombudsperson().await
    }

    /// A desk of the town.
    fn desk(&mut self, agency: &str, pseudonym: &str, role: StaffRole) -> Result<Desk, Stop> {
        let desk = self.town.desk(agency, pseudonym, role);
        self.narrator.quietly(&format!("{agency} has a desk"), desk)
    }

    fn id(&mut self, agency: &str) -> Result<AgencyId, Stop> {
        let id = agency.parse::<AgencyId>().map_err(TownError::from);
        self.narrator.quietly("an agency's id", id)
    }
}

/// A new random handle for a case.
pub(super) fn new_case() -> CaseHandle {
    CaseHandle::from_random(SystemRandom.array())
}

/// The person's yes for one recipient and purpose: the bundle, and what was asked for by itself; 30 days.
pub(super) fn consent(
    desk: &Desk,
    case: CaseHandle,
    recipient: &AgencyId,
    purpose: Purpose,
    bundle: LabelSet,
    specific: LabelSet,
) -> BasisDraft {
    let until = desk.now().plus(Duration::from_secs(30 * 24 * 60 * 60));
    let allow = |labels: LabelSet, asked| Allow {
        purposes: vec![purpose],
        labels,
        asked,
        until,
        reply: false,
    };
    let mut allows = vec![allow(bundle, Asked::Bundle)];
    if !specific.is_empty() {
        allows.push(allow(specific, Asked::Specific));
    }
    BasisDraft {
        case,
        recipient: recipient.clone(),
        kind: BasisKind::Consent,
        allows,
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::Telephone,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
        evidence: SystemRandom.array(),
    }
}

/// An ask that cannot wait.
fn tonight(desk: &Desk, case: CaseHandle, purpose: Purpose) -> Ask {
    let decide_by = desk.now().plus(Duration::from_secs(30 * 60));
    Ask {
        case,
        purpose,
        urgency: Urgency::Immediate,
        decide_by,
    }
}

/// What a shelter may have of a person, both stages.
pub(super) fn shelter_bundle() -> LabelSet {
    labels(SHELTER_TRIAGE).union(labels(SHELTER_ACCEPTED))
}
