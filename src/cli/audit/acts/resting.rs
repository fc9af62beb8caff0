//! What was disclosed under a basis: an opening names its offer and parcel, and the deposit of that the basis.

use super::answered;
use crate::audit::acts::rights::{Right, Rights};
use crate::audit::acts::{Act, Asking};
use crate::audit::source::SourceError;
use crate::client::audit::LiveSource;
use crate::domain::id::{BasisChainId, OfferId};
use crate::ledger::question::{About, Question};
use std::collections::BTreeSet;

/// A question about a basis, put to what does not name it.
pub(super) struct Resting {
    chain: String,
    asking: Asking,
}

fn basis(question: &Question) -> Option<BasisChainId> {
    match question.about {
        Some(About::Basis(chain)) => Some(chain),
        _ => None,
    }
}

/// Whether an act disclosed something under the basis.
fn rests(act: &Act, rights: &Rights, basis: &str) -> bool {
    let right = rights.of(act);
    matches!(right, Some(Right::Basis { chain, .. }) if chain == basis)
}

impl Resting {
    /// Of a question about a basis; none of any other.
    pub(super) fn on(question: &Question) -> Option<Self> {
        let chain = basis(question)?.to_string();
        let asking = Asking::new(Question {
            about: None,
            ..question.clone()
        });
        Some(Self { chain, asking })
    }

    /// Whether the next act of a folder answers; `rights` knows the whole folder.
    pub(super) fn answers(&mut self, act: &Act, rights: &Rights) -> bool {
        self.asking.answers(act) && rests(act, rights, &self.chain)
    }
}

/// Adds to a router's answer what was disclosed under the basis that was asked about: one question for each offer that
/// rests on it, within the mandate as every question.
pub(super) async fn look_up(
    live: &LiveSource,
    question: &Question,
    start: u64,
    rights: &mut Rights,
    acts: &mut Vec<Act>,
) -> Result<(), SourceError> {
    let Some(chain) = basis(question) else {
        return Ok(());
    };
    let all = Question {
        about: question.about,
        ..Question::default()
    };
    let (naming, _) = answered(live, all, 0).await?;
    naming.iter().for_each(|act| rights.learn(act));
    let offers = naming
        .iter()
        .filter_map(|act| act.text("offer")?.parse().ok());
    let offers: BTreeSet<OfferId> = offers.collect();
    for offer in offers {
        let asked = Question {
            about: Some(About::Offer(offer)),
            ..question.clone()
        };
        let (found, _) = answered(live, asked, start).await?;
        let under = found
            .into_iter()
            .filter(|act| rests(act, rights, &chain.to_string()));
        acts.extend(under);
    }
    acts.sort_by_key(|act| act.index);
    acts.dedup_by_key(|act| act.index);
    Ok(())
}
