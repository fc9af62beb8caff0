//! The agencies of the town and what they say of themselves.

use crate::domain::directory::{AgencyFacts, Interpreter};
use crate::domain::vocabulary::{AgencyKind, PlacementGender, Purpose, ReportsTo, Requirement};

/// One member to be.
#[derive(Debug, Clone)]
pub struct MemberSpec {
    /// Id.
    pub id: &'static str,
    /// What it is enrolled as.
    pub kind: AgencyKind,
    /// Authority that it is a unit of.
    pub parent: Option<&'static str>,
    /// Its own facts.
    pub facts: AgencyFacts,
}

impl MemberSpec {
    /// A member that says nothing of itself yet.
    #[must_use]
    pub const fn new(id: &'static str, kind: AgencyKind) -> Self {
        let facts = AgencyFacts::unstated();
        Self {
            id,
            kind,
            parent: None,
            facts,
        }
    }

    /// Offers this, day and night, in Belgrade.
    #[must_use]
    pub fn offering(mut self, purposes: &[Purpose]) -> Self {
        self.facts.purposes = purposes.to_vec();
        self.facts.hours = "day and night".into();
        self.facts.languages = parse(&["en", "sr"]);
        self.facts.areas = parse(&["BELGRADE"]);
        self
    }

    /// Has these interpreters.
    #[must_use]
    pub fn interpreting(mut self, interpreters: &[(&str, PlacementGender)]) -> Self {
        self.facts.interpreters = interpreters
            .iter()
            .filter_map(|(language, gender)| {
                Some(Interpreter {
                    language: language.parse().ok()?,
                    gender: *gender,
                })
            })
            .collect();
        self
    }

    /// Has these settings.
    #[must_use]
    pub fn in_settings(mut self, settings: &[&str]) -> Self {
        self.facts.settings = parse(settings);
        self
    }

    /// Must report to these, and demands this first.
    #[must_use]
    pub fn duties(mut self, reports_to: &[ReportsTo], requires: &[Requirement]) -> Self {
        self.facts.reports_to = reports_to.to_vec();
        self.facts.requires = requires.to_vec();
        self
    }

    /// A unit of this authority.
    #[must_use]
    pub const fn unit_of(mut self, parent: &'static str) -> Self {
        self.parent = Some(parent);
        self
    }
}

/// Words written here are well formed; one that is not would be missing from the directory.
fn parse<T: std::str::FromStr>(words: &[&str]) -> Vec<T> {
    words.iter().filter_map(|word| word.parse().ok()).collect()
}

/// Every member of the demo's town, besides the operator.
#[must_use]
pub fn all() -> Vec<MemberSpec> {
    use AgencyKind::{
        AsylumService, HealthService, LegalService, Ngo, Ombudsperson, Police, ReceptionAuthority,
        Shelter,
    };
    use PlacementGender::{Man, Woman};
    use Purpose::{
        AsylumProcedure, BasicAssistance, CrimeReport, LegalDefence, MedicalCare,
        MedicoLegalDocumentation, SafeAccommodation,
    };
    let mut house1 = MemberSpec::new("house1", Shelter)
        .offering(&[SafeAccommodation])
        .in_settings(&["WOMEN_ONLY", "ROOM"])
        .interpreting(&[("ar", Woman), ("fa", Woman)]);
    house1.facts.genders = vec![Woman];
    house1.facts.boys_up_to = Some(12);
    let mut house3 = MemberSpec::new("house3", Shelter)
        .offering(&[SafeAccommodation])
        .in_settings(&["WOMEN_ONLY"])
        .interpreting(&[("ar", Woman)]);
    house3.facts.genders = vec![Woman];
    vec![
        MemberSpec::new("alpha", Ngo).offering(&[BasicAssistance]),
        house1,
        MemberSpec::new("house2", Shelter)
            .offering(&[SafeAccommodation])
            .in_settings(&["FAMILY_ROOM", "MIXED", "ROOM"])
            .interpreting(&[("ar", Woman), ("ps", Man)]),
        house3,
        MemberSpec::new("medic", HealthService)
            .offering(&[MedicalCare, MedicoLegalDocumentation])
            .interpreting(&[("ar", Woman), ("ps", Man)]),
        MemberSpec::new("law", LegalService)
            .offering(&[LegalDefence])
            .interpreting(&[("ps", Man)]),
        MemberSpec::new("camp", ReceptionAuthority)
            .offering(&[SafeAccommodation])
            .in_settings(&["MIXED", "ROOM"])
            .interpreting(&[("ar", Woman)])
            .duties(&[ReportsTo::Police], &[Requirement::AsylumRegistration]),
        MemberSpec::new("moi", Police),
        MemberSpec::new("moi-atu", Police)
            .offering(&[CrimeReport])
            .unit_of("moi")
            .duties(&[ReportsTo::Prosecutor], &[]),
        MemberSpec::new("moi-asylum", AsylumService)
            .offering(&[AsylumProcedure])
            .unit_of("moi"),
        MemberSpec::new("ombud", Ombudsperson),
    ]
}
