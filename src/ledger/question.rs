//! What an auditor asks of the log, and whether an act answers it: one rule for the router and for an exported folder.
//!
//! A decision is read by the names of its fields, so that an act which is new to the vocabulary is found by whom and
//! what it names like every other.

use super::decision::{Decision, Questioned};
use super::entry::{Actor, Entry};
use crate::domain::id::{
    AccessId, AgencyId, BasisChainId, CaseHandle, OfferId, ReferralId, StaffPseudonym,
};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{ActClass, DeclineReason};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// What an act may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// An offer.
    Offer(OfferId),
    /// Every offer of a referral.
    Referral(ReferralId),
    /// The case that this offer is of: its offers, bases and codes.
    CaseOf(OfferId),
    /// A basis chain.
    Basis(BasisChainId),
}

/// One question: acts that fit every part that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// What it is about.
    pub about: Option<About>,
    /// Who acted.
    pub agency: Option<AgencyId>,
    /// Who there.
    pub staff: Option<StaffPseudonym>,
    /// Acts of any of these; none for all.
    pub classes: Vec<ActClass>,
    /// Acts of any of these events; none for all.
    pub events: Vec<&'static str>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// What a question must know besides the act: the store on a router, the entries before it in a folder.
///
/// What the asker may not know is answered with none.
pub trait Context {
    /// Why it cannot be told.
    type Error;

    /// The offer that a break-glass request is about.
    ///
    /// # Errors
    ///
    /// When it cannot be looked up.
    fn offer_of(&self, access: AccessId) -> Result<Option<OfferId>, Self::Error>;

    /// The referral that an offer is of.
    ///
    /// # Errors
    ///
    /// When it cannot be looked up.
    fn referral_of(&self, offer: OfferId) -> Result<Option<ReferralId>, Self::Error>;

    /// The source and the case that an offer is of.
    ///
    /// # Errors
    ///
    /// When it cannot be looked up.
    fn case_of(&self, offer: OfferId) -> Result<Option<(AgencyId, CaseHandle)>, Self::Error>;

    /// Whether an agency said that it was open; none when it has said nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be looked up.
    fn is_open(&self, agency: &AgencyId, at: Timestamp) -> Result<Option<bool>, Self::Error>;
}

/// Whether an event, by its name alone, may be of a class.
fn may_be(class: ActClass, event: &str) -> bool {
    match class {
        ActClass::Disclosures => matches!(
            event,
            "opened"
                | "message_opened"
                | "attachment_opened"
                | "access_opened"
                | "carried_released"
        ),
        ActClass::BreakGlass => event.starts_with("access_"),
        ActClass::AlertingDeclines => event == "offer_moved",
        ActClass::OutOfHours => true,
        ActClass::Denials => matches!(event, "denied" | "denied_counted"),
        ActClass::Oversight => event == "audit_read" || event.starts_with("disposition_"),
    }
}

/// The event of this name, if entries have one.
#[must_use]
pub fn event_named(name: &str) -> Option<&'static str> {
    let clear = ["keys", "tick", "digest", "erased"];
    let mut all = Decision::EVENTS.iter().copied().chain(clear);
    all.find(|event| *event == name)
}

fn id<T: std::str::FromStr>(value: Option<&Value>) -> Option<T> {
    value?.as_str()?.parse().ok()
}

/// The claims of a statement that stands in a decision. Its signature is the replay's to check.
fn claims(decision: &Value) -> Option<Value> {
    let statement = decision.get("statement")?.as_str()?;
    let claims = BASE64URL_NOPAD.decode(statement.split('.').nth(1)?.as_bytes());
    serde_json::from_slice(&claims.ok()?).ok()
}

/// The member of staff whom a decision names.
#[must_use]
pub fn staff_of(decision: &Value) -> Option<&str> {
    decision.get("staff")?.as_str()
}

/// The offers that a decision names, or that the break-glass request it names is about.
///
/// # Errors
///
/// Those of the context.
pub fn offers_of<C: Context>(decision: &Value, context: &C) -> Result<Vec<OfferId>, C::Error> {
    let several = decision.get("offers").and_then(Value::as_array);
    let mut offers: Vec<OfferId> = several
        .into_iter()
        .flatten()
        .filter_map(|offer| id(Some(offer)))
        .collect();
    offers.extend(id::<OfferId>(decision.get("offer")));
    if offers.is_empty()
        && let Some(access) = id(decision.get("access"))
    {
        offers.extend(context.offer_of(access)?);
    }
    Ok(offers)
}

/// The basis chains that a decision names.
fn chains(decision: &Value) -> Vec<BasisChainId> {
    let deposits = decision.get("deposits").and_then(Value::as_array);
    let deposits = deposits.into_iter().flatten();
    let single = ["deposit", "sealed"]
        .iter()
        .filter_map(|name| decision.get(name));
    let mut chains: Vec<BasisChainId> = deposits
        .chain(single)
        .filter_map(|deposit| id(deposit.get("chain")))
        .collect();
    chains.extend(id::<BasisChainId>(decision.get("chain")));
    chains.extend(claims(decision).and_then(|claims| id::<BasisChainId>(claims.get("id"))));
    chains
}

/// Whether a decision by `by` is about a case by itself: its bases, its codes.
fn names_case(decision: &Value, by: &Actor, source: &AgencyId, case: CaseHandle) -> bool {
    let pair = |of: &Value| {
        id::<AgencyId>(of.get("source")).as_ref() == Some(source)
            && id(of.get("case")) == Some(case)
    };
    let own = matches!(by, Actor::Agency(agency) if agency == source);
    let several = decision.get("cases").and_then(Value::as_array);
    (own && id(decision.get("case")) == Some(case))
        || decision.get("case").is_some_and(pair)
        || several.into_iter().flatten().any(pair)
        || claims(decision).is_some_and(|claims| own && id(claims.get("case")) == Some(case))
}

impl About {
    fn covers<C: Context>(
        self,
        by: &Actor,
        decision: &Value,
        context: &C,
    ) -> Result<bool, C::Error> {
        match self {
            Self::Offer(offer) => Ok(offers_of(decision, context)?.contains(&offer)),
            Self::Basis(chain) => Ok(chains(decision).contains(&chain)),
            Self::Referral(referral) => {
                if id(decision.get("referral")) == Some(referral) {
                    return Ok(true);
                }
                for offer in offers_of(decision, context)? {
                    if context.referral_of(offer)? == Some(referral) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::CaseOf(offer) => {
                let Some((source, case)) = context.case_of(offer)? else {
                    return Ok(false);
                };
                if names_case(decision, by, &source, case) {
                    return Ok(true);
                }
                for offer in offers_of(decision, context)? {
                    if context.case_of(offer)?.as_ref() == Some(&(source.clone(), case)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// As the ledger names it: `offer/…`, `referral/…`, `case-of/…`, `basis/…`.
    fn name(self) -> String {
        match self {
            Self::Offer(offer) => format!("offer/{offer}"),
            Self::Referral(referral) => format!("referral/{referral}"),
            Self::CaseOf(offer) => format!("case-of/{offer}"),
            Self::Basis(chain) => format!("basis/{chain}"),
        }
    }
}

impl Question {
    /// Whether an entry can answer, whatever its decision says: decided before the opening is read.
    #[must_use]
    pub fn may_be_answered_by(&self, entry: &Entry) -> bool {
        let in_time = self.since.is_none_or(|since| since <= entry.at)
            && self.until.is_none_or(|until| entry.at < until);
        let by = match (&self.agency, &entry.by) {
            (None, _) => true,
            (Some(asked), Actor::Agency(agency)) => asked == agency,
            (Some(_), Actor::Router | Actor::Admin) => false,
        };
        let event = entry.body.event();
        let class =
            self.classes.is_empty() || self.classes.iter().any(|class| may_be(*class, event));
        let named = self.events.is_empty() || self.events.contains(&event);
        in_time && by && class && named
    }

    /// Whether an act answers. `decision` is what the asker may read of it; none for entries in the clear.
    ///
    /// # Errors
    ///
    /// Those of the context.
    pub fn is_answered_by<C: Context>(
        &self,
        entry: &Entry,
        decision: Option<&Value>,
        context: &C,
    ) -> Result<bool, C::Error> {
        if !self.may_be_answered_by(entry) {
            return Ok(false);
        }
        if let Some(staff) = &self.staff
            && decision.and_then(staff_of) != Some(staff.as_str())
        {
            return Ok(false);
        }
        if !self.is_of_class(entry, decision, context)? {
            return Ok(false);
        }
        match (self.about, decision) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(about), Some(decision)) => about.covers(&entry.by, decision, context),
        }
    }

    fn is_of_class<C: Context>(
        &self,
        entry: &Entry,
        decision: Option<&Value>,
        context: &C,
    ) -> Result<bool, C::Error> {
        if self.classes.is_empty() {
            return Ok(true);
        }
        let event = entry.body.event();
        for &class in &self.classes {
            let is = match class {
                ActClass::AlertingDeclines => {
                    let reason = decision.and_then(|decision| id(decision.get("reason")));
                    reason.is_some_and(DeclineReason::alerts_oversight)
                }
                ActClass::OutOfHours => match &entry.by {
                    Actor::Agency(agency) => context.is_open(agency, entry.at)? == Some(false),
                    Actor::Router | Actor::Admin => false,
                },
                ActClass::Disclosures
                | ActClass::BreakGlass
                | ActClass::Denials
                | ActClass::Oversight => true,
            };
            if is && may_be(class, event) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The question as the ledger records it: codes and references only.
    #[must_use]
    pub fn recorded(&self) -> Questioned {
        Questioned {
            about: self.about.map(About::name),
            agency: self.agency.as_ref().map(ToString::to_string),
            staff: self.staff.as_ref().map(|staff| staff.as_str().to_owned()),
            classes: self.classes.iter().map(ToString::to_string).collect(),
            events: self.events.iter().map(ToString::to_string).collect(),
            since: self.since.map(Timestamp::millis),
            until: self.until.map(Timestamp::millis),
        }
    }
}

impl Questioned {
    /// Whether it narrows nothing down to a person's case: neither an offer, a referral, a case nor a basis.
    #[must_use]
    pub const fn is_about_no_case(&self) -> bool {
        self.about.is_none()
    }
}

#[cfg(test)]
mod tests;
