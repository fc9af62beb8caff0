//! `safeconduct audit review` and `dispose`: what a person should look at again, and what it came to.

use super::acts::{answered, each_of, print};
use super::print::entries;
use super::{CannotCheck, Check, Opened, Outcome, Output, SourceArgs};
use crate::audit::Level;
use crate::audit::acts::Act;
use crate::audit::finding::Problem;
use crate::audit::review::{Review, Standing, Suspicion};
use crate::audit::source::{AuditSource, SealedOpening, SignedCheckpoint, SourceError};
use crate::cli::text::{minute, wrapped};
use crate::client::audit::LiveSource;
use crate::client::error::{ClientError, Reason};
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{AccessFinding, ReviewRule};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::{Actor, EntryBody, Erased};
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::note::NoteVerifier;
use crate::ledger::proof::verify_inclusion;
use crate::ledger::question::Question;
use crate::ledger::tree::Edge;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::BTreeSet;

/// Look for what a person should look at again
#[derive(Debug, Args)]
pub(super) struct ReviewArgs {
    #[command(flatten)]
    check: Check,
}

/// Most findings named where one was asked for that is none.
const FINDINGS_SAID_MAX: usize = 10;

/// What a finding comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// It was right
    Justified,
    /// It was not
    Misuse,
    /// It was right, and the rule should not have found it
    RuleWrong,
}

/// Say what a finding comes to, or confirm what somebody else said
#[derive(Debug, Args)]
pub(super) struct DisposeArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The finding's rule
    #[arg(long, value_name = "RULE")]
    rule: ReviewRule,
    /// Index of the entry that the finding is about
    #[arg(long, value_name = "INDEX")]
    index: u64,
    /// What it comes to
    #[arg(long = "as", value_enum, value_name = "FINDING")]
    finding: As,
    /// Confirm that somebody else said so rightly
    #[arg(long)]
    confirm: bool,
}

/// Acts that were read before, as a source: a review verifies the very entries that it looks at.
struct Collected<'a> {
    acts: &'a [Act],
    checkpoint: SignedCheckpoint,
    live: &'a mut LiveSource,
}

impl AuditSource for Collected<'_> {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        Ok(self.checkpoint.clone())
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let from = usize::try_from(start).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let acts = self.acts.iter().skip(from).take(count);
        let encoded = acts.map(|act| act.entry.encode());
        let encoded: Result<_, _> = encoded.collect();
        encoded.map_err(|_| SourceError::Damaged("an entry cannot be written again".into()))
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        self.live.openings(start, count).await
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        self.live.consistency(old, new).await
    }
}

/// What a review found, and how far what it looked at was verified.
struct Reviewed {
    outcome: Outcome,
    found: Vec<Found>,
    /// Acts looked at, and whether they are the whole log.
    acts: u64,
    whole: bool,
}

fn size_of(note: &str) -> Result<u64, SourceError> {
    let text = note.find("\n\n").and_then(|end| note.get(..=end));
    let checkpoint = text.and_then(|text| Checkpoint::parse(text).ok());
    checkpoint
        .map(|checkpoint| checkpoint.size)
        .ok_or_else(|| SourceError::Damaged("the checkpoint cannot be read".into()))
}

fn review(acts: &[Act]) -> Vec<Found> {
    let mut review = Review::new();
    acts.iter().for_each(|act| review.feed(act));
    review.finish()
}

/// A router's answer as a log of its own: what it leaves out, no rule looks at.
#[derive(Debug, Default)]
struct Told {
    edge: Edge,
    /// Entries that commit to a decision which was not shown, and of which there is no tombstone so far.
    unopened: BTreeSet<u64>,
}

impl Told {
    fn of<'a>(acts: impl Iterator<Item = &'a Act>) -> Result<Self, SourceError> {
        let mut told = Self::default();
        for act in acts {
            let bytes = act.entry.encode();
            let bytes = bytes.map_err(|_| {
                SourceError::Damaged(format!("entry {} cannot be written again", act.index))
            })?;
            match (&act.entry.body, &act.entry.by) {
                (EntryBody::Committed { .. }, _) if act.decision.is_none() => {
                    told.unopened.insert(told.edge.size());
                }
                (EntryBody::Erased { of, indexes }, Actor::Router | Actor::Admin)
                    if *of == Erased::Decision =>
                {
                    for index in indexes {
                        told.unopened.remove(index);
                    }
                }
                _ => {}
            }
            let _ = told.edge.append(leaf(&bytes));
        }
        Ok(told)
    }

    /// Whether it is the whole of the log that was checked.
    fn require(&self, outcome: &Outcome) -> Result<(), SourceError> {
        let verifier = NoteVerifier::parse(&outcome.key);
        let checked = verifier.and_then(|verifier| verifier.verify(&outcome.note));
        if checked.is_ok_and(|checked| checked.root != self.edge.root()) {
            let text = "the router's answer for the review is not the log that was checked";
            return Err(SourceError::Damaged(text.into()));
        }
        match self.unopened.first() {
            None => Ok(()),
            Some(index) => Err(SourceError::Damaged(format!(
                "the router's answer for the review withholds what opens entry {index}"
            ))),
        }
    }
}

/// A finding, and what stands in the log about it.
pub(super) type Found = (Suspicion, Option<Standing>);

/// What a review finds in the log that was checked, for a report.
///
/// # Errors
///
/// [`CannotCheck`] when the acts cannot be read, are beyond the caller's mandate, or are not those of that log.
pub(super) async fn found(opened: Opened, outcome: &Outcome) -> Result<Vec<Found>, CannotCheck> {
    let size = outcome.size;
    let mut review = Review::new();
    let mut seen = 0;
    match opened {
        Opened::Folder(mut folder) => {
            each_of(&mut folder, |act| {
                if act.index < size {
                    review.feed(&act);
                    seen += 1;
                }
            })
            .await?;
        }
        Opened::Live(live, _) => {
            let (mut acts, _) = answered(&live, Question::default(), 0).await?;
            acts.retain(|act| act.index < size);
            seen = acts.len() as u64;
            if seen == size {
                Told::of(acts.iter())?.require(outcome)?;
            }
            acts.iter().for_each(|act| review.feed(act));
        }
    }
    if seen == size {
        Ok(review.finish())
    } else {
        let text = "your mandate does not reach over the whole log";
        Err(SourceError::NotPermitted(text.into()).into())
    }
}

impl ReviewArgs {
    pub(super) async fn run(mut self) -> Result<u8, CannotCheck> {
        // What is looked at is what is verified.
        self.check.from_start = true;
        let check = &self.check;
        let reviewed = match check.opened().await? {
            (Opened::Folder(mut folder), pinned) => {
                let vkey = check.key(pinned)?;
                let outcome = check
                    .check(&mut folder, Some(Level::Openings), vkey)
                    .await?;
                let mut review = Review::new();
                let (_, acts) = each_of(&mut folder, |act| review.feed(&act)).await?;
                Reviewed {
                    outcome,
                    found: review.finish(),
                    acts,
                    whole: true,
                }
            }
            (Opened::Live(mut live, pinned), _) => {
                let checkpoint = live.checkpoint().await?;
                let size = size_of(&checkpoint.note)?;
                let (mut acts, _) = answered(&live, Question::default(), 0).await?;
                acts.retain(|act| act.index < size);
                if acts.len() as u64 == size {
                    self.whole(&mut live, &acts, checkpoint, pinned).await?
                } else {
                    self.part(&mut live, &acts, pinned).await?
                }
            }
        };
        let lines = match check.output {
            Output::Text => text(&reviewed),
            Output::Json => vec![json_of(&reviewed)],
        };
        reviewed.outcome.keep()?;
        print::out(&lines).map_err(|error| CannotCheck::Write("standard output".into(), error))?;
        Ok(exit_code(&reviewed))
    }

    /// The whole log: its entries are verified against the checkpoint and the saved state.
    async fn whole(
        &self,
        live: &mut LiveSource,
        acts: &[Act],
        checkpoint: SignedCheckpoint,
        pinned: NoteVerifier,
    ) -> Result<Reviewed, CannotCheck> {
        let mut source = Collected {
            acts,
            checkpoint,
            live,
        };
        let vkey = self.check.key(Some(pinned))?;
        let outcome = self.check.check(&mut source, Some(Level::Verify), vkey);
        let mut outcome = outcome.await?;
        // Whoever reads the whole log is shown every decision that was not erased.
        let unopened = Told::of(acts.iter())?.unopened;
        let unopened = unopened.into_iter();
        let findings = unopened.map(|index| Problem::NoOpening.at(index));
        outcome.report.findings.extend(findings);
        Ok(Reviewed {
            outcome,
            found: review(acts),
            acts: acts.len() as u64,
            whole: true,
        })
    }

    /// What one agency's office may read: each entry that is found is proved to be in the log.
    async fn part(
        &self,
        live: &mut LiveSource,
        acts: &[Act],
        pinned: NoteVerifier,
    ) -> Result<Reviewed, CannotCheck> {
        let vkey = self.check.key(Some(pinned.clone()))?;
        let outcome = self.check.check(live, None, vkey).await?;
        let found = review(acts);
        let note = live.checkpoint().await?.note;
        let checkpoint = pinned
            .verify(&note)
            .map_err(|_| SourceError::Damaged("the checkpoint is not signed by the log".into()))?;
        let indexes: BTreeSet<u64> = found
            .iter()
            .flat_map(|(found, _)| found.also.iter().copied().chain([found.index]))
            .collect();
        for act in acts.iter().filter(|act| indexes.contains(&act.index)) {
            let unproved =
                || SourceError::Damaged(format!("entry {} is not in the log", act.index));
            let bytes = act.entry.encode().map_err(|_| unproved())?;
            let proof = live.inclusion(act.index, checkpoint.size).await?;
            let (index, size, root) = (act.index, checkpoint.size, &checkpoint.root);
            verify_inclusion(&leaf(&bytes), index, size, &proof, root).map_err(|_| unproved())?;
        }
        Ok(Reviewed {
            outcome,
            found,
            acts: acts.len() as u64,
            whole: false,
        })
    }
}

pub(super) fn is_settled(standing: Option<&Standing>) -> bool {
    standing.is_some_and(|standing| standing.confirmed.is_some())
}

fn unsettled(reviewed: &Reviewed) -> usize {
    let found = reviewed.found.iter();
    found.filter(|(_, said)| !is_settled(said.as_ref())).count()
}

fn exit_code(reviewed: &Reviewed) -> u8 {
    if unsettled(reviewed) > 0 {
        1
    } else {
        reviewed.outcome.exit_code()
    }
}

pub(super) fn disposition(standing: Option<&Standing>) -> String {
    let Some(standing) = standing else {
        return "not looked at yet".to_owned();
    };
    let (agency, staff, index) = &standing.by;
    let said = format!("{} by {agency} / {staff} (entry {index})", standing.finding);
    let said = match &standing.confirmed {
        None => format!("{said}, not confirmed yet"),
        Some((agency, staff, index)) => {
            format!("{said}, confirmed by {agency} / {staff} (entry {index})")
        }
    };
    match &standing.replaces {
        None => said,
        Some(before) => format!("{said}; it replaces {}", disposition(Some(before))),
    }
}

fn text(reviewed: &Reviewed) -> Vec<String> {
    let outcome = &reviewed.outcome;
    let scope = if reviewed.whole {
        "the whole log, verified entry by entry".to_owned()
    } else {
        format!(
            "{} acts within your mandate; each entry found was proved to be in the log",
            reviewed.acts
        )
    };
    let size = entries(outcome.size);
    let head = format!("{}: {size} ({scope})", outcome.origin);
    let mut lines = vec![wrapped("", &head)];
    for finding in outcome.report.violations() {
        let text = format!("{} {finding}", finding.problem.code());
        lines.push(wrapped("  !! ", &text));
    }
    for (found, standing) in &reviewed.found {
        let staff = found.staff.as_deref().unwrap_or("nobody named");
        let settled = is_settled(standing.as_ref());
        let mark = if settled { "  ok " } else { "  ?  " };
        let head = format!(
            "{} entry {}: {} / {staff}, {}",
            found.rule,
            found.index,
            found.agency,
            minute(found.at)
        );
        lines.push(wrapped(mark, &head));
        lines.push(wrapped("     ", &found.why));
        lines.push(wrapped("     look at: ", found.look_at()));
        let said = disposition(standing.as_ref());
        lines.push(wrapped("     said: ", &said));
    }
    if outcome.past.is_none() {
        let past = "NOTHING WAS VERIFIED AGAINST THE PAST: there was no saved state.";
        lines.push(wrapped("   - ", past));
    }
    lines.push(wrapped(
        "   - ",
        "not shown: whether acts were lawful (see replay), and what was never recorded",
    ));
    let (found, left) = (reviewed.found.len(), unsettled(reviewed));
    lines.push(format!(
        "Result: {found} finding(s), {left} without a confirmed disposition."
    ));
    lines
}

/// One finding for programs.
pub(super) fn finding_json((found, standing): &Found) -> serde_json::Value {
    fn by((agency, staff, index): &(AgencyId, String, u64)) -> serde_json::Value {
        json!({"agency": agency.as_str(), "staff": staff, "index": index})
    }
    fn said(standing: &Standing) -> serde_json::Value {
        json!({
            "finding": standing.finding.name(),
            "by": by(&standing.by),
            "confirmed_by": standing.confirmed.as_ref().map(by),
            "replaces": standing.replaces.as_deref().map(said),
        })
    }
    let standing = standing.as_ref().map(said);
    json!({
        "rule": found.rule.name(),
        "index": found.index,
        "also": found.also,
        "time_ms": found.at.millis(),
        "agency": found.agency.as_str(),
        "staff": found.staff,
        "why": found.why,
        "look_at": found.look_at(),
        "disposition": standing,
    })
}

fn json_of(reviewed: &Reviewed) -> String {
    let findings = reviewed.found.iter().map(finding_json);
    let violations = reviewed.outcome.report.violations();
    let violations = violations.map(|finding| finding.problem.code());
    json!({
        "level": "review",
        "origin": reviewed.outcome.origin,
        "size": reviewed.outcome.size,
        "acts": reviewed.acts,
        "whole": reviewed.whole,
        "past_size": reviewed.outcome.past,
        "violations": violations.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "unsettled": unsettled(reviewed),
        "exit_code": exit_code(reviewed),
    })
    .to_string()
}

impl DisposeArgs {
    fn require_found(&self, found: &[Found]) -> Result<(), CannotCheck> {
        let is_it = |(one, _): &Found| one.rule == self.rule && one.index == self.index;
        if found.iter().any(is_it) {
            return Ok(());
        }
        let named: Vec<String> = found
            .iter()
            .map(|(one, _)| format!("{} entry {}", one.rule, one.index))
            .take(FINDINGS_SAID_MAX)
            .collect();
        let more = found.len().saturating_sub(named.len());
        let there = match (named.as_slice(), more) {
            ([], _) => "it finds nothing".to_owned(),
            (named, 0) => format!("it finds {}", named.join(", ")),
            (named, more) => format!("it finds {}, and {more} more", named.join(", ")),
        };
        Err(CannotCheck::NoSuchFinding(format!(
            "the review has no finding {} entry {}, and nothing was recorded: {there}; `audit review` lists them with \
             what was said of each",
            self.rule, self.index
        )))
    }

    /// What is said of the finding so far, as far as it was read.
    fn standing<'a>(&self, found: &'a [Found]) -> Option<&'a Standing> {
        let mut found = found.iter();
        let is_it = |(one, _): &&Found| one.rule == self.rule && one.index == self.index;
        found.find(is_it).and_then(|(_, said)| said.as_ref())
    }

    /// Why nothing was recorded: what stands, and what to do about it.
    fn refused(&self, error: ClientError, found: &[Found]) -> CannotCheck {
        let stands = self.standing(found).map(|said| disposition(Some(said)));
        let mend = match error.reason() {
            Some(Reason::NeedsSecondPerson) => return CannotCheck::SecondPerson,
            Some(Reason::NotFound) if self.confirm => {
                "there is nothing to confirm; run it without --confirm to record it, and let somebody else confirm \
                 that"
            }
            Some(Reason::DispositionOther) => {
                "you would confirm another finding; run it with --as as recorded if you agree, or without --confirm \
                 to record yours in its place, which somebody else then confirms"
            }
            Some(Reason::DispositionConfirmed) if !self.confirm => {
                "it stands already; if you see it otherwise, run it with another --as, which somebody else then \
                 confirms"
            }
            Some(Reason::DispositionConfirmed) => {
                "nothing is left to do; if you see it otherwise, run it without --confirm to record yours in its \
                 place, which somebody else then confirms"
            }
            Some(Reason::DispositionNational) => {
                "a national body (ombudsperson, data protection authority) has said what it comes to, and an \
                 agency's own office cannot replace or confirm that; ask it"
            }
            _ => return CannotCheck::Refused(error),
        };
        let stands = match stands {
            Some(stands) => stands,
            None if error.reason() == Some(Reason::NotFound) => disposition(None),
            None => "what was said is not shown to you".to_owned(),
        };
        CannotCheck::Stands(format!(
            "{} entry {}: {stands}. Nothing was recorded: {mend}",
            self.rule, self.index
        ))
    }

    pub(super) async fn run(self) -> Result<u8, CannotCheck> {
        let Opened::Live(live, _) = self.source.open()? else {
            return Err(CannotCheck::NoRouter);
        };
        // Nothing is said of what nobody found: it would stand in the log for ever, and settle nothing.
        let (acts, _) = answered(&live, Question::default(), 0).await?;
        let found = review(&acts);
        self.require_found(&found)?;
        let finding = match self.finding {
            As::Justified => AccessFinding::Justified,
            As::Misuse => AccessFinding::Misuse,
            As::RuleWrong => AccessFinding::RuleWrong,
        };
        let said = live.dispose(self.rule, self.index, finding, self.confirm);
        let entry = said.await.map_err(|error| self.refused(error, &found))?;
        let verb = if self.confirm {
            "Confirmed"
        } else {
            "Recorded"
        };
        let what = format!(
            "{verb}: {} entry {} is {finding} (entry {entry}).",
            self.rule, self.index
        );
        let before = self.standing(&found);
        let next = if self.confirm {
            "It stands.".to_owned()
        } else if is_settled(before) {
            format!(
                "This replaces {}. It counts as unsettled until another person confirms it.",
                disposition(before)
            )
        } else {
            "It stands once another person has confirmed it.".to_owned()
        };
        println!("{}", wrapped("", &format!("{what} {next}")));
        Ok(0)
    }
}
