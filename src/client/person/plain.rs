//! The list in plain words, to be read to a tired person: no code, no abbreviation, nothing that only staff understand.

use super::{DisclosureView, GroundView};
use crate::domain::id::AgencyId;
use crate::domain::label::Label;
use crate::domain::vocabulary::{
    Asked, BasisKind, Category, DisclosureKind, Form, InterpreterClass, Purpose, Stage,
};

/// What a label tells, as one says it to the person.
#[must_use]
pub const fn label(label: Label) -> &'static str {
    match label.category() {
        Category::Language => "which languages you speak",
        Category::PlacementNeeds => "what a place must be like for you",
        Category::Age => match label.form() {
            Form::ChildOrAdult => "whether you are a child or an adult",
            Form::Band => "your age, roughly",
            _ => "your age, exactly",
        },
        Category::Gender => "your gender, as you say it",
        Category::CareNeeds => match label.form() {
            Form::Acuity => "how urgent your need for care is",
            Form::Coded => "which care you need tonight",
            _ => "which care you need, in detail",
        },
        Category::Threat => match label.form() {
            Form::PresentDanger => "whether you are in danger now",
            Form::Coded => "which kind of danger there is",
            _ => "the danger, in detail",
        },
        Category::Identity => match label.form() {
            Form::Alias => "the name that you go by here",
            Form::AsStated => "your name, as you told it",
            _ => "your full name and date of birth",
        },
        Category::Contact => match label.form() {
            Form::ViaSource => "that you are reached through us",
            Form::SafeDirect => "a safe way to reach you",
            _ => "your phone number or address",
        },
        Category::Nationality => "your nationality",
        Category::Family => match label.form() {
            Form::Counts => "how many of you there are",
            Form::Relations => "who in your family is with you",
            _ => "the names of your family",
        },
        Category::Health => match label.form() {
            Form::Functional => "what your health needs, without the illness",
            _ => "your illness and treatment",
        },
        Category::Harm => "what was done to you",
        Category::Trafficking => "how you were exploited",
        Category::PunishableActs => "what you were made to do",
        Category::LegalStatus => "your papers' status in this country",
        Category::MeetingPoint => "where to meet you",
        Category::PlacementLocation => "where you stay",
        Category::DoNotMeet => "whom you must not meet",
        Category::Statement => "what you wanted them to read",
        Category::Documents => match label.form() {
            Form::List => "which documents you have",
            _ => "copies of your documents",
        },
    }
}

/// For what, as one says it to the person.
#[must_use]
pub const fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::SafeAccommodation => "a safe place to stay",
        Purpose::MedicalCare => "a doctor",
        Purpose::MentalHealthPsychosocial => "someone to talk to about how you are",
        Purpose::SexualReproductiveHealth => "sexual health, pregnancy and birth",
        Purpose::MedicoLegalDocumentation => "a record of injuries",
        Purpose::LegalAssistance => "legal advice",
        Purpose::LegalDefence => "a lawyer to defend you",
        Purpose::AsylumProcedure => "asylum",
        Purpose::FormalIdentification => "being recognised as somebody who was exploited",
        Purpose::ResidenceRecoveryPeriod => "the right to stay and recover",
        Purpose::CrimeReport => "a report to the police",
        Purpose::PhysicalProtection => "protection from danger",
        Purpose::ChildProtection => "protection as a child",
        Purpose::Guardianship => "a guardian",
        Purpose::FamilyTracingReunification => "finding your family",
        Purpose::Interpretation => "an interpreter",
        Purpose::TransportAccompaniment => "getting there, and company on the way",
        Purpose::BasicAssistance => "food, clothes and what you need first",
        Purpose::CashAssistance => "money for what you need",
        Purpose::DocumentRecovery => "getting your papers back",
        Purpose::InformationRights => "your rights and a complaint",
        Purpose::DisabilitySupport => "support with a disability",
        Purpose::Education => "school or a course",
        Purpose::Livelihoods => "work and income",
        Purpose::LabourRights => "your rights at work",
        Purpose::Compensation => "compensation",
        Purpose::VoluntaryReturn => "going back, if you want to",
        Purpose::Reintegration => "settling in after going back",
        Purpose::OnwardReferral => "being helped onward by others",
        Purpose::Other => "another reason",
    }
}

/// Whom one speaks of, to the person: what a shelter needs to know is not what a doctor or a lawyer needs.
#[derive(Clone, Copy)]
enum Helper {
    Place,
    Doctor,
    Lawyer,
    Other,
}

const fn helper(asked: Option<Purpose>) -> Helper {
    match asked {
        Some(Purpose::SafeAccommodation) => Helper::Place,
        Some(
            Purpose::MedicalCare
            | Purpose::MentalHealthPsychosocial
            | Purpose::SexualReproductiveHealth
            | Purpose::MedicoLegalDocumentation,
        ) => Helper::Doctor,
        Some(
            Purpose::LegalAssistance
            | Purpose::LegalDefence
            | Purpose::AsylumProcedure
            | Purpose::LabourRights
            | Purpose::Compensation,
        ) => Helper::Lawyer,
        _ => Helper::Other,
    }
}

const fn stage(stage: Stage, helper: Helper) -> &'static str {
    match (stage, helper) {
        (Stage::Triage, _) => "to decide whether they can help",
        (Stage::Accepted, _) => "after they had said yes",
        (Stage::InCare, Helper::Place) => "after you had arrived",
        (Stage::InCare, Helper::Doctor) => "once they were caring for you",
        (Stage::InCare, Helper::Lawyer) => "once they were acting for you",
        (Stage::InCare, Helper::Other) => "once they were helping you",
    }
}

/// What one yes to several things at once was to.
const fn usual(helper: Helper) -> &'static str {
    match helper {
        Helper::Place => "what such places usually need",
        Helper::Doctor => "what doctors and nurses usually need to know",
        Helper::Lawyer => "what lawyers usually need to know",
        Helper::Other => "what is usually needed for that",
    }
}

/// By which right, as one says it to the person.
fn ground(ground: &GroundView, helper: Helper) -> String {
    match ground.kind {
        BasisKind::Consent => {
            let specific: Vec<&str> = ground.specific.iter().map(label).collect();
            let asked = match ground.asked {
                Asked::Specific => "each of these".to_owned(),
                Asked::Bundle if specific.is_empty() => usual(helper).to_owned(),
                // What hurts most is never asked for with the rest, and is not said to have been.
                Asked::Bundle => format!(
                    "{}, and, asked for by itself, to: {}",
                    usual(helper),
                    specific.join(", ")
                ),
            };
            let alone = if ground.asked_alone {
                "you were asked alone"
            } else {
                "you were not asked alone"
            };
            let interpreter = interpreter(ground.interpreter);
            format!("You said yes to {asked}; {alone}, {interpreter}.")
        }
        BasisKind::ChildSafeguarding => {
            "We must protect a child, so we told them without waiting for a yes.".into()
        }
        BasisKind::VitalInterest => {
            "Your life was in danger, so we told them without asking.".into()
        }
        BasisKind::LegalDuty => "The law made us tell them.".into(),
        BasisKind::Complaint => "You made a complaint and let them see it.".into(),
    }
}

const fn interpreter(interpreter: InterpreterClass) -> &'static str {
    match interpreter {
        InterpreterClass::NoneNeeded => "without an interpreter",
        InterpreterClass::Professional => "with an interpreter",
        InterpreterClass::Telephone => "with an interpreter on the telephone",
        InterpreterClass::Staff => "with one of our staff interpreting",
        InterpreterClass::Companion => "with somebody you came with interpreting",
        InterpreterClass::Child => "with a child interpreting",
    }
}

/// One row as sentences: who, for what, and by which right. `own` is the agency whose sheet it is.
#[must_use]
pub fn sentences(told: &DisclosureView, own: &AgencyId) -> String {
    let (by, to) = (&told.by, &told.recipient);
    let how = match told.kind {
        DisclosureKind::Opened if told.by == *own => format!("{to} read what we sent"),
        DisclosureKind::Opened => format!("{to} read what {by} passed on"),
        DisclosureKind::PassedOn => {
            format!("{by} asked {to}, whom you had agreed to, and sent on what it knew from us")
        }
        DisclosureKind::BreakGlass => format!("{to} was told in an emergency"),
        DisclosureKind::Carried => format!("{to} was let open the sealed letter that you carried"),
        DisclosureKind::Message => format!("{to} read a message"),
        DisclosureKind::Attachment => format!("{to} opened a document"),
        DisclosureKind::Corrected => format!("We sent {to} a correction of what it had read"),
        DisclosureKind::Erased => format!("{to} says that it erased what it had"),
        DisclosureKind::KeptByLaw => {
            format!("{to} says that a law makes it keep what it had")
        }
        DisclosureKind::KeptInCare => {
            format!("{to} says that it keeps what it had, as you agreed with it")
        }
    };
    let helper = helper(told.purpose);
    let mut text = how;
    if let Some(asked) = told.purpose {
        text.push_str(&format!(", for {}", purpose(asked)));
    }
    if let Some(at) = told.stage {
        text.push_str(&format!(", {}", stage(at, helper)));
    }
    text.push('.');
    if let Some(right) = &told.ground {
        text.push_str(&format!(" {}", ground(right, helper)));
    }
    text
}

/// What kinds of things a row told, the most of each.
pub fn things(told: &DisclosureView) -> impl Iterator<Item = &'static str> {
    let labels = told.labels;
    labels.iter().map(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label::LabelSet;
    use std::collections::HashSet;

    #[test]
    fn no_label_and_no_purpose_is_without_words_of_its_own() {
        let said: HashSet<&str> = Label::all().map(label).collect();
        assert_eq!(said.len(), Label::COUNT);
        let asked: HashSet<&str> = Purpose::ALL.iter().copied().map(purpose).collect();
        assert_eq!(asked.len(), Purpose::ALL.len());
        for words in said.iter().chain(&asked) {
            assert!(!words.is_empty() && !words.contains('_'), "{words}");
            assert!(words.chars().all(|c| !c.is_ascii_uppercase()), "{words}");
        }
    }

    #[test]
    fn a_row_says_who_looked_why_and_by_which_right() {
        let agency = |id: &str| id.parse::<AgencyId>().expect("an id");
        let mut told = DisclosureView {
            kind: DisclosureKind::Opened,
            time: crate::domain::time::Timestamp::MAX,
            by: agency("alpha"),
            recipient: agency("house1"),
            purpose: Some(Purpose::SafeAccommodation),
            stage: Some(Stage::Triage),
            labels: ["AGE/BAND".parse::<Label>().expect("a label")]
                .into_iter()
                .collect(),
            ground: Some(GroundView {
                kind: BasisKind::Consent,
                chain: crate::domain::id::BasisChainId::from_random([1; 16]),
                asked: Asked::Bundle,
                specific: LabelSet::EMPTY,
                asked_alone: true,
                interpreter: InterpreterClass::Telephone,
            }),
            offer: None,
            index: 7,
        };
        assert_eq!(
            sentences(&told, &agency("alpha")),
            "house1 read what we sent, for a safe place to stay, to decide whether they can help. You said yes to \
             what such places usually need; you were asked alone, with an interpreter on the telephone."
        );
        assert_eq!(things(&told).collect::<Vec<_>>(), ["your age, roughly"]);
        // What was asked for by itself is not said to have come with the rest.
        let harm: Label = "HARM/WHOLE".parse().expect("a label");
        let mut mixed = told.clone();
        mixed.labels.insert(harm);
        if let Some(ground) = &mut mixed.ground {
            ground.specific.insert(harm);
        }
        let said = sentences(&mixed, &agency("alpha"));
        let wanted = format!(
            "usually need, and, asked for by itself, to: {};",
            label(harm)
        );
        assert!(said.contains(&wanted), "{said}");
        // A doctor and a lawyer are no place to stay.
        for (asked, wanted) in [
            (
                Purpose::MedicalCare,
                ["doctors and nurses", "caring for you"],
            ),
            (Purpose::LegalDefence, ["lawyers usually", "acting for you"]),
            (Purpose::Education, ["needed for that", "helping you"]),
        ] {
            let told = DisclosureView {
                purpose: Some(asked),
                stage: Some(Stage::InCare),
                ..told.clone()
            };
            let said = sentences(&told, &agency("alpha"));
            assert!(wanted.iter().all(|words| said.contains(words)), "{said}");
            assert!(!said.contains("such places"), "{said}");
        }
        told.kind = DisclosureKind::PassedOn;
        told.by = agency("house1");
        told.recipient = agency("house2");
        (told.stage, told.ground) = (None, None);
        assert_eq!(
            sentences(&told, &agency("alpha")),
            "house1 asked house2, whom you had agreed to, and sent on what it knew from us, for a safe place to stay."
        );
    }
}
