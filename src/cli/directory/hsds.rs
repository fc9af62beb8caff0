//! What the rows of an HSDS 3.0 directory mean for matching: one service for each place at which it is given.
//!
//! HSDS knows no duty to report and no purpose of ours. A purpose comes from a taxonomy term that is one of our words,
//! or from the caller's own list of terms. Duties stay unknown, which is shown and never taken for none (R2).

use super::plain::{self, Hours};
use super::rows::{Row, Skip, Tables};
use super::services::Service;
use crate::domain::directory::{AGE_MAX, AgencyFacts, LIST_MAX, Language, TEXT_BYTES_MAX, Tag};
use crate::domain::hours::OpeningHours;
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{Purpose, Requirement};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The scheme of an organisation's identifier that holds its id as a member here.
const MEMBER_SCHEME: &str = "safeconduct";

/// What an import needs beside the rows.
pub(super) struct Context<'a> {
    /// Today, as `2026-11-21`: what has ended or not begun is left out.
    pub(super) today: &'a str,
    /// Purposes by the name or code of a taxonomy term.
    pub(super) terms: &'a BTreeMap<String, Vec<Purpose>>,
}

/// Every service, sorted by id, and what was left out.
pub(super) fn services(tables: &Tables, context: &Context<'_>) -> (Vec<Service>, Vec<Skip>) {
    let index = Index {
        organizations: once(tables.of("organizations")),
        locations: once(tables.of("locations")),
        terms: once(tables.of("taxonomy_terms")),
        links: tables.by("service_at_location", "service_id"),
        languages_of_service: tables.by("languages", "service_id"),
        languages_of_location: tables.by("languages", "location_id"),
        schedules_of_service: tables.by("schedules", "service_id"),
        schedules_of_location: tables.by("schedules", "location_id"),
        areas: tables.by("service_areas", "service_id"),
        accessibility: tables.by("accessibility", "location_id"),
        addresses: tables.by("addresses", "location_id"),
        phones_of_service: tables.by("phones", "service_id"),
        phones_of_location: tables.by("phones", "location_id"),
        phones_of_organization: tables.by("phones", "organization_id"),
        documents: tables.by("required_documents", "service_id"),
        attributes: tables.by("attributes", "link_id"),
        identifiers: tables.by("organization_identifiers", "organization_id"),
    };
    let mut import = Import {
        index,
        context,
        found: Vec::new(),
        skipped: Vec::new(),
    };
    let mut known = HashSet::new();
    for row in tables.of("services") {
        // A service that is nested twice in one file is the same one.
        let id = row.value("id");
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            import.skip(
                row,
                "the service has no id of at most 64 letters, digits and dashes: left out",
            );
        } else if known.insert(id) {
            import.service(row);
        }
    }
    let Import {
        mut found,
        mut skipped,
        ..
    } = import;
    found.sort_by(|one: &Service, other| one.id.cmp(&other.id));
    // One row stands behind every place of its service, and is named once.
    skipped.sort();
    skipped.dedup();
    (found, skipped)
}

/// The first row of each id.
fn once(rows: &[Row]) -> HashMap<&str, &Row> {
    let mut found = HashMap::new();
    for row in rows {
        found.entry(row.value("id")).or_insert(row);
    }
    found
}

type Many<'a> = HashMap<&'a str, Vec<&'a Row>>;

struct Index<'a> {
    organizations: HashMap<&'a str, &'a Row>,
    locations: HashMap<&'a str, &'a Row>,
    terms: HashMap<&'a str, &'a Row>,
    links: Many<'a>,
    languages_of_service: Many<'a>,
    languages_of_location: Many<'a>,
    schedules_of_service: Many<'a>,
    schedules_of_location: Many<'a>,
    areas: Many<'a>,
    accessibility: Many<'a>,
    addresses: Many<'a>,
    phones_of_service: Many<'a>,
    phones_of_location: Many<'a>,
    phones_of_organization: Many<'a>,
    documents: Many<'a>,
    attributes: Many<'a>,
    identifiers: Many<'a>,
}

/// The rows under an id; none under the empty one, which is nobody's.
fn under<'a, 'b>(many: &'b Many<'a>, id: &str) -> &'b [&'a Row] {
    if id.is_empty() {
        return &[];
    }
    many.get(id).map_or(&[], Vec::as_slice)
}

struct Import<'a> {
    index: Index<'a>,
    context: &'a Context<'a>,
    found: Vec<Service>,
    skipped: Vec<Skip>,
}

impl<'a> Import<'a> {
    fn skip(&mut self, row: &Row, why: impl Into<String>) {
        let (place, why) = (row.place.clone(), why.into());
        self.skipped.push(Skip { place, why });
    }

    fn service(&mut self, row: &'a Row) {
        match row.value("status") {
            "active" => {}
            "inactive" | "defunct" | "temporarily closed" => {
                return self.skip(
                    row,
                    format!("the service is {}: left out", row.value("status")),
                );
            }
            _ => return self.skip(row, "the service's status is none of HSDS 3.0: left out"),
        }
        let (age_from, age_to) = match ages(row) {
            Ok(ages) => ages,
            Err(why) => return self.skip(row, format!("{why}: the service is left out")),
        };
        let id = row.value("id");
        let mut facts = AgencyFacts {
            age_from,
            age_to,
            ..AgencyFacts::default()
        };
        facts.purposes = self.purposes(row);
        if facts.purposes.is_empty() {
            let why = "no taxonomy term of the service is a purpose: it matches nothing until --terms names one";
            self.skip(row, why);
        }
        if !row.value("interpretation_services").is_empty() {
            self.skip(
                row,
                "interpretation_services is free text: no interpreter is taken from it",
            );
        }
        if !row.value("eligibility_description").is_empty() {
            self.skip(
                row,
                "eligibility_description is free text: read it before sending somebody there",
            );
        }
        let documents = under(&self.index.documents, id).iter();
        let asks = documents.filter(|row| {
            !matches!(
                row.value("document").to_ascii_lowercase().as_str(),
                "" | "none"
            )
        });
        if asks.count() > 0 {
            facts.requires.push(Requirement::Documents);
        }
        facts.areas = self.areas(id);
        let links: Vec<&Row> = under(&self.index.links, id).to_vec();
        let mut places: Vec<(&str, &Row)> = Vec::new();
        for link in links {
            let location = link.value("location_id");
            match self.index.locations.get(location) {
                Some(location_row) if !places.iter().any(|(known, _)| *known == location) => {
                    places.push((location, location_row));
                }
                Some(_) => {}
                None => self.skip(
                    link,
                    "the location of this link is not there: the link is left out",
                ),
            }
        }
        if places.is_empty() {
            let service = self.at(row, facts, None);
            self.found.push(service);
            return;
        }
        let many = places.len() > 1;
        for (location, location_row) in places {
            let mut service = self.at(row, facts.clone(), Some((location, location_row)));
            if many {
                service.id = format!("{id}@{location}");
            }
            self.found.push(service);
        }
    }

    fn at(
        &mut self,
        row: &'a Row,
        mut facts: AgencyFacts,
        place: Option<(&str, &'a Row)>,
    ) -> Service {
        let id = row.value("id");
        let location = place.map_or("", |(location, _)| location);
        let organization = row.value("organization_id");
        let languages = [
            under(&self.index.languages_of_service, id),
            under(&self.index.languages_of_location, location),
        ];
        let languages: Vec<&Row> = languages.concat();
        facts.languages = self.languages(&languages);
        for row in under(&self.index.accessibility, location).to_vec() {
            let tags = plain::accessibility(row.value("description"), row.value("details"));
            if tags.is_empty() {
                self.skip(
                    row,
                    "nothing in the description is an accessibility that we know: left out",
                );
            }
            add(&mut facts.accessibility, tags);
        }
        if facts.areas.is_empty() {
            for row in under(&self.index.addresses, location).to_vec() {
                match plain::tag(row.value("city")) {
                    Some(tag) => add(&mut facts.areas, vec![tag]),
                    None => self.skip(
                        row,
                        "the city is no word of 40 letters: no area is taken from it",
                    ),
                }
            }
            if facts.areas.is_empty() {
                self.skip(
                    row,
                    "no area is understood: the service is taken to serve everywhere",
                );
            }
        }
        let own = under(&self.index.schedules_of_service, id).iter();
        let own = own.filter(|row| {
            matches!(row.value("location_id"), "") || row.value("location_id") == location
        });
        let mut schedules: Vec<&Row> = own.copied().collect();
        if schedules.is_empty() {
            let of_place = under(&self.index.schedules_of_location, location).iter();
            schedules = of_place
                .filter(|row| row.value("service_id").is_empty())
                .copied()
                .collect();
        }
        facts.open = self.hours(&schedules);
        facts.hours = schedules
            .first()
            .map_or("", |row| row.value("description"))
            .to_owned();
        if facts.hours.is_empty() && !schedules.is_empty() {
            facts.hours = "see the schedule".to_owned();
        }
        facts.intake_phone = self.phone(id, location, organization);
        for text in [&mut facts.hours, &mut facts.intake_phone] {
            shorten(text);
        }
        let name = |row: Option<&&Row>| {
            let mut name = row.map_or("", |row| row.value("name")).to_owned();
            shorten(&mut name);
            name
        };
        let mut own_name = row.value("name").to_owned();
        shorten(&mut own_name);
        Service {
            id: id.to_owned(),
            name: own_name,
            organisation: name(self.index.organizations.get(organization)),
            location: name(place.map(|(_, row)| row).as_ref()),
            member: self.member(organization),
            duties_stated: false,
            facts,
        }
    }

    fn purposes(&mut self, row: &Row) -> Vec<Purpose> {
        let mut purposes = Vec::new();
        for attribute in under(&self.index.attributes, row.value("id")).to_vec() {
            let Some(term) = self.index.terms.get(attribute.value("taxonomy_term_id")) else {
                self.skip(
                    attribute,
                    "the taxonomy term of this attribute is not there: left out",
                );
                continue;
            };
            let names = [term.value("code"), term.value("name")];
            let named = names.iter().find_map(|name| self.context.terms.get(*name));
            let known = match named {
                Some(purposes) => purposes.clone(),
                None => names
                    .iter()
                    .find_map(|name| plain::purpose(name))
                    .into_iter()
                    .collect(),
            };
            if known.is_empty() {
                self.skip(
                    attribute,
                    "the taxonomy term is no purpose, and --terms does not name it: left out",
                );
            }
            add(&mut purposes, known);
        }
        purposes
    }

    fn areas(&mut self, id: &str) -> Vec<Tag> {
        let mut areas = Vec::new();
        for row in under(&self.index.areas, id).to_vec() {
            match plain::tag(row.value("name")) {
                Some(tag) => add(&mut areas, vec![tag]),
                None => self.skip(
                    row,
                    "the area's name is no word of at most 40 letters: left out",
                ),
            }
        }
        areas
    }

    fn languages(&mut self, rows: &[&Row]) -> Vec<Language> {
        let mut languages = Vec::new();
        for row in rows {
            match plain::language(row.value("code")) {
                Some(language) => add(&mut languages, vec![language]),
                None => self.skip(
                    row,
                    "the code is none of a language that we know (ISO 639-1 or 639-3): left out",
                ),
            }
        }
        languages
    }

    fn hours(&mut self, rows: &[&Row]) -> OpeningHours {
        let mut spans = Vec::new();
        let mut offset = None;
        for row in rows {
            match plain::schedule(row, self.context.today) {
                Ok(Hours { span, offset: own }) if offset.is_none_or(|known| known == own) => {
                    offset = Some(own);
                    if !spans.contains(&span) {
                        spans.push(span);
                    }
                }
                Ok(_) => self.skip(
                    row,
                    "the schedule is of another time zone than the first: left out",
                ),
                Err(why) => self.skip(row, format!("{why}: the schedule is left out")),
            }
        }
        if spans.is_empty()
            && let Some(row) = rows.first()
        {
            self.skip(
                row,
                "no schedule is understood: the service is taken to be open always, so ring first",
            );
        }
        let summer = crate::domain::vocabulary::SummerTime::None;
        OpeningHours::new(spans, offset.unwrap_or_default(), summer, String::new())
            .unwrap_or_default()
    }

    fn phone(&self, service: &str, location: &str, organization: &str) -> String {
        let of_service = under(&self.index.phones_of_service, service).iter();
        let of_place = under(&self.index.phones_of_location, location).iter();
        let of_organization = under(&self.index.phones_of_organization, organization).iter();
        let mut voices = of_service
            .chain(of_place)
            .chain(of_organization)
            .filter(|row| matches!(row.value("type"), "" | "voice" | "cell"));
        let number = voices.next().map_or("", |row| row.value("number"));
        number.trim_matches('"').to_owned()
    }

    fn member(&mut self, organization: &str) -> Option<AgencyId> {
        for row in under(&self.index.identifiers, organization).to_vec() {
            if row
                .value("identifier_scheme")
                .eq_ignore_ascii_case(MEMBER_SCHEME)
            {
                match row.value("identifier").parse() {
                    Ok(member) => return Some(member),
                    Err(_) => self.skip(
                        row,
                        "the identifier is no agency id: the service is nobody's here",
                    ),
                }
            }
        }
        None
    }
}

/// Adds what is not there yet, at most [`LIST_MAX`].
fn add<T: PartialEq>(to: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if to.len() < LIST_MAX && !to.contains(&one) {
            to.push(one);
        }
    }
}

/// The ages that a service is for; without one, every age.
fn ages(row: &Row) -> Result<(u8, u8), &'static str> {
    let age = |column: &str, otherwise: u8| match row.value(column) {
        "" => Ok(otherwise),
        text => {
            let years: f64 = text.parse().map_err(|_| "an age is no number")?;
            if !(0.0..=f64::from(AGE_MAX)).contains(&years) {
                return Err("an age is below 0 or above 130");
            }
            // Whole years: half a year more is not an age that anybody is matched by.
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within 0 to 130, as checked"
            )]
            Ok(years as u8)
        }
    };
    let (from, to) = (age("minimum_age", 0)?, age("maximum_age", AGE_MAX)?);
    if from > to {
        return Err("the age range is impossible: it ends before it begins");
    }
    Ok((from, to))
}

/// Cuts a text to what facts may hold, at a character.
fn shorten(text: &mut String) {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}
