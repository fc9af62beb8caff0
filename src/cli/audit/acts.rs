//! `safeconduct audit acts`: the questions that an auditor asks, of a live router or an exported folder.

pub(super) mod print;
mod resting;
mod subject;

use self::resting::Resting;
use super::{CannotCheck, Opened, SourceArgs, drive};
use crate::audit::acts::rights::{Right, Rights};
use crate::audit::acts::{Act, Asking};
use crate::audit::export::{balp, ocsf};
use crate::audit::source::{AuditSource, SourceError};
use crate::client::audit::LiveSource;
use crate::domain::id::{AgencyId, BasisChainId, OfferId, ReferralId, StaffPseudonym};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ActClass;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::question::{About, Question, event_named};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;

/// Most basis chains looked up to say by which right something was opened.
const CHAINS_MAX: usize = 64;

/// Most offers whose deposits are looked up for the same: each is a question to the router.
const OFFERS_MAX: usize = 64;

/// What a break-glass opening is called.
const ACCESS_OPENED: &str = "access_opened";

/// Ask who did what: every part that is given narrows the answer.
#[derive(Debug, Args)]
pub(super) struct ActsArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    about: AboutArgs,
    /// What this agency did
    #[arg(long, value_name = "ID")]
    agency: Option<AgencyId>,
    /// What this member of its staff did, by pseudonym
    #[arg(long, value_name = "NAME", requires = "agency")]
    pseudonym: Option<StaffPseudonym>,
    /// Acts of this event, by the name that entries carry; may be given again
    #[arg(long = "event", value_name = "NAME", value_parser = event)]
    events: Vec<&'static str>,
    #[command(flatten)]
    classes: ClassArgs,
    /// Not before, as 2026-11-21 or 2026-11-21T21:30Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before, as 2026-11-21 or 2026-11-21T21:30Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// First index to look at: where an earlier answer stopped
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    start: u64,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct AboutArgs {
    /// About this offer
    #[arg(long, value_name = "ID")]
    offer: Option<OfferId>,
    /// About every offer of this referral
    #[arg(long, value_name = "ID")]
    referral: Option<ReferralId>,
    /// About the case that this offer is of; of a complaint, the complaint's own offer
    #[arg(long, value_name = "OFFER", visible_alias = "complaint")]
    case_of: Option<OfferId>,
    /// About this basis chain, and what was disclosed under it
    #[arg(long, value_name = "ID")]
    basis: Option<BasisChainId>,
}

#[derive(Debug, Args)]
struct ClassArgs {
    /// What disclosed something; of a live router, the right of each is looked up, for 64 offers at most
    #[arg(long)]
    disclosures: bool,
    /// Every act of break-glass
    #[arg(long)]
    break_glass: bool,
    /// Declines for a reason that oversight is told of
    #[arg(long)]
    alerting_declines: bool,
    /// Acts of agencies while they say that they are closed
    #[arg(long)]
    out_of_hours: bool,
    /// Refusals
    #[arg(long)]
    denials: bool,
    /// What auditors read and found
    #[arg(long)]
    oversight: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// 80 columns
    Text,
    /// One JSON object a line
    Json,
    /// FHIR R4 AuditEvent, as IHE BALP profiles it, one a line
    Balp,
    /// OCSF API Activity, one a line
    Ocsf,
}

fn event(name: &str) -> Result<&'static str, String> {
    event_named(name).ok_or_else(|| "not an event, such as opened or offer_moved".to_owned())
}

/// A day or a minute, in UTC.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    parse(text).ok_or_else(|| "not a time: write 2026-11-21 or 2026-11-21T21:30Z".to_owned())
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn parse(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.split_once('T').unwrap_or((text, "00:00Z"));
    let mut parts = day.split('-');
    let (year, month, of_month) = (
        number(parts.next()?, 4)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let (hour, minute) = clock.strip_suffix('Z')?.split_once(':')?;
    let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
    let in_range = parts.next().is_none()
        && (1..=12).contains(&month)
        && (1..=31).contains(&of_month)
        && hour < 24
        && minute < 60;
    if !in_range {
        return None;
    }
    // Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + of_month - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = era * 146_097 + of_era - 719_468;
    let at = Timestamp::from_seconds(days * 86_400 + hour * 3600 + minute * 60)?;
    // A day that the month does not have is another day.
    (crate::cli::text::day(at) == day).then_some(at)
}

impl ActsArgs {
    fn question(&self) -> Question {
        let about = &self.about;
        let about = (about.offer.map(About::Offer))
            .or(about.referral.map(About::Referral))
            .or(about.case_of.map(About::CaseOf))
            .or(about.basis.map(About::Basis));
        let classes = &self.classes;
        let classes = [
            (classes.disclosures, ActClass::Disclosures),
            (classes.break_glass, ActClass::BreakGlass),
            (classes.alerting_declines, ActClass::AlertingDeclines),
            (classes.out_of_hours, ActClass::OutOfHours),
            (classes.denials, ActClass::Denials),
            (classes.oversight, ActClass::Oversight),
        ];
        let classes = classes.iter().filter(|(wanted, _)| *wanted);
        Question {
            about,
            agency: self.agency.clone(),
            staff: self.pseudonym.clone(),
            classes: classes.map(|(_, class)| *class).collect(),
            events: self.events.clone(),
            since: self.since,
            until: self.until,
        }
    }

    /// A refusal of a question about an agency is one of that agency.
    fn beyond(&self, error: CannotCheck) -> CannotCheck {
        match (error, &self.agency) {
            (CannotCheck::Source(SourceError::NotPermitted(_)), Some(agency)) => {
                CannotCheck::BeyondMandate(agency.clone())
            }
            (error, _) => error,
        }
    }

    /// Asks, and prints the answer.
    pub(super) async fn run(self) -> Result<u8, CannotCheck> {
        let question = self.question();
        let answer = match self.source.open()? {
            Opened::Folder(mut folder) => of_folder(&mut folder, question, self.start).await?,
            Opened::Live(live, pinned) => {
                let origin = pinned.name().to_owned();
                let answer = of_router(&live, question, self.start, origin).await;
                answer.map_err(|error| self.beyond(error))?
            }
        };
        let lines: Vec<String> = match self.output {
            Output::Text => print::text(&answer),
            Output::Json => print::json(&answer),
            Output::Balp => answer.exported(balp::event),
            Output::Ocsf => answer.exported(ocsf::event),
        };
        if answer.acts.is_empty() && self.agency.is_some() {
            eprintln!("No act answers. An agency that no member is called has none either.");
        }
        print::out(&lines).map_err(|error| CannotCheck::Write("standard output".into(), error))?;
        Ok(0)
    }
}

/// The acts that answer, and what is known of the rights that they name.
pub(super) struct Answer {
    pub(super) origin: String,
    pub(super) acts: Vec<Act>,
    pub(super) rights: Rights,
    /// First index that was not looked at.
    pub(super) next: u64,
}

impl Answer {
    fn exported(
        &self,
        event: fn(&Act, Option<&crate::audit::acts::rights::Right>, &str) -> serde_json::Value,
    ) -> Vec<String> {
        let export = |act| event(act, self.rights.of(act).as_ref(), &self.origin).to_string();
        self.acts.iter().map(export).collect()
    }
}

/// Hands out every act of a folder below its checkpoint, in order; gives the log's origin and how many there are.
///
/// # Errors
///
/// [`SourceError`] when the folder cannot be read, or an act is not what its entry commits to.
pub(super) async fn each_of<S: AuditSource>(
    source: &mut S,
    mut take: impl FnMut(Act),
) -> Result<(String, u64), SourceError> {
    let given = source.checkpoint().await?;
    let end = given.note.find("\n\n").unwrap_or_default();
    let text = given.note.get(..=end).unwrap_or_default();
    let checkpoint = Checkpoint::parse(text)
        .map_err(|_| SourceError::Damaged("the checkpoint cannot be read".into()))?;
    let progress = drive::Progress::on_terminal();
    progress.begin(0, checkpoint.size);
    let mut next = 0;
    while next < checkpoint.size {
        let (entries, openings) = drive::run(source, next, checkpoint.size, true).await?;
        for (entry, opening) in entries.iter().zip(openings) {
            let act = Act::read(next, entry, opening.as_ref());
            take(act.map_err(|problem| {
                SourceError::Damaged(format!("entry {next}: {problem}; run `audit openings`"))
            })?);
            next += 1;
        }
        progress.reached(next);
    }
    progress.end();
    Ok((checkpoint.origin, next))
}

/// Reads a folder twice, so that no more than the answer is kept: what acts are about is known only after the first.
async fn of_folder<S: AuditSource>(
    source: &mut S,
    question: Question,
    start: u64,
) -> Result<Answer, CannotCheck> {
    let mut resting = Resting::on(&question);
    let mut asking = Asking::new(question);
    let mut rights = Rights::default();
    let foreseen = each_of(source, |act| {
        asking.foresee(&act);
        rights.learn(&act);
    });
    foreseen.await?;
    let mut acts = Vec::new();
    let read = each_of(source, |act| {
        let answers = asking.answers(&act);
        let rests = resting
            .as_mut()
            .is_some_and(|resting| resting.answers(&act, &rights));
        if (answers || rests) && act.index >= start {
            acts.push(act);
        }
    });
    let (origin, next) = read.await?;
    Ok(Answer {
        origin,
        acts,
        rights,
        next,
    })
}

/// Every act within a router's answer.
///
/// # Errors
///
/// [`SourceError`] when it does not answer, or an act is not what its entry commits to.
pub(super) async fn answered(
    live: &LiveSource,
    question: Question,
    start: u64,
) -> Result<(Vec<Act>, u64), SourceError> {
    let progress = drive::Progress::on_terminal();
    let mut reader = live.acts(question, start);
    let (mut acts, mut next) = (Vec::new(), start);
    while let Some(run) = reader.next().await? {
        progress.begin(start, run.end);
        progress.reached(run.next);
        acts.extend(run.acts);
        next = run.next;
    }
    progress.end();
    Ok((acts, next))
}

/// Looks up by which right each act disclosed: its deposit, and the basis that this names. Every look is a question of
/// its own, about one case, and stands in the log as one.
async fn look_up(live: &LiveSource, acts: &[Act], rights: &mut Rights) -> Result<(), SourceError> {
    async fn learn(
        live: &LiveSource,
        rights: &mut Rights,
        question: Question,
    ) -> Result<(), SourceError> {
        let (acts, _) = answered(live, question, 0).await?;
        acts.iter().for_each(|act| rights.learn(act));
        Ok(())
    }
    let about = |about| Question {
        about: Some(about),
        ..Question::default()
    };
    let disclosing: Vec<&Act> = acts.iter().filter(|act| act.discloses()).collect();
    if disclosing.iter().any(|act| act.event() == ACCESS_OPENED) {
        let asked = Question {
            classes: vec![ActClass::BreakGlass],
            ..Question::default()
        };
        learn(live, rights, asked).await?;
    }
    let unknown = disclosing.iter().filter(|act| rights.of(act).is_none());
    let offers: BTreeSet<OfferId> = unknown
        .filter_map(|act| act.text("offer")?.parse().ok())
        .collect();
    for offer in offers.into_iter().take(OFFERS_MAX) {
        learn(live, rights, about(About::Offer(offer))).await?;
    }
    let chains: BTreeSet<BasisChainId> = disclosing
        .iter()
        .filter_map(|act| match rights.of(act)? {
            Right::Basis {
                chain, kind: None, ..
            } => chain.parse().ok(),
            _ => None,
        })
        .collect();
    for chain in chains.into_iter().take(CHAINS_MAX) {
        learn(live, rights, about(About::Basis(chain))).await?;
    }
    Ok(())
}

async fn of_router(
    live: &LiveSource,
    question: Question,
    start: u64,
    origin: String,
) -> Result<Answer, CannotCheck> {
    let mut rights = Rights::default();
    let (mut acts, next) = answered(live, question.clone(), start).await?;
    acts.iter().for_each(|act| rights.learn(act));
    resting::look_up(live, &question, start, &mut rights, &mut acts).await?;
    look_up(live, &acts, &mut rights).await?;
    Ok(Answer {
        origin,
        acts,
        rights,
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_parse_strictly() {
        let shown = |text| moment(text).map(crate::cli::text::minute);
        assert_eq!(shown("2026-11-21").as_deref(), Ok("2026-11-21 00:00 UTC"));
        assert_eq!(
            shown("2024-02-29T23:59Z").as_deref(),
            Ok("2024-02-29 23:59 UTC")
        );
        for bad in [
            "",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-21T24:00Z",
            "2026-11-21T21:30",
            "2026-11-21T21:30:00Z",
            "2026-11-21-1",
            "+026-11-21",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
