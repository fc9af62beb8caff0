//! Policies: which logs are believed, and which witnesses must have seen a checkpoint before it is.
//!
//! # Source
//!
//! <https://c2sp.org/tlog-policy>, with Ed25519 keys: logs of type 0x01, witnesses of type 0x04.

use super::checkpoint::{Checkpoint, parse_any};
use super::cosignature::CosignatureVerifier;
use super::note::{NoteError, NoteVerifier, unverified_text};
use crate::domain::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// Longest policy, in bytes: a line of 400 for each thing that one may name.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// Most logs, most witnesses and most groups of one policy: twice what the specification asks every reader to take.
pub const POLICY_ITEMS_MAX: usize = 64;

/// The predefined name of the quorum that asks for nobody.
const NONE: &str = "none";

/// Why a line of a policy cannot stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Not one of the four kinds of line, or not with its words.
    #[error(
        "write `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME K|any|all MEMBER...` or `quorum NAME|none`"
    )]
    Line,
    /// Not a log's key.
    #[error("this is not a log's verifier key (Ed25519, type 1)")]
    LogKey,
    /// Not a witness's key.
    #[error("this is not a witness's verifier key (Ed25519 cosignatures, type 4)")]
    WitnessKey,
    /// The same key twice.
    #[error("this key is in the policy already, and would count twice")]
    KeyTwice,
    /// The same name twice, or the predefined one.
    #[error("this name is taken")]
    NameTaken,
    /// Not defined above.
    #[error("no line above defines this name")]
    Unknown,
    /// In two groups, or twice in one.
    #[error("a name can be a member once, so that no witness counts twice")]
    MemberTwice,
    /// The threshold is none, or more than there are members.
    #[error("the threshold must be from 1 to the number of members")]
    Threshold,
    /// A second quorum.
    #[error("there is a quorum line already")]
    QuorumTwice,
    /// More than [`POLICY_ITEMS_MAX`].
    #[error("too many logs, witnesses or groups")]
    TooMany,
}

/// Why a policy or a checkpoint under it was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not a text file of lines.
    #[error("the policy is longer than 64 KiB or holds control characters")]
    Unreadable,
    /// A line of it.
    #[error("line {line} of the policy: {fault}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: PolicyFault,
    },
    /// Nobody is asked for, and it does not say that this is meant.
    #[error("the policy has no quorum line; `quorum none` says that no witness is asked for")]
    NoQuorumLine,
    /// The policy names no log, so no checkpoint can be believed by it alone.
    #[error("the policy names no log: add a `log` line with the log's verifier key")]
    NoLog,
    /// The policy's logs are others.
    #[error(
        "the policy is about {policy}, and this is the log {log}: give the policy of this log, or find out why you \
         are shown another one"
    )]
    OtherLog {
        /// The origins that the policy names.
        policy: String,
        /// The origin met.
        log: String,
    },
    /// The policy names this log under another key.
    #[error(
        "the policy names another key for the log {0} than the one known here: find out which is right before you \
         believe either"
    )]
    OtherKey(String),
    /// Not by a log of the policy.
    #[error("the checkpoint is not by a log of the policy: {0}")]
    Log(NoteError),
    /// A witness's line is wrong.
    #[error(
        "the cosignature of witness {0} is wrong: the checkpoint was changed, or its publisher makes witnesses up"
    )]
    Witness(String),
    /// Fewer than the quorum.
    #[error(
        "too few witnesses have cosigned the checkpoint: wait for them, or compare it with what other readers were \
         given"
    )]
    NoQuorum,
}

/// A log that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the key's name is the log's origin.
    pub verifier: NoteVerifier,
    /// Where it is read, if the policy says.
    pub url: Option<String>,
}

/// A witness that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within the policy.
    pub name: String,
    /// Its key.
    pub verifier: CosignatureVerifier,
    /// Where checkpoints are submitted, if the policy says.
    pub url: Option<String>,
}

/// A witness or a group, by its place in the order of definition: members come before their group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Witness(usize),
    Group {
        name: String,
        at_least: usize,
        members: Vec<usize>,
    },
}

/// Which logs are believed, and under whose eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    nodes: Vec<Node>,
    /// The node that must be satisfied; `None` is `quorum none`.
    quorum: Option<usize>,
}

/// A checkpoint by a log of the policy, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a checkpoint without its quorum is vouched for by nobody"]
pub struct Cosigned {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The policy's witnesses who cosigned it, by the policy's names, and when they last did.
    pub witnesses: Vec<(String, Timestamp)>,
    /// Whether they are enough; always so for a policy that asks for nobody.
    pub quorum: bool,
    /// The latest moment at or after which a whole quorum vouched for it: how fresh it is by others' clocks than the
    /// log's. `None` without a quorum, or when the policy asks for nobody.
    pub vouched: Option<Timestamp>,
}

impl Cosigned {
    /// The earliest of the cosignatures.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.witnesses.iter().map(|(_, at)| *at).min()
    }

    /// This, if the quorum is there.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NoQuorum`].
    pub fn require_quorum(self) -> Result<Self, PolicyError> {
        if self.quorum {
            Ok(self)
        } else {
            Err(PolicyError::NoQuorum)
        }
    }
}

/// Whether a name that nobody vouches for may be shown.
fn is_visible(origin: &str) -> bool {
    origin.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], with the line; it repeats nothing of the file.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let control = |byte: u8| (byte < 0x20 && byte != b'\n' && byte != b'\t') || byte == 0x7f;
        if text.len() > POLICY_BYTES_MAX || text.bytes().any(control) {
            return Err(PolicyError::Unreadable);
        }
        let mut reader = Reader::default();
        for (number, line) in text.split('\n').enumerate() {
            let words: Vec<&str> = line
                .split([' ', '\t'])
                .filter(|word| !word.is_empty())
                .collect();
            reader.line(&words).map_err(|fault| PolicyError::Line {
                line: number + 1,
                fault,
            })?;
        }
        let quorum = reader.quorum.ok_or(PolicyError::NoQuorumLine)?;
        Ok(Self {
            logs: reader.logs,
            witnesses: reader.witnesses,
            nodes: reader.nodes,
            quorum,
        })
    }

    /// The policy of one log and any `at_least` of these witnesses; 0 asks for nobody.
    ///
    /// # Errors
    ///
    /// [`PolicyFault`] for a threshold past their number, and for a witness named twice.
    pub fn any_of(
        log: NoteVerifier,
        witnesses: &[(CosignatureVerifier, Option<String>)],
        at_least: usize,
    ) -> Result<Self, PolicyFault> {
        let mut reader = Reader::default();
        reader.logs.push(PolicyLog {
            verifier: log,
            url: None,
        });
        let mut names = Vec::new();
        for (verifier, url) in witnesses {
            let name = format!("w{}", names.len() + 1);
            reader.witness(&name, verifier.clone(), url.clone())?;
            names.push(name);
        }
        if at_least == 0 {
            reader.quorum = Some(None);
        } else {
            let members: Vec<&str> = names.iter().map(String::as_str).collect();
            reader.group("witnesses", &at_least.to_string(), &members)?;
            reader.quorum("witnesses")?;
        }
        Ok(Self {
            logs: reader.logs,
            witnesses: reader.witnesses,
            nodes: reader.nodes,
            quorum: reader.quorum.flatten(),
        })
    }

    /// The logs that are believed.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// That the policy is about `log`: it names this one, or none.
    ///
    /// # Errors
    ///
    /// [`PolicyError::OtherLog`] with both names, [`PolicyError::OtherKey`].
    pub fn require_about(&self, log: &NoteVerifier) -> Result<(), PolicyError> {
        if self.logs.is_empty() || self.logs.iter().any(|named| named.verifier == *log) {
            return Ok(());
        }
        self.require_origin(log.name())?;
        Err(PolicyError::OtherKey(log.name().to_owned()))
    }

    fn require_origin(&self, origin: &str) -> Result<(), PolicyError> {
        let names: Vec<&str> = self.logs.iter().map(|log| log.verifier.name()).collect();
        if names.is_empty() || names.contains(&origin) {
            return Ok(());
        }
        Err(PolicyError::OtherLog {
            policy: names.join(", "),
            log: origin.to_owned(),
        })
    }

    /// The witnesses that count.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the policy asks for no witness at all: whoever relies on it relies on the log's operator alone, and must
    /// say so.
    #[must_use]
    pub const fn asks_nobody(&self) -> bool {
        self.quorum.is_none()
    }

    /// The policy as a file that [`Policy::parse`] reads back.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let url =
            |url: &Option<String>| url.as_ref().map_or(String::new(), |url| format!(" {url}"));
        for log in &self.logs {
            let _ = writeln!(text, "log {}{}", log.verifier.vkey(), url(&log.url));
        }
        for node in &self.nodes {
            match node {
                Node::Witness(at) => {
                    let Some(witness) = self.witnesses.get(*at) else {
                        continue;
                    };
                    let vkey = witness.verifier.vkey();
                    let _ = writeln!(text, "witness {} {vkey}{}", witness.name, url(&witness.url));
                }
                Node::Group {
                    name,
                    at_least,
                    members,
                } => {
                    let members: Vec<&str> = members.iter().map(|at| self.name(*at)).collect();
                    let _ = writeln!(text, "group {name} {at_least} {}", members.join(" "));
                }
            }
        }
        let quorum = self.quorum.map_or(NONE, |at| self.name(at));
        let _ = writeln!(text, "quorum {quorum}");
        text
    }

    /// The checkpoint in `note`, which a log of the policy must have signed, and who vouches for it.
    ///
    /// What is missing to a quorum is told by [`Cosigned::quorum`], so that a caller can say so in its own words;
    /// [`Cosigned::require_quorum`] makes it an error.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NoLog`], [`PolicyError::OtherLog`], [`PolicyError::Log`] and [`PolicyError::Witness`].
    pub fn check(&self, note: &str) -> Result<Cosigned, PolicyError> {
        // Only to name it: what is believed is signed by a log of the policy.
        let named = parse_any(unverified_text(note).unwrap_or_default());
        if let Some(named) = named.ok().filter(|named| is_visible(&named.origin)) {
            self.require_origin(&named.origin)?;
        }
        let mut refused = None;
        for log in &self.logs {
            match self.check_by(&log.verifier, note) {
                // Another log of the policy may have signed it, or a key that is not yet, or no longer, in use.
                Err(PolicyError::Log(NoteError::NotSigned)) => {
                    refused = Some(PolicyError::Log(NoteError::NotSigned));
                }
                outcome => return outcome,
            }
        }
        Err(refused.unwrap_or(PolicyError::NoLog))
    }

    /// The same by a log whose key is known from elsewhere, for policies that name none.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Log`] and [`PolicyError::Witness`].
    pub fn check_by(&self, log: &NoteVerifier, note: &str) -> Result<Cosigned, PolicyError> {
        let checkpoint = log.verify(note).map_err(PolicyError::Log)?;
        let mut times = vec![None; self.witnesses.len()];
        for (time, witness) in times.iter_mut().zip(&self.witnesses) {
            *time = witness.verifier.verify(note).map_err(|error| match error {
                NoteError::BadSignature => PolicyError::Witness(witness.name.clone()),
                other => PolicyError::Log(other),
            })?;
        }
        let witnesses = self.witnesses.iter().zip(&times);
        let witnesses: Vec<_> = witnesses
            .filter_map(|(witness, time)| time.map(|time| (witness.name.clone(), time)))
            .collect();
        let since = |moment: Timestamp| {
            let seen: Vec<bool> = times
                .iter()
                .map(|time| time.is_some_and(|time| time >= moment))
                .collect();
            self.satisfied(&seen)
        };
        let mut moments: Vec<Timestamp> = times.iter().flatten().copied().collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        let vouched = moments
            .into_iter()
            .find(|moment| !self.asks_nobody() && since(*moment));
        Ok(Cosigned {
            checkpoint,
            witnesses,
            quorum: self.asks_nobody() || vouched.is_some(),
            vouched,
        })
    }

    /// Whether these of the witnesses, in the order of [`Policy::witnesses`], are a quorum.
    #[must_use]
    pub fn satisfied(&self, seen: &[bool]) -> bool {
        let Some(quorum) = self.quorum else {
            return true;
        };
        let mut holds: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let held = match node {
                Node::Witness(at) => seen.get(*at).copied().unwrap_or(false),
                Node::Group {
                    at_least, members, ..
                } => {
                    let held = |at: &&usize| holds.get(**at).copied().unwrap_or(false);
                    members.iter().filter(held).count() >= *at_least
                }
            };
            holds.push(held);
        }
        holds.get(quorum).copied().unwrap_or(false)
    }

    fn name(&self, at: usize) -> &str {
        match self.nodes.get(at) {
            Some(Node::Witness(at)) => self
                .witnesses
                .get(*at)
                .map_or(NONE, |witness| witness.name.as_str()),
            Some(Node::Group { name, .. }) => name,
            None => NONE,
        }
    }
}

/// A policy as far as it was read.
#[derive(Default)]
struct Reader {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    nodes: Vec<Node>,
    names: HashMap<String, usize>,
    members: HashSet<usize>,
    groups: usize,
    quorum: Option<Option<usize>>,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), PolicyFault> {
        match words {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["witness", name, vkey, rest @ ..] if rest.len() <= 1 => {
                let verifier =
                    CosignatureVerifier::parse(vkey).map_err(|_| PolicyFault::WitnessKey)?;
                self.witness(name, verifier, rest.first().map(|&url| url.to_owned()))
            }
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ["quorum", name] => self.quorum(name),
            _ => Err(PolicyFault::Line),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Result<(), PolicyFault> {
        let verifier = NoteVerifier::parse(vkey).map_err(|_| PolicyFault::LogKey)?;
        let same = |log: &PolicyLog| log.verifier.public_key() == verifier.public_key();
        if self.logs.iter().any(same) {
            return Err(PolicyFault::KeyTwice);
        }
        if self.logs.len() >= POLICY_ITEMS_MAX {
            return Err(PolicyFault::TooMany);
        }
        let url = url.map(str::to_owned);
        self.logs.push(PolicyLog { verifier, url });
        Ok(())
    }

    fn witness(
        &mut self,
        name: &str,
        verifier: CosignatureVerifier,
        url: Option<String>,
    ) -> Result<(), PolicyFault> {
        let same = |witness: &PolicyWitness| witness.verifier.public_key() == verifier.public_key();
        if self.witnesses.iter().any(same) {
            return Err(PolicyFault::KeyTwice);
        }
        if self.witnesses.len() >= POLICY_ITEMS_MAX {
            return Err(PolicyFault::TooMany);
        }
        self.define(name, Node::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness {
            name: name.to_owned(),
            verifier,
            url,
        });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, words: &[&str]) -> Result<(), PolicyFault> {
        if self.groups >= POLICY_ITEMS_MAX {
            return Err(PolicyFault::TooMany);
        }
        let at_least = match threshold {
            "any" => 1,
            "all" => words.len(),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| PolicyFault::Threshold)?
            }
            _ => return Err(PolicyFault::Line),
        };
        if !(1..=words.len()).contains(&at_least) {
            return Err(PolicyFault::Threshold);
        }
        let mut members = Vec::with_capacity(words.len());
        for word in words {
            let member = *self.names.get(*word).ok_or(PolicyFault::Unknown)?;
            if !self.members.insert(member) {
                return Err(PolicyFault::MemberTwice);
            }
            members.push(member);
        }
        self.groups += 1;
        let name_of = name.to_owned();
        self.define(
            name,
            Node::Group {
                name: name_of,
                at_least,
                members,
            },
        )
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyFault> {
        if self.quorum.is_some() {
            return Err(PolicyFault::QuorumTwice);
        }
        self.quorum = Some(if name == NONE {
            None
        } else {
            Some(*self.names.get(name).ok_or(PolicyFault::Unknown)?)
        });
        Ok(())
    }

    fn define(&mut self, name: &str, node: Node) -> Result<(), PolicyFault> {
        if name == NONE || self.names.contains_key(name) {
            return Err(PolicyFault::NameTaken);
        }
        self.names.insert(name.to_owned(), self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
