//! The person's sheet: who looked, why, and by which right, in plain words (R22).

use crate::cli::exit::Failure;
use crate::cli::home::{CallerArgs, told};
use crate::cli::text::{minute, wrapped};
use crate::client::person::{DisclosureView, plain};
use crate::domain::id::{AgencyId, CaseHandle};
use crate::domain::vocabulary::StaffRole;
use serde_json::{Value, json};
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
    let listed = desk.disclosures(case).await.map_err(told)?;
    let mut out = io::stdout().lock();
    let printed = match output {
        Output::Text => sheet(&mut out, &listed, desk.agency().id()),
        Output::Json => {
            let rows: Vec<Value> = listed.iter().map(row).collect();
            writeln!(out, "{:#}", Value::Array(rows))
        }
    };
    printed.map_err(Failure::refused)
}

fn sheet(out: &mut impl Write, listed: &[DisclosureView], own: &AgencyId) -> io::Result<()> {
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
        let proof = format!("(entry {} of the log)", told.index);
        writeln!(out, "{}", wrapped("  ", &proof))?;
    }
    let rights = "You may ask us to correct any of this, to stop sharing, to ask them to erase it, or to \
                  complain to the ombudsperson. None of that ends the help you get.";
    writeln!(out, "\n{}", wrapped("", rights))
}

fn row(told: &DisclosureView) -> Value {
    let labels: Vec<String> = told.labels.iter().map(|label| label.to_string()).collect();
    let ground = told.ground.map(|ground| {
        json!({
            "kind": ground.kind.name(),
            "chain": ground.chain.to_string(),
            "asked": ground.asked.name(),
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
        "offer": told.offer.map(|offer| offer.to_string()),
        "entry": told.index,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::COLUMNS;
    use crate::domain::label::LabelSet;
    use crate::domain::time::Timestamp;
    use crate::domain::vocabulary::{DisclosureKind, Purpose};

    #[test]
    fn the_sheet_fits_a_terminal_and_names_everything_that_was_told() {
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
                ground: None,
                offer: None,
                index,
            });
        let listed: Vec<_> = listed.collect();
        let mut out = Vec::new();
        sheet(&mut out, &listed, &"alpha".parse().expect("an id")).expect("written");
        let text = String::from_utf8(out).expect("text");
        assert!(
            text.lines().all(|line| line.chars().count() <= COLUMNS),
            "{text}"
        );
        assert!(text.contains("2027-01-01 00:00 UTC"));
        for label in crate::domain::label::Label::all() {
            assert!(text.contains(plain::label(label)), "{label}");
        }
    }
}
