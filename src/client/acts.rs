//! An auditor's question to a live router: a stream that is taken up again where it broke, each act checked as it
//! comes.

use tonic::Streaming;

use super::audit::{LiveSource, unreadable};
use super::error::{ClientError, Reason, Refused};
use super::session::request_id;
use super::words;
use crate::audit::acts::Act;
use crate::audit::source::{SealedOpening, SourceError};
use crate::domain::vocabulary::{AccessFinding, ReviewRule};
use crate::ledger::decision::Decision;
use crate::ledger::question::{About, Question};
use crate::proto::v1;
use crate::proto::v1::act_filter::About as AboutField;
use crate::proto::v1::audit_service_client::AuditServiceClient;

/// How often a stream is taken up again without having come any further.
const RESUMED_MAX: u32 = 3;

/// What one run of the log holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ActRun {
    /// Acts, in order.
    pub acts: Vec<Act>,
    /// First index that was not looked at.
    pub next: u64,
    /// Where the answer ends.
    pub end: u64,
}

/// One question on its way through the log.
#[derive(Debug)]
pub struct ActReader {
    source: LiveSource,
    question: Question,
    next: u64,
    end: Option<u64>,
    stream: Option<Streaming<v1::ReadActsResponse>>,
    resumed: u32,
}

impl LiveSource {
    /// Asks a question of the log, from `start` on.
    #[must_use]
    pub fn acts(&self, question: Question, start: u64) -> ActReader {
        ActReader {
            source: self.clone(),
            question,
            next: start,
            end: None,
            stream: None,
            resumed: 0,
        }
    }

    /// Says what a finding comes to; with `confirms`, that somebody else said so rightly. Gives the index of the entry.
    ///
    /// # Errors
    ///
    /// As any call; [`ClientError::Log`] when the receipt does not verify.
    pub async fn dispose(
        &self,
        rule: ReviewRule,
        index: u64,
        finding: AccessFinding,
        confirms: bool,
    ) -> Result<u64, ClientError> {
        let (session, staff) = (self.session(), self.staff());
        let (rule_number, finding_number) = (
            words::review_rule_number(rule),
            words::access_finding_number(finding),
        );
        let (receipt, known) = if confirms {
            let request = v1::ConfirmDispositionRequest {
                request_id: request_id(),
                rule: rule_number,
                index,
                finding: finding_number,
            };
            let call = session.call_known(Some(staff), request, |channel, request| async move {
                let mut client = AuditServiceClient::new(channel);
                client.confirm_disposition(request).await
            });
            let (reply, known) = call.await?;
            (reply.receipt, known)
        } else {
            let request = v1::RecordDispositionRequest {
                request_id: request_id(),
                rule: rule_number,
                index,
                finding: finding_number,
            };
            let call = session.call_known(Some(staff), request, |channel, request| async move {
                let mut client = AuditServiceClient::new(channel);
                client.record_disposition(request).await
            });
            let (reply, known) = call.await?;
            (reply.receipt, known)
        };
        let proven = session.prove(staff, receipt.as_ref(), known).await?;
        let same = |named: &str, about: &u64, said: &str| {
            named == rule.name() && *about == index && said == finding.name()
        };
        let proven = proven.expect(|decision| match decision {
            Decision::DispositionRecorded {
                rule,
                about,
                finding,
                ..
            } => !confirms && same(rule, about, finding),
            Decision::DispositionConfirmed {
                rule,
                about,
                finding,
                ..
            } => confirms && same(rule, about, finding),
            _ => false,
        })?;
        Ok(proven.index)
    }
}

impl ActReader {
    /// The next run; none at the end of the log as it stood when the question was first asked.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; [`SourceError::Damaged`] when an act is not what its entry commits to.
    pub async fn next(&mut self) -> Result<Option<ActRun>, SourceError> {
        loop {
            if self.end.is_some_and(|end| self.next >= end) {
                return Ok(None);
            }
            let stream = match &mut self.stream {
                Some(stream) => stream,
                none => {
                    let begun = begin(&self.source, &self.question, self.next).await;
                    none.insert(begun.map_err(unreadable)?)
                }
            };
            match stream.message().await {
                Ok(Some(run)) => {
                    self.resumed = 0;
                    return self.take(run).map(Some);
                }
                Ok(None) => self.resume(None)?,
                Err(status) => self.resume(Some(&status))?,
            }
        }
    }

    /// Lets go of a stream that broke; the next one goes on from the same index.
    fn resume(&mut self, status: Option<&tonic::Status>) -> Result<(), SourceError> {
        self.stream = None;
        self.resumed += 1;
        let refused = status.map(Refused::from_status);
        let broke = refused
            .as_ref()
            .is_none_or(|refused| matches!(refused.reason, Reason::Unknown | Reason::Unavailable));
        if broke && self.resumed <= RESUMED_MAX {
            return Ok(());
        }
        let error = refused.map_or(ClientError::NoAnswer, ClientError::Refused);
        Err(unreadable(error))
    }

    fn take(&mut self, run: v1::ReadActsResponse) -> Result<ActRun, SourceError> {
        let wrong = || SourceError::Damaged("the router's acts are not in order".into());
        let end = *self.end.get_or_insert(run.end_index);
        let mut acts = Vec::with_capacity(run.acts.len());
        let mut least = self.next;
        for act in &run.acts {
            if act.index < least || act.index >= run.next_index {
                return Err(wrong());
            }
            least = act.index + 1;
            let read = read(act).map_err(|problem| {
                SourceError::Damaged(format!("entry {}: {problem}", act.index))
            })?;
            acts.push(read);
        }
        // A log that ends where the question begins has one empty run.
        if run.next_index < self.next || (run.next_index == self.next && self.next != end) {
            return Err(wrong());
        }
        self.next = run.next_index;
        // What was added while a broken stream was taken up again is another question's.
        acts.retain(|act| act.index < end);
        Ok(ActRun {
            acts,
            next: self.next,
            end,
        })
    }
}

fn read(act: &v1::Act) -> Result<Act, crate::audit::finding::Problem> {
    let opening = (!act.nonce.is_empty() || !act.decision.is_empty()).then(|| SealedOpening {
        index: act.index,
        nonce: act.nonce.clone(),
        decision: act.decision.clone(),
    });
    Act::read(act.index, &act.entry, opening.as_ref())
}

async fn begin(
    source: &LiveSource,
    question: &Question,
    start: u64,
) -> Result<Streaming<v1::ReadActsResponse>, ClientError> {
    let request = v1::ReadActsRequest {
        filter: Some(filter(question)),
        start,
    };
    let session = source.session();
    session
        .call(source.staff(), request, |channel, request| async move {
            AuditServiceClient::new(channel).read_acts(request).await
        })
        .await
}

fn filter(question: &Question) -> v1::ActFilter {
    let agency = question.agency.as_ref().map(words::agency_name);
    let staff = question.staff.as_ref();
    let classes = question.classes.iter();
    v1::ActFilter {
        about: question.about.map(|about| match about {
            About::Offer(offer) => AboutField::Offer(offer.to_string()),
            About::Referral(referral) => AboutField::Referral(referral.to_string()),
            About::CaseOf(offer) => AboutField::CaseOf(offer.to_string()),
            About::Basis(chain) => AboutField::Basis(chain.to_string()),
        }),
        agency: agency.unwrap_or_default(),
        staff: staff
            .map(|staff| staff.as_str().to_owned())
            .unwrap_or_default(),
        classes: classes
            .map(|class| words::act_class_number(*class))
            .collect(),
        since: question.since.map(words::to_proto_time),
        until: question.until.map(words::to_proto_time),
        events: question.events.iter().map(ToString::to_string).collect(),
    }
}
