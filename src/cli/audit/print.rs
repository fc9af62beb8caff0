//! What an audit says: what was shown, what was found, and what nobody could show. 80 columns.

use super::Outcome;
use crate::audit::Level;
use crate::audit::finding::{Finding, Severity};
use crate::cli::text::minute;
pub(super) use crate::cli::text::wrapped;
use crate::domain::time::Timestamp;
use serde_json::{Value, json};

/// One line for each thing that the level checks, if nothing was found against it.
pub(super) fn shown(outcome: &Outcome) -> Vec<String> {
    let report = &outcome.report;
    let mut lines = Vec::new();
    if !report.intact {
        return lines;
    }
    if report.resumed > 0 {
        lines.push(format!(
            "{} since your saved state: hashed onto it, and the root is the one signed",
            entries(outcome.size - report.resumed)
        ));
    } else if outcome.level.is_some() {
        lines.push("every entry and every tile was hashed, and the root is the one signed".into());
    } else {
        lines.push("the checkpoint is signed".into());
    }
    if outcome.pinned {
        lines.push(format!(
            "signed by the key you already knew, {}",
            outcome.key
        ));
    }
    if let Some(past) = outcome.past {
        let on = outcome.past_saved.map(|at| format!(" on {}", minute(at)));
        lines.push(format!(
            "continues the checkpoint of {} that you had saved{}",
            entries(past),
            on.unwrap_or_default()
        ));
    }
    if let Some(at) = outcome.eyes.vouched {
        let names: Vec<&str> = outcome.eyes.names().collect();
        lines.push(format!(
            "a quorum of your policy's witnesses vouched for it at {}: {}",
            minute(at),
            names.join(", ")
        ));
    }
    let clean = report.violations().next().is_none();
    if clean && outcome.level >= Some(Level::Openings) {
        lines.push("every commitment opens, or has a lawful tombstone".into());
    }
    if let Some(counts) = report.counts.filter(|_| clean) {
        lines.push(format!(
            "{} of {} disclosures decided again and covered; {} deposits, {} basis statements",
            counts.covered, counts.disclosures, counts.deposits, counts.bases
        ));
    }
    lines
}

/// What this run does not show.
pub(super) fn not_shown(outcome: &Outcome) -> Vec<String> {
    let report = &outcome.report;
    let mut lines: Vec<String> = Vec::new();
    if outcome.past.is_none() {
        let next = match &outcome.saved {
            Some(path) => format!(
                "{} was made now, and the next run is compared with it: keep it, and a copy where the log's operator \
                 cannot reach it",
                path.display()
            ),
            None => "Run again with --state to keep one, and keep it where the log's operator cannot reach it".into(),
        };
        lines.push(format!(
            "NOTHING WAS VERIFIED AGAINST THE PAST: there was no saved state. {next}."
        ));
    }
    if !outcome.pinned {
        lines.push(format!(
            "the key {} was named by the log itself: compare it with the one published",
            outcome.key
        ));
    }
    if report.resumed > 0 {
        lines.push(format!(
            "the {} entries before, and their tiles, as they stand there today: you verified them then; \
             --from-start reads them again",
            report.resumed
        ));
    }
    match outcome.level {
        None => lines.push("the entries were not read".into()),
        Some(Level::Verify) => {
            lines.push("what the entries commit to: see openings, replay".into())
        }
        Some(Level::Openings) => lines.push("whether disclosures were covered: see replay".into()),
        Some(Level::Replay) => lines.push(
            "whether a certificate was revoked at the time: revocation lists are in the log by \
             digest only"
                .into(),
        ),
    }
    // Under a quorum's eyes there is one log, unless as many of them lie as the policy trusts.
    lines.push(if outcome.eyes.vouched.is_some() {
        "what was never recorded".into()
    } else {
        "what was never recorded, and whether others are shown another log".into()
    });
    lines
}

/// So many entries.
pub(super) fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// The outcome for people.
pub(super) fn text(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let scope = if report.resumed > 0 {
        "continued from your saved state"
    } else if outcome.level.is_some() {
        "whole log, read entry by entry"
    } else {
        "checkpoint only"
    };
    let mut lines = vec![wrapped(
        "",
        &format!("{}: {} ({scope})", outcome.origin, entries(outcome.size)),
    )];
    if let Some((path, new)) = &outcome.mirror {
        let text = format!(
            "read from the mirror {}, {new} entries new in it",
            path.display()
        );
        lines.push(wrapped("  ", &text));
    }
    lines.extend(shown(outcome).iter().map(|line| wrapped("  ok ", line)));
    for finding in &report.findings {
        let mark = match finding.problem.severity() {
            Severity::Violation => "  !! ",
            Severity::Notice => "  ?  ",
        };
        let text = format!("{} {finding}", finding.problem.code());
        lines.push(wrapped(mark, &text));
    }
    if let Some(pins) = &report.pins {
        lines.push("Pinned by the first entry; compare with what you were given on paper:".into());
        lines.extend(
            pins.administrators
                .iter()
                .map(|id| wrapped("     administrator ", id)),
        );
        lines.extend(
            pins.authorities
                .iter()
                .map(|id| wrapped("     authority ", id)),
        );
    }
    lines.push("Not shown:".into());
    lines.extend(not_shown(outcome).iter().map(|line| wrapped("   - ", line)));
    lines.extend(freshness(outcome));
    if let Some(path) = &outcome.saved {
        lines.push(wrapped(
            "",
            &format!("Saved the checkpoint in {}.", path.display()),
        ));
    }
    let violations = report.violations().count();
    lines.push(match outcome.exit_code() {
        0 => "Result: as it must be.".into(),
        1 => format!("Result: {violations} violation(s) found."),
        _ => "Result: nothing wrong by itself; not verified against the past.".into(),
    });
    lines.join("\n")
}

/// How new it is, and who besides its keeper saw it.
fn freshness(outcome: &Outcome) -> Vec<String> {
    let mut lines = vec!["Freshness:".to_owned()];
    lines.extend(
        outcome
            .report
            .last_tick
            .map(|tick| wrapped("     newest tick ", &minute(tick))),
    );
    for (name, at) in &outcome.eyes.witnesses {
        let said = format!("cosigned by {name} at {}", minute(*at));
        lines.push(wrapped("     ", &said));
    }
    if !outcome.eyes.asked {
        let said = "NO WITNESS WAS ASKED whether others are shown the same log: name some with --policy, or have an \
                    agency compare its checkpoint";
        lines.push(wrapped("   - ", said));
    }
    lines
}

/// Name of the shape of the JSON: another one where a member changes its meaning or goes; members may be added.
const FORMAT: &str = "safeconduct/audit/1";

/// A level in words of programs.
pub(super) const fn level(level: Option<Level>) -> &'static str {
    match level {
        None => "checkpoint",
        Some(Level::Verify) => "verify",
        Some(Level::Openings) => "openings",
        Some(Level::Replay) => "replay",
    }
}

/// The outcome for programs: one JSON object.
pub(super) fn json(outcome: &Outcome) -> String {
    value(outcome).to_string()
}

/// The outcome as JSON. Its members are described in deploy/auditing.md.
pub(super) fn value(outcome: &Outcome) -> Value {
    let report = &outcome.report;
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    json!({
        "format": FORMAT,
        "level": outcome.level.map(|one| level(Some(one))),
        "origin": outcome.origin,
        "key": outcome.key,
        "key_pinned": outcome.pinned,
        "size": outcome.size,
        "entries": report.entries,
        "resumed": report.resumed,
        "past_size": outcome.past,
        "past_saved_ms": outcome.past_saved.map(Timestamp::millis),
        "intact": report.intact,
        "state_saved": outcome.saved.is_some(),
        "mirror_new": outcome.mirror.as_ref().map(|(_, new)| new),
        "last_tick_ms": report.last_tick.map(|at| at.millis()),
        "witnesses_asked": outcome.eyes.asked,
        "witnesses": outcome.eyes.json(),
        "vouched_ms": outcome.eyes.vouched.map(Timestamp::millis),
        "counts": report.counts.map(|counts| json!({
            "disclosures": counts.disclosures,
            "covered": counts.covered,
            "deposits": counts.deposits,
            "bases": counts.bases,
            "denials": counts.denials,
            "tombstones": counts.tombstones,
        })),
        "pins": report.pins.as_ref().map(|pins| json!({
            "administrators": pins.administrators,
            "authorities": pins.authorities,
        })),
        "findings": findings,
        "not_shown": not_shown(outcome),
        "exit_code": outcome.exit_code(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "index": finding.index,
        "code": finding.problem.code(),
        "severity": severity(finding),
        "text": finding.problem.to_string(),
    })
}

pub(super) const fn severity(finding: &Finding) -> &'static str {
    match finding.problem.severity() {
        Severity::Violation => "violation",
        Severity::Notice => "notice",
    }
}
