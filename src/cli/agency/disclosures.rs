//! The person's sheet: who looked, why, and by which right, in plain words (R22).

use crate::cli::exit::Failure;
use crate::cli::home::{CallerArgs, mended, told};
use crate::cli::text::{day, minute, wrapped};
use crate::client::person::{DisclosureView, plain};
use crate::client::source::BasisView;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{BasisKind, StaffRole};
use crate::proto::v1::BasisState;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How the sheet is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// Plain words, 80 columns.
    Text,
    /// One JSON array of codes.
    Json,
}

/// Prints the sheet of one case.
pub(super) async fn show(
    caller: &CallerArgs,
    case: CaseHandle,
    output: Output,
) -> Result<(), Failure> {
    let desk = caller.desk(StaffRole::Caseworker)?;
    // The list is the router's word: it is believed of a log that continues the one seen here.
    desk.mirror().await.map_err(told)?;
    let session = desk.agency().session();
    session.checkpoint(desk.staff()).await.map_err(told)?;
    let listed = desk.disclosures(case).await.map_err(told)?;
    let bases = desk.bases(Some(case)).await.map_err(told)?;
    if listed.is_empty() && bases.is_empty() {
        let text = "No case of ours has this handle: look it up in the case's own file. It is what the case was first \
                    recorded under, not the name of a referral or an offer";
        return Err(Failure::Refused(mended(text)));
    }
    let taken_back = TakenBack::of(&bases);
    let mut out = io::stdout().lock();
    let printed = match output {
        Output::Text => sheet(&mut out, &listed, &taken_back, desk.agency().id()),
        Output::Json => {
            let rows = listed.iter().map(|told| row(told, &taken_back));
            let rows: Vec<Value> = rows.collect();
            writeln!(out, "{:#}", Value::Array(rows))
        }
    };
    printed.map_err(Failure::refused)
}

/// The chains that were taken back, each with the day, where the signed withdrawal can be read.
#[derive(Debug, Default)]
struct TakenBack(BTreeMap<BasisChainId, Option<Timestamp>>);

impl TakenBack {
    fn of(bases: &[BasisView]) -> Self {
        let ended = |basis: &&BasisView| basis.state == BasisState::Withdrawn;
        let ended = bases.iter().filter(ended);
        Self(ended.map(|basis| (basis.chain, basis.withdrawn)).collect())
    }

    fn day(&self, told: &DisclosureView) -> Option<Option<String>> {
        let chain = told.ground.as_ref()?.chain;
        self.0.get(&chain).map(|at| at.map(day))
    }

    /// The sentence under what was told.
    fn said(&self, told: &DisclosureView) -> Option<String> {
        let on = self
            .day(told)?
            .map_or(String::new(), |day| format!(" on {day}"));
        let who = match told.ground.as_ref()?.kind {
            BasisKind::Consent | BasisKind::Complaint => "You took this back",
            _ => "We ended this",
        };
        Some(format!("{who}{on}."))
    }
}

fn sheet(
    out: &mut impl Write,
    listed: &[DisclosureView],
    taken_back: &TakenBack,
    own: &AgencyId,
) -> io::Result<()> {
    if listed.is_empty() {
        return writeln!(out, "Nobody was told anything.");
    }
    writeln!(out, "Who was told, when, for what, and by which right")?;
    for told in listed {
        let said = format!("{}: {}", minute(told.time), plain::sentences(told, own));
        writeln!(out, "\n{}", wrapped("", &said))?;
        for thing in plain::things(told) {
            writeln!(out, "{}", wrapped("  - ", thing))?;
        }
        if let Some(said) = taken_back.said(told) {
            writeln!(out, "{}", wrapped("  ", &said))?;
        }
        let proof = format!("(entry {} of the log)", told.index);
        writeln!(out, "{}", wrapped("  ", &proof))?;
    }
    let rights = "You may ask us to correct any of this, to stop sharing, to ask them to erase it, or to \
                  complain to the ombudsperson. None of that ends the help you get.";
    writeln!(out, "\n{}", wrapped("", rights))
}

fn row(told: &DisclosureView, taken_back: &TakenBack) -> Value {
    let labels: Vec<String> = told.labels.iter().map(|label| label.to_string()).collect();
    let ground = told.ground.map(|ground| {
        json!({
            "kind": ground.kind.name(),
            "chain": ground.chain.to_string(),
            "asked": ground.asked.name(),
            "specific_labels": ground.specific.iter().map(|label| label.to_string()).collect::<Vec<_>>(),
            "asked_alone": ground.asked_alone,
            "interpreter": ground.interpreter.name(),
        })
    });
    json!({
        "kind": told.kind.name(),
        "time": minute(told.time),
        "by": told.by.as_str(),
        "recipient": told.recipient.as_str(),
        "purpose": told.purpose.map(|purpose| purpose.name()),
        "stage": told.stage.map(|stage| stage.name()),
        "labels": labels,
        "ground": ground,
        "taken_back": taken_back.day(told).is_some(),
        "taken_back_on": taken_back.day(told).flatten(),
        "offer": told.offer.map(|offer| offer.to_string()),
        "entry": told.index,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::COLUMNS;
    use crate::client::person::GroundView;
    use crate::domain::label::LabelSet;
    use crate::domain::vocabulary::{Asked, DisclosureKind, InterpreterClass, Purpose};

    #[test]
    fn the_sheet_fits_a_terminal_and_names_everything_that_was_told() {
        let chain = BasisChainId::from_random([1; 16]);
        let withdrawn = Timestamp::from_seconds(1_798_848_000);
        let taken_back = TakenBack([(chain, withdrawn)].into());
        let listed = Purpose::ALL
            .iter()
            .zip(1..)
            .map(|(&purpose, index)| DisclosureView {
                kind: DisclosureKind::Opened,
                time: Timestamp::from_seconds(1_798_761_600).expect("in range"),
                by: "alpha".parse().expect("an id"),
                recipient: "a-house-with-quite-a-long-name".parse().expect("an id"),
                purpose: Some(purpose),
                stage: None,
                labels: LabelSet::ALL,
                ground: Some(GroundView {
                    kind: BasisKind::Consent,
                    chain,
                    asked: Asked::Bundle,
                    specific: LabelSet::EMPTY,
                    asked_alone: true,
                    interpreter: InterpreterClass::Professional,
                }),
                offer: None,
                index,
            });
        let listed: Vec<_> = listed.collect();
        let mut out = Vec::new();
        let own = "alpha".parse().expect("an id");
        sheet(&mut out, &listed, &taken_back, &own).expect("written");
        let text = String::from_utf8(out).expect("text");
        assert!(
            text.lines().all(|line| line.chars().count() <= COLUMNS),
            "{text}"
        );
        assert!(text.contains("2027-01-01 00:00 UTC"));
        assert!(text.contains("You took this back on 2027-01-02."), "{text}");
        for label in crate::domain::label::Label::all() {
            assert!(text.contains(plain::label(label)), "{label}");
        }
    }
}
