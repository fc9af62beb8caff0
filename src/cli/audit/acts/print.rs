//! An answer for people and for programs.

use super::{Answer, subject};
use crate::audit::acts::Act;
use crate::cli::text::{minute, printable, wrapped};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Codes of a decision that are worth a reader's while, in the order in which they are said.
const TOLD: [&str; 16] = [
    "stage",
    "to",
    "reason",
    "decliner",
    "outcome",
    "finding",
    "rule",
    "about",
    "answer",
    "alarm",
    "code",
    "kind",
    "viewer",
    "recipient",
    "method",
    "what",
];

/// What an act did, in words: its event, its codes, what it names.
pub(in crate::cli::audit) fn said(act: &Act) -> String {
    let mut words = vec![act.event().replace('_', " ")];
    let code = |field: &str| {
        let value = act.decision.as_ref()?.get(field)?;
        value
            .as_str()
            .map(str::to_owned)
            .or_else(|| value.as_u64().map(|n| n.to_string()))
    };
    words.extend(TOLD.iter().filter_map(|field| code(field)));
    words.extend(subject::of(act));
    if act.decision.is_none() && act.entry.body.event() != "tick" {
        let clear = matches!(act.event(), "keys" | "digest" | "erased");
        if !clear {
            words.push("(not opened to you)".to_owned());
        }
    }
    printable(&words.join(" "))
}

/// Who acted: the agency, and who there.
pub(in crate::cli::audit) fn who(act: &Act) -> String {
    let by = match act.agency() {
        Some(agency) => agency.to_string(),
        None => act.entry.by.to_string(),
    };
    match act.text("staff") {
        Some(staff) => format!("{by} / {staff}"),
        None => by,
    }
}

/// One block an act, 80 columns.
pub(super) fn text(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    for act in &answer.acts {
        let head = format!("{}  {}", minute(act.entry.at), who(act));
        lines.push(wrapped(&format!("{:>8}  ", act.index), &head));
        lines.push(wrapped("          ", &said(act)));
        if let Some(right) = answer.rights.of(act) {
            lines.push(wrapped("          right: ", &right.to_string()));
        } else if act.discloses() {
            let unknown =
                "in the deposit, which is not among these acts: ask about the offer (--offer)";
            lines.push(wrapped("          right: ", unknown));
        }
    }
    let count = answer.acts.len();
    lines.push(format!(
        "{count} act(s); looked at entries up to {}.",
        answer.next
    ));
    lines
}

/// One object an act, then one that says how far the answer goes.
pub(super) fn json(answer: &Answer) -> Vec<String> {
    let row = |act: &Act| {
        json!({
            "index": act.index,
            "time_ms": act.entry.at.millis(),
            "by": act.entry.by.to_string(),
            "event": act.event(),
            "decision": act.decision,
            "right": answer.rights.of(act).map(|right| right.to_string()),
        })
        .to_string()
    };
    let mut lines: Vec<String> = answer.acts.iter().map(row).collect();
    let end: Value = json!({"acts": answer.acts.len(), "next_index": answer.next});
    lines.push(end.to_string());
    lines
}

/// Prints lines; a reader that has enough is no failure.
pub(in crate::cli::audit) fn out(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
