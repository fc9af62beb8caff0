//! Acts as an auditor's question finds them: read from what a source gives, checked, and put to the same question that
//! a router would put them to.

mod known;
pub mod rights;

use super::finding::Problem;
use super::source::SealedOpening;
use crate::ledger::entry::{Entry, EntryBody, Opening, commitment};
use crate::ledger::question::Question;
use serde_json::Value;

pub use known::Known;

/// One act: an entry that can be read, and what opens it.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Index of the entry.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// The decision by the names of its fields; none for entries in the clear, erased, or kept from the reader.
    pub decision: Option<Value>,
}

impl Act {
    /// Reads an act, and checks that its opening opens its commitment.
    ///
    /// # Errors
    ///
    /// [`Problem`] when the entry cannot be read or the opening is not its own.
    pub fn read(
        index: u64,
        entry: &[u8],
        opening: Option<&SealedOpening>,
    ) -> Result<Self, Problem> {
        let entry = Entry::parse(entry).map_err(Problem::Entry)?;
        let decision = match (&entry.body, opening) {
            (_, None) => None,
            (
                EntryBody::Committed {
                    event,
                    commitment: committed,
                },
                Some(given),
            ) => {
                let nonce = given.nonce.as_slice().try_into();
                let nonce = nonce.map_err(|_| Problem::WrongOpening)?;
                if given.index != index || commitment(&nonce, &given.decision) != *committed {
                    return Err(Problem::WrongOpening);
                }
                let opening = Opening::parse(&given.nonce, &given.decision);
                let opening = opening.map_err(Problem::BadOpening)?;
                if opening.decision.event() != *event {
                    return Err(Problem::WrongEvent);
                }
                let decision = serde_json::from_slice(&given.decision);
                Some(decision.map_err(|_| Problem::WrongOpening)?)
            }
            (_, Some(_)) => return Err(Problem::NothingToOpen),
        };
        Ok(Self {
            index,
            entry,
            decision,
        })
    }

    /// The event's name.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        self.entry.body.event()
    }

    /// A field of the decision that is a text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.decision.as_ref()?.get(field)?.as_str()
    }

    /// The agency that acted.
    #[must_use]
    pub const fn agency(&self) -> Option<&crate::domain::id::AgencyId> {
        match &self.entry.by {
            crate::ledger::entry::Actor::Agency(agency) => Some(agency),
            crate::ledger::entry::Actor::Router | crate::ledger::entry::Actor::Admin => None,
        }
    }

    /// Whether something was disclosed by it.
    #[must_use]
    pub fn discloses(&self) -> bool {
        matches!(
            self.event(),
            "opened"
                | "message_opened"
                | "attachment_opened"
                | "access_opened"
                | "carried_released"
        )
    }
}

/// Puts every act of a folder to a question, in order from the first.
///
/// A basis is recorded before the offer that tells whose case it is of, so all acts are shown to [`Asking::foresee`]
/// before the first is put to the question; a router looks that up in its store.
#[derive(Debug)]
pub struct Asking {
    question: Question,
    known: Known,
}

impl Asking {
    /// A question about a whole folder.
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self {
            question,
            known: Known::default(),
        }
    }

    /// Learns from an act what later and earlier ones are about.
    pub fn foresee(&mut self, act: &Act) {
        self.known.learn_names(act);
    }

    /// Learns from the next act, and whether it answers.
    pub fn answers(&mut self, act: &Act) -> bool {
        self.known.learn(act);
        let Ok(answers) =
            self.question
                .is_answered_by(&act.entry, act.decision.as_ref(), &self.known);
        answers
    }
}

#[cfg(test)]
mod tests;
