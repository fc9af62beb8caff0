//! What each party could see, counted from what it did see.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::label::LabelSet;
use crate::domain::vocabulary::Category;
use crate::envelope::open::OpenedParcel;

use super::Story;
use crate::demo::narrate::Table;
use crate::demo::people;

/// Person's initial by party and category.
#[derive(Debug, Default)]
pub(super) struct Seen {
    read: BTreeMap<&'static str, BTreeMap<Category, BTreeSet<char>>>,
    labelled: BTreeSet<Category>,
}

/// Parties in the order of the table.
const PARTIES: [&str; 10] = [
    "alpha", "house1", "house2", "house3", "medic", "law", "moi-atu", "camp", "router", "ombud",
];

/// Categories of the table, in words of at most 15 characters.
const ROWS: [(Category, &str); 16] = [
    (Category::Language, "languages"),
    (Category::PlacementNeeds, "place needed"),
    (Category::Age, "age"),
    (Category::Gender, "gender"),
    (Category::CareNeeds, "care tonight"),
    (Category::Threat, "danger"),
    (Category::Family, "who comes along"),
    (Category::Identity, "alias, name"),
    (Category::Contact, "contact"),
    (Category::Health, "health"),
    (Category::MeetingPoint, "meeting point"),
    (Category::DoNotMeet, "must not meet"),
    (Category::Harm, "what was done"),
    (Category::Trafficking, "trafficking"),
    (Category::PunishableActs, "punishable acts"),
    (Category::Nationality, "nationality"),
];

impl Seen {
    /// `party` read this parcel of the person with this initial.
    pub(super) fn opened(&mut self, party: &'static str, person: char, parcel: &OpenedParcel) {
        for field in &parcel.fields {
            self.read(party, person, field.field.label.category());
            self.labelled.insert(field.field.label.category());
        }
    }

    fn read(&mut self, party: &'static str, person: char, category: Category) {
        self.read
            .entry(party)
            .or_default()
            .entry(category)
            .or_default()
            .insert(person);
    }

    fn cell(&self, party: &str, category: Category) -> String {
        if matches!(party, "router" | "ombud") {
            let known = self.labelled.contains(&category);
            return if known { "label" } else { "–" }.into();
        }
        let read = self
            .read
            .get(party)
            .and_then(|categories| categories.get(&category));
        read.map_or_else(|| "–".into(), |people| people.iter().rev().collect())
    }
}

impl Story {
    /// The table at the end.
    pub(super) fn show(&mut self) {
        let every: LabelSet = crate::domain::label::Label::all().collect();
        for (initial, record) in [('S', people::samira()), ('F', people::farid())] {
            for field in people::cut(&record, "alias", every).unwrap_or_default() {
                self.seen.read("alpha", initial, field.label.category());
            }
        }
        let mut heads = vec![String::new()];
        heads.extend(PARTIES.map(str::to_owned));
        let rows = ROWS.map(|(category, name)| {
            let mut row = vec![name.to_owned()];
            row.extend(PARTIES.map(|party| self.seen.cell(party, category)));
            row
        });
        self.narrator.table(Table {
            title: "What each party saw. S: of Samira, F: of Farid, label: that it is \
                    there but not what it says, –: nothing at all."
                .into(),
            heads,
            rows: rows.to_vec(),
        });
    }
}
