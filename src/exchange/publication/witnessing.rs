//! Asking the witnesses: every second while the log grows, every ten minutes while it rests.

use super::super::Exchange;
use super::super::sequencer::Published;
use super::{Cosigned, WhenMissing, WitnessRules};
use crate::ledger::cosignature::CosignatureVerifier;
use crate::ledger::note::unverified_text;
use crate::ledger::proof;
use crate::ledger::witness::Submission;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Least time between two rounds while the log grows.
const BUSY_EVERY: Duration = Duration::from_secs(1);

/// Time to the next round while nothing grows: how fresh a resting log is.
const IDLE_EVERY: Duration = Duration::from_secs(10 * 60);

/// Time to the next round while a witness is missing.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// How long one witness may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long the others are waited for once there are enough.
const GRACE: Duration = Duration::from_millis(300);

/// How often one witness is asked in a round: it may know an older size, once, and a race may move it, once.
const ATTEMPTS_MAX: usize = 3;

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReply {
    /// HTTP status.
    pub status: u16,
    /// Whether the body is the size that the witness cosigned last.
    pub tells_size: bool,
    /// The body.
    pub body: String,
}

/// The way to one witness. How bytes get there is not the exchange's business.
pub trait WitnessLine: Send + Sync {
    /// Sends the body of an `add-checkpoint` request; the error says what failed, for the operator.
    fn post(
        &self,
        body: String,
    ) -> Pin<Box<dyn Future<Output = Result<WitnessReply, String>> + Send + '_>>;
}

/// Why a witness has not cosigned. The texts are for the operator, and say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It does not answer.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// 404.
    #[error("it does not know this log: give its operator the log's verifier key")]
    UnknownLog,
    /// 403.
    #[error("it knows another key for this log: give its operator the log's verifier key")]
    OtherKey,
    /// 409 with a size past ours.
    #[error(
        "it has cosigned {theirs} entries of this log, and this router has only {ours}: the store is an old copy, or a \
         second router runs with the same key. Stop this router now, since every act that it takes forks the log; \
         bring the store that has {theirs} entries back, or the newest backup with `safeconduct restore`, which says \
         how the log goes on. Do not touch the witness"
    )]
    Rewound {
        /// What the witness cosigned.
        theirs: u64,
        /// What this log has.
        ours: u64,
    },
    /// 409 for the same size, or 422.
    #[error(
        "it has cosigned another history of this log up to entry {0}: two routers have written with the same key. Stop \
         this router now, keep its store and its log as they are, and call the auditors. Do not touch the witness"
    )]
    Forked(u64),
    /// 200 without its cosignature.
    #[error(
        "it answers with something else than its cosignature: compare its verifier key with the settings"
    )]
    NotItsKey,
    /// The rest.
    #[error("it answers with status {0}")]
    Status(u16),
    /// Ours: a tile cannot be had.
    #[error("the proof for it could not be made")]
    NoProof,
}

impl Trouble {
    /// Whether the witness says that this log contradicts itself.
    #[must_use]
    pub const fn accuses(&self) -> bool {
        matches!(self, Self::Rewound { .. } | Self::Forked(_))
    }
}

/// One witness, between rounds.
struct Asked {
    verifier: CosignatureVerifier,
    line: Arc<dyn WitnessLine>,
    /// The size that it cosigned last, as far as we know; held while it is asked.
    known: Arc<Mutex<u64>>,
    /// What was last said about it.
    said: std::sync::Mutex<Option<Trouble>>,
}

impl Asked {
    /// Gives the signature line over the checkpoint of `published`.
    async fn ask(&self, published: &Arc<Published>, known: &mut u64) -> Result<String, Trouble> {
        let size = published.edge.size();
        let text = unverified_text(&published.checkpoint).map_err(|_| Trouble::NoProof)?;
        for _ in 0..ATTEMPTS_MAX {
            let old = *known;
            let submission = Submission {
                old,
                proof: proof_from(published, old).await?,
                note: published.checkpoint.to_string(),
            };
            let reply = tokio::time::timeout(ANSWER_MAX, self.line.post(submission.body())).await;
            let reply = match reply {
                Ok(reply) => reply.map_err(Trouble::Unreachable)?,
                Err(_) => return Err(Trouble::Unreachable("no answer in time".into())),
            };
            match reply.status {
                200 => {
                    let cosigned = format!("{text}\n{}", reply.body);
                    let line = self.verifier.newest(&cosigned).ok().flatten();
                    let (line, _) = line.ok_or(Trouble::NotItsKey)?;
                    *known = size;
                    return Ok(line);
                }
                409 if reply.tells_size => {
                    let theirs: Option<u64> = reply.body.trim_end_matches('\n').parse().ok();
                    let theirs = theirs.ok_or(Trouble::Status(409))?;
                    if theirs > size {
                        return Err(Trouble::Rewound { theirs, ours: size });
                    }
                    if theirs == old {
                        // The size was right, so it is the root that is not.
                        return Err(Trouble::Forked(theirs));
                    }
                    *known = theirs;
                }
                422 => return Err(Trouble::Forked(old)),
                404 => return Err(Trouble::UnknownLog),
                403 => return Err(Trouble::OtherKey),
                status => return Err(Trouble::Status(status)),
            }
        }
        Err(Trouble::Status(409))
    }

    /// Says what changed, once.
    fn say(&self, outcome: Option<&Trouble>) {
        let Ok(mut said) = self.said.lock() else {
            return;
        };
        let kind = |trouble: &Trouble| std::mem::discriminant(trouble);
        if said.as_ref().map(kind) == outcome.map(kind) {
            return;
        }
        let witness = self.verifier.name();
        match outcome {
            None => tracing::info!(witness, "the witness cosigns"),
            Some(why) if why.accuses() => {
                tracing::error!(alarm = true, witness, %why, "a witness accuses this log");
            }
            Some(why) => tracing::warn!(witness, %why, "the witness does not cosign"),
        }
        *said = outcome.cloned();
    }

    fn is_accusing(&self) -> bool {
        let said = self.said.lock();
        said.is_ok_and(|said| said.as_ref().is_some_and(Trouble::accuses))
    }
}

/// That the tree of `old` leaves begins the published one; may read tiles.
async fn proof_from(
    published: &Arc<Published>,
    old: u64,
) -> Result<Vec<crate::ledger::hash::Hash>, Trouble> {
    let size = published.edge.size();
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let published = Arc::clone(published);
    let making = tokio::task::spawn_blocking(move || {
        proof::consistency(&published.edge, published.tiles.as_ref(), old, size)
    });
    match making.await {
        Ok(Ok(proof)) => Ok(proof),
        _ => Err(Trouble::NoProof),
    }
}

impl Exchange {
    /// Asks the witnesses for ever; `lines` are in the order of the settings.
    ///
    /// Ends at once if no witness was named.
    pub async fn keep_witnessed(self: Arc<Self>, lines: Vec<Arc<dyn WitnessLine>>) {
        let Some(rules) = self.publication.rules.get().cloned() else {
            return;
        };
        if rules.required == 0 {
            tracing::warn!(
                "no witness is required: checkpoints are vouched for by this router alone"
            );
        }
        let verifiers = rules.witnesses.iter().cloned();
        let witnesses: Vec<Arc<Asked>> = verifiers
            .zip(lines)
            .map(|(verifier, line)| {
                Arc::new(Asked {
                    verifier,
                    line,
                    known: Arc::default(),
                    said: std::sync::Mutex::default(),
                })
            })
            .collect();
        if witnesses.is_empty() {
            return;
        }
        loop {
            let began = Instant::now();
            let published = self.sequencer.published();
            let size = published.edge.size();
            let all = if size == 0 {
                true
            } else {
                self.round(&rules, &witnesses, &published).await
            };
            tokio::time::sleep_until(began + BUSY_EVERY).await;
            let rest = if all { IDLE_EVERY } else { RETRY_EVERY };
            let grown = self.sequencer.published_past(size);
            // Whichever comes first; an error means that the exchange ends.
            if let Ok(Err(_)) = tokio::time::timeout_at(began + rest, grown).await {
                return;
            }
        }
    }

    /// One round; whether every witness cosigned.
    async fn round(
        &self,
        rules: &WitnessRules,
        witnesses: &[Arc<Asked>],
        published: &Arc<Published>,
    ) -> bool {
        let mut asking = JoinSet::new();
        for (at, witness) in witnesses.iter().enumerate() {
            // One that is still busy with the round before is not asked a second thing.
            let Ok(mut known) = Arc::clone(&witness.known).try_lock_owned() else {
                continue;
            };
            let (witness, published) = (Arc::clone(witness), Arc::clone(published));
            asking.spawn(async move {
                let outcome = witness.ask(&published, &mut known).await;
                witness.say(outcome.as_ref().err());
                (at, outcome.ok())
            });
        }
        let mut lines: Vec<Option<String>> = vec![None; witnesses.len()];
        let mut until = Instant::now() + ANSWER_MAX;
        let mut count = 0;
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, asking.join_next()).await {
            let Ok((at, Some(line))) = answer else {
                continue;
            };
            if let Some(slot) = lines.get_mut(at) {
                *slot = Some(line);
                count += 1;
            }
            if count == rules.required.max(1) {
                until = Instant::now() + GRACE;
            }
        }
        // Whoever has not answered goes on by itself: its connection is not torn down for being slow.
        asking.detach_all();
        self.conclude(rules, published, lines.into_iter().flatten().collect());
        let accusing = witnesses.iter().filter(|witness| witness.is_accusing());
        let accusing = accusing.count();
        self.publication.accusing.store(accusing, Ordering::Relaxed);
        count == witnesses.len()
    }

    /// Hands the checkpoint out if enough have cosigned it, and says when that changes.
    fn conclude(&self, rules: &WitnessRules, published: &Arc<Published>, lines: Vec<String>) {
        let publication = &self.publication;
        let count = lines.len();
        publication.cosigning.store(count, Ordering::Relaxed);
        let enough = count >= rules.required;
        if enough {
            let note = format!("{}{}", published.checkpoint, lines.concat());
            let cosigned = Cosigned {
                note: note.into(),
                published: Arc::clone(published),
            };
            publication.cosigned.send_replace(Some(cosigned));
        }
        let before = publication.holding.swap(enough, Ordering::Relaxed);
        let required = rules.required;
        if before && !enough {
            let withheld = match rules.missing {
                WhenMissing::Open => "checkpoints are handed out without them",
                WhenMissing::Closed => "checkpoints are withheld until they do",
            };
            tracing::error!(
                alarm = true,
                count,
                required,
                "too few witnesses cosign; {withheld}"
            );
        } else if enough && !before {
            tracing::info!(count, required, "enough witnesses cosign again");
        }
    }
}
