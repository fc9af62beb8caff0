//! `safeconduct audit receipt`: what one receipt proves, offline, and what it does not.

use super::Output;
use crate::cli::text::{minute, printable, wrapped};
use crate::domain::time::Timestamp;
use crate::ledger::entry::EntryBody;
use crate::ledger::note::NoteVerifier;
use crate::ledger::policy::{Policy, PolicyError};
use crate::ledger::receipt_file::{FILE_BYTES_MAX, ReceiptError, ReceiptFile, Shown};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Shown under `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  the receipt proves its entry, and the policy's quorum of witnesses saw
     the log
  1  it does not: it was changed, is of another log, or witnesses are missing
  2  it could not be checked: a file or the command line failed
  3  the receipt proves its entry to whoever believes the log's key alone: no
     witness vouches that others are shown the same log";

/// What to verify, and whom to believe.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
#[command(group = ArgGroup::new("believed").required(true).args(["policy", "vkey"]))]
pub(super) struct ReceiptArgs {
    /// The receipt, a .tlog-proof file
    file: PathBuf,
    /// Logs and witnesses that you believe, and the quorum (a C2SP tlog-policy)
    #[arg(long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// The log's verifier key, from a place you trust
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A file.
    #[error("{0} cannot be read: {1}")]
    File(String, std::io::Error),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The key.
    #[error("--vkey is not a verifier key")]
    Key,
}

/// Why a receipt is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// What a good receipt showed.
#[derive(Debug)]
struct Good {
    receipt: ReceiptFile,
    shown: Shown,
    /// Witnesses that count, and when they saw the log.
    witnesses: Vec<(String, Timestamp)>,
    /// Whether a quorum was asked for, and is there.
    vouched: bool,
}

enum Believed {
    Key(NoteVerifier),
    Policy(Policy),
}

impl ReceiptArgs {
    /// Verifies, prints, and gives the exit code.
    ///
    /// # Errors
    ///
    /// [`Unreadable`], when nothing can be said.
    pub(super) fn run(&self) -> Result<u8, Unreadable> {
        let believed = match (&self.policy, &self.vkey) {
            (Some(file), _) => Believed::Policy(policy(file)?),
            (None, Some(vkey)) => {
                Believed::Key(NoteVerifier::parse(vkey).map_err(|_| Unreadable::Key)?)
            }
            (None, None) => return Err(Unreadable::Key),
        };
        let judged = judge(&text(&self.file)?, &believed);
        let said = match self.output {
            Output::Text => sentences(&judged),
            Output::Json => format!("{:#}", object(&judged)),
        };
        println!("{said}");
        Ok(code(&judged))
    }
}

/// A policy from its file.
///
/// # Errors
///
/// [`Unreadable`].
pub(super) fn policy(file: &Path) -> Result<Policy, Unreadable> {
    Ok(Policy::parse(&text(file)?)?)
}

/// A file's text; what is longer than any receipt is cut, and refused as one.
fn text(path: &Path) -> Result<String, Unreadable> {
    let unreadable = |error| Unreadable::File(path.display().to_string(), error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn judge(text: &str, believed: &Believed) -> Result<Good, Refused> {
    let receipt = ReceiptFile::parse(text)?;
    let (shown, witnesses, vouched) = match believed {
        Believed::Key(log) => (receipt.verify(log)?, Vec::new(), false),
        Believed::Policy(policy) => {
            let cosigned = policy.check(&receipt.checkpoint)?.require_quorum()?;
            let shown = receipt.verify_under(cosigned.checkpoint)?;
            (shown, cosigned.witnesses, !policy.asks_nobody())
        }
    };
    Ok(Good {
        receipt,
        shown,
        witnesses,
        vouched,
    })
}

fn code(judged: &Result<Good, Refused>) -> u8 {
    match judged {
        Ok(good) if good.vouched => 0,
        Ok(_) => 3,
        Err(_) => 1,
    }
}

/// What the entry is of: the decision where the receipt opens it, else what stands in the clear.
fn decision(good: &Good) -> Option<String> {
    let opening = good.receipt.opening.as_ref()?;
    String::from_utf8(opening.decision_bytes()).ok()
}

fn proves(good: &Good) -> Vec<String> {
    let (entry, checkpoint) = (&good.shown.entry, &good.shown.checkpoint);
    let mut lines = vec![format!(
        "entry {} of the log {} is by {}, of {}, and records: {}",
        good.receipt.index,
        checkpoint.origin,
        entry.by,
        minute(entry.at),
        entry.body.event()
    )];
    lines.extend(decision(good).map(|decision| {
        // It is one word, but for its commas.
        let decision = printable(&decision).replace(",\"", ", \"");
        format!(
            "what was decided, as it was committed to but for the spaces after commas: {decision}"
        )
    }));
    lines.push(format!(
        "it was in the log when that had {} entries, and cannot be taken out of a log that continues that one",
        checkpoint.size
    ));
    lines.extend(
        good.witnesses.iter().map(|(name, at)| {
            format!("witness {name} saw the log of that size at {}", minute(*at))
        }),
    );
    lines
}

fn does_not_prove(good: &Good) -> Vec<String> {
    let mut lines = Vec::new();
    if !good.vouched {
        lines.push(
            "NO WITNESS VOUCHES that others are shown the same log: verify with a --policy that names witnesses, or \
             have an auditor compare the checkpoint"
                .to_owned(),
        );
    }
    if matches!(good.shown.entry.body, EntryBody::Committed { .. })
        && good.receipt.opening.is_none()
    {
        lines.push("what was decided: the receipt does not open the entry".to_owned());
    }
    lines.push("whether it was allowed: `safeconduct audit replay` decides it again".to_owned());
    lines.push("who the pseudonyms are, and what a parcel held: only the agencies know".to_owned());
    lines.push("what happened afterwards, and what was never recorded".to_owned());
    lines
}

fn sentences(judged: &Result<Good, Refused>) -> String {
    let good = match judged {
        Ok(good) => good,
        Err(refused) => {
            let mend = "Keep the file as it is, get the receipt again from whoever gave it, and if that is refused \
                        as well show both to an auditor.";
            return [
                wrapped("  !! ", &refused.to_string()),
                wrapped("", &format!("Result: not to be relied on. {mend}")),
            ]
            .join("\n");
        }
    };
    let mut lines = vec!["Proved:".to_owned()];
    lines.extend(proves(good).iter().map(|line| wrapped("  ok ", line)));
    lines.push("Not shown:".to_owned());
    lines.extend(
        does_not_prove(good)
            .iter()
            .map(|line| wrapped("   - ", line)),
    );
    let result = if good.vouched {
        "Result: proved, and vouched for by the quorum."
    } else {
        "Result: proved to whoever believes the log's key; no witness vouches."
    };
    lines.push(result.to_owned());
    lines.join("\n")
}

fn object(judged: &Result<Good, Refused>) -> Value {
    let good = match judged {
        Ok(good) => good,
        Err(refused) => {
            return json!({
                "proved": false,
                "reason": refused.to_string(),
                "exit_code": code(judged),
            });
        }
    };
    let (entry, checkpoint) = (&good.shown.entry, &good.shown.checkpoint);
    let opened = decision(good).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let witnesses = good.witnesses.iter();
    let witnesses: Vec<Value> = witnesses
        .map(|(name, at)| json!({ "name": name, "time_ms": at.millis() }))
        .collect();
    json!({
        "proved": true,
        "origin": checkpoint.origin,
        "index": good.receipt.index,
        "size": checkpoint.size,
        "root": checkpoint.root.base64(),
        "by": entry.by.to_string(),
        "time_ms": entry.at.millis(),
        "event": entry.body.event(),
        "decision": opened,
        "witnesses": witnesses,
        "vouched": good.vouched,
        "exit_code": code(judged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::checkpoint::Checkpoint;
    use crate::ledger::decision::Decision;
    use crate::ledger::entry::{Actor, Entry, Opening};
    use crate::ledger::hash::leaf;
    use crate::ledger::note::NoteSigner;
    use crate::ledger::tree::Edge;

    const ORIGIN: &str = "safeconduct.example";

    fn signer() -> NoteSigner {
        NoteSigner::ed25519(ORIGIN, &[7; 32]).unwrap()
    }

    /// A receipt of the one entry of a log.
    fn receipt() -> ReceiptFile {
        receipt_of(Decision::OfferClosed {
            offer: "offer-1".into(),
        })
    }

    fn receipt_of(decision: Decision) -> ReceiptFile {
        let nonce = [1; 32];
        let opening = Opening { nonce, decision };
        let at = Timestamp::from_millis(1_794_000_000_000).unwrap();
        let entry = Entry::committed(Actor::Router, at, &opening);
        let entry = entry.encode().unwrap();
        let mut edge = Edge::new();
        let _ = edge.append(leaf(&entry));
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: 1,
            root: edge.root(),
        };
        ReceiptFile {
            index: 0,
            entry,
            opening: Some(opening),
            inclusion: Vec::new(),
            checkpoint: signer().sign(&checkpoint),
        }
    }

    fn judged(receipt: &ReceiptFile, believed: &Believed) -> Result<Good, Refused> {
        judge(&receipt.encode().unwrap(), believed)
    }

    fn by_key() -> Believed {
        Believed::Key(NoteVerifier::parse(&signer().vkey()).unwrap())
    }

    #[test]
    fn a_receipt_by_the_key_alone_says_loudly_that_no_witness_vouches() {
        let judged = judged(&receipt(), &by_key());
        let said = sentences(&judged);
        assert!(said.contains("NO WITNESS VOUCHES"), "{said}");
        assert!(said.contains("offer-1") && said.contains("offer_closed"));
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );
        assert_eq!(code(&judged), 3);
        assert_eq!(object(&judged)["decision"]["offer"], "offer-1");
    }

    #[test]
    fn a_long_decision_is_wrapped_between_its_members() {
        let long = receipt_of(Decision::Opened {
            offer: "0123456789abcdefghjkmnpqrs".into(),
            stage: "TRIAGE".into(),
            parcel: "0123456789abcdefghjkmnpqrs".into(),
            statement_hash: "A".repeat(43),
            protocol: 1,
            gate: 1,
            staff: "a\u{202e}b".into(),
        });
        let said = sentences(&judged(&long, &by_key()));
        assert!(said.contains("\"staff\":\"a?b\""), "{said}");
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );
    }

    #[test]
    fn a_policy_that_asks_nobody_is_no_better_than_the_key() {
        let text = format!("log {}\nquorum none\n", signer().vkey());
        let policy = Believed::Policy(Policy::parse(&text).unwrap());
        assert_eq!(code(&judged(&receipt(), &policy)), 3);
    }

    #[test]
    fn a_receipt_of_another_log_is_refused_with_what_to_do() {
        let other = NoteSigner::ed25519(ORIGIN, &[8; 32]).unwrap();
        let other = Believed::Key(NoteVerifier::parse(&other.vkey()).unwrap());
        let judged = judged(&receipt(), &other);
        let said = sentences(&judged);
        assert!(said.contains("show both to an auditor"), "{said}");
        assert_eq!(
            (code(&judged), object(&judged)["proved"].clone()),
            (1, false.into())
        );
    }

    #[test]
    fn a_policy_of_another_log_is_refused_with_both_names() {
        let other = NoteSigner::ed25519("other.example", &[8; 32]).unwrap();
        let text = format!("log {}\nquorum none\n", other.vkey());
        let policy = Believed::Policy(Policy::parse(&text).unwrap());
        let judged = judged(&receipt(), &policy);
        let said = sentences(&judged);
        assert!(
            said.contains(ORIGIN) && said.contains("other.example"),
            "{said}"
        );
        assert_eq!(code(&judged), 1);
    }

    #[test]
    fn a_receipt_without_its_opening_says_so() {
        let shared = receipt().without_opening();
        let said = sentences(&judged(&shared, &by_key()));
        assert!(said.contains("does not open the entry"), "{said}");
    }
}
