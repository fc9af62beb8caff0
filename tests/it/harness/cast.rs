//! The agencies of the scenarios, with what the directory must hold of each.

use safeconduct::demo::town::members::MemberSpec;
use safeconduct::demo::town::simulated::next;
use safeconduct::domain::vocabulary::{
    AgencyKind, PlacementGender, Purpose, ReportsTo, Requirement,
};

use super::simulated::{DUTY, Simulated, simulated_of};

/// Every agency of the scenarios, besides the operator.
pub fn cast() -> Vec<MemberSpec> {
    use AgencyKind::*;
    use PlacementGender::{Man, Woman};
    use Purpose::*;
    let source = |id| {
        MemberSpec::new(id, Ngo)
            .offering(&[BasicAssistance, OnwardReferral])
            .interpreting(&[("ar", Woman), ("fr", Woman)])
    };
    let house = |id| MemberSpec::new(id, Shelter).offering(&[SafeAccommodation]);
    let mut house1 = house("house1")
        .in_settings(&["WOMEN_ONLY", "ROOM"])
        .interpreting(&[("ar", Woman), ("fa", Woman), ("fr", Woman)]);
    house1.facts.genders = vec![Woman];
    house1.facts.boys_up_to = Some(12);
    let mut house3 = house("house3")
        .in_settings(&["ROOM"])
        .interpreting(&[("fa", Woman), ("ps", Man)]);
    (house3.facts.age_from, house3.facts.age_to) = (12, 17);
    vec![
        source("alpha"),
        source("beta"),
        house1,
        house("house2")
            .in_settings(&["FAMILY_ROOM", "MIXED", "ROOM"])
            .interpreting(&[("ps", Man), ("fa", Woman), ("ar", Woman), ("fr", Woman)]),
        house3,
        MemberSpec::new("camp", ReceptionAuthority)
            .offering(&[SafeAccommodation])
            .in_settings(&["MIXED", "ROOM"])
            .interpreting(&[("ar", Woman), ("fr", Woman), ("ps", Man)])
            .duties(&[ReportsTo::Police], &[Requirement::AsylumRegistration]),
        MemberSpec::new("clinic", HealthService)
            .offering(&[MedicalCare, MedicoLegalDocumentation])
            .interpreting(&[("ar", Woman), ("ar", Man), ("fr", Woman), ("ps", Man)])
            .duties(&[ReportsTo::Police], &[]),
        MemberSpec::new("medic", HealthService)
            .offering(&[MedicalCare, MedicoLegalDocumentation])
            .interpreting(&[("ar", Woman), ("ps", Man)]),
        MemberSpec::new("law", LegalService)
            .offering(&[LegalAssistance, LegalDefence])
            .interpreting(&[("ps", Man), ("ar", Woman)]),
        MemberSpec::new("ident", IdentificationAuthority)
            .offering(&[FormalIdentification])
            .duties(&[ReportsTo::Police, ReportsTo::Prosecutor], &[]),
        MemberSpec::new("csw", AgencyKind::ChildProtection)
            .offering(&[Purpose::ChildProtection, Guardianship])
            .interpreting(&[("fa", Woman), ("ps", Man)]),
        MemberSpec::new("moi", Police),
        MemberSpec::new("moi-atu", Police)
            .offering(&[CrimeReport])
            .unit_of("moi"),
        MemberSpec::new("moi-border-sid", BorderPolice)
            .offering(&[CrimeReport])
            .unit_of("moi"),
        MemberSpec::new("moi-asylum", AsylumService)
            .offering(&[AsylumProcedure])
            .unit_of("moi"),
        MemberSpec::new("dpo-alpha", AgencyDpo).unit_of("alpha"),
        MemberSpec::new("dpo-moi", AgencyDpo).unit_of("moi"),
        MemberSpec::new("ombud", Ombudsperson),
        MemberSpec::new(DUTY, Ngo),
    ]
}

/// The scenarios' town at this time of day.
pub async fn town_at(hour: u8, minute: u8) -> Simulated {
    simulated_of(cast(), next(hour, minute)).await
}
