//! How fresh the log is that an audit was shown, and who besides its keeper vouches for it.

use super::CannotCheck;
use crate::audit::finding::{Finding, Problem};
use crate::audit::verify::TICK_EVERY;
use crate::client::session::system_clock;
use crate::client::trust::POLICY_FILE;
use crate::domain::time::Timestamp;
use crate::ledger::note::NoteVerifier;
use crate::ledger::policy::Policy;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whose word the auditor asks for.
#[derive(Debug, Clone, Args)]
pub(super) struct FreshnessArgs {
    /// Witnesses that must have cosigned the checkpoint (a C2SP tlog-policy); `policy` in the trust folder if not given
    /// and there is one
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl FreshnessArgs {
    /// What to look for: the policy given, or the one pinned in the folder `trust`.
    ///
    /// # Errors
    ///
    /// [`CannotCheck::Receipt`] when the policy cannot be read.
    pub(super) fn look_for(&self, trust: Option<&Path>) -> Result<LookFor, CannotCheck> {
        let pinned = trust.map(|folder| folder.join(POLICY_FILE));
        let pinned = pinned.filter(|file| file.exists());
        let policy = self.policy.as_ref().or(pinned.as_ref());
        let policy = policy
            .map(|file| super::receipt::policy(file))
            .transpose()?;
        Ok(LookFor {
            policy,
            now: trust.map(|_| system_clock()()),
        })
    }
}

/// Whose word is asked for, and by which clock.
#[derive(Debug, Clone, Default)]
pub struct LookFor {
    /// The policy, if there is one.
    pub(super) policy: Option<Policy>,
    /// When a live log is looked at; none for a folder, which is as old as it is.
    pub(super) now: Option<Timestamp>,
}

/// Who besides the log's keeper saw its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eyes {
    /// Whether anybody was asked for.
    pub asked: bool,
    /// Witnesses that count, by the policy's names, and when they cosigned.
    pub witnesses: Vec<(String, Timestamp)>,
    /// When a whole quorum had vouched; none without one.
    pub vouched: Option<Timestamp>,
}

impl Eyes {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.witnesses.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn json(&self) -> Vec<Value> {
        let one = |(name, at): &(String, Timestamp)| json!({"name": name, "time_ms": at.millis()});
        self.witnesses.iter().map(one).collect()
    }
}

/// How old the newest tick of a live log may be: one that is being written, and one that came late.
pub(super) const TICK_AGE_MAX: Duration = Duration::from_secs(2 * TICK_EVERY.as_secs() + 60);

/// How old the quorum's word may be: witnesses are asked again with every checkpoint, and at least every ten minutes.
pub(super) const VOUCHED_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// What was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The signed checkpoint.
    pub(super) note: &'a str,
    /// The log's key.
    pub(super) log: &'a NoteVerifier,
    /// Whose word the auditor asks for.
    pub(super) policy: Option<&'a Policy>,
    /// The newest tick, where entries were read.
    pub(super) last_tick: Option<Timestamp>,
    /// When it was looked at; none for a folder, which is as old as it is.
    pub(super) now: Option<Timestamp>,
}

/// The witnesses that count, and what is not as it must be.
pub(super) fn look(shown: &Shown<'_>) -> (Eyes, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut eyes = Eyes {
        asked: shown.policy.is_some_and(|policy| !policy.asks_nobody()),
        ..Eyes::default()
    };
    let old = |at: Timestamp, age: Duration| shown.now.is_some_and(|now| at.plus(age) < now);
    if let Some(tick) = shown.last_tick
        && old(tick, TICK_AGE_MAX)
    {
        let since = shown.now.map_or(0, |now| now.millis() - tick.millis());
        findings.push(Problem::OldLog(since / 60_000).overall());
    }
    let Some(policy) = shown.policy else {
        return (eyes, findings);
    };
    let Ok(cosigned) = policy.check_by(shown.log, shown.note) else {
        findings.push(Problem::NotVouched.overall());
        return (eyes, findings);
    };
    if !cosigned.quorum {
        findings.push(Problem::NotVouched.overall());
    } else if cosigned
        .vouched
        .is_some_and(|vouched| old(vouched, VOUCHED_AGE_MAX))
    {
        findings.push(Problem::VouchedLongAgo.overall());
    }
    eyes.vouched = cosigned.vouched;
    eyes.witnesses = cosigned.witnesses;
    (eyes, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::checkpoint::Checkpoint;
    use crate::ledger::cosignature::Cosigner;
    use crate::ledger::hash::EMPTY_ROOT;
    use crate::ledger::note::NoteSigner;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn now() -> Timestamp {
        Timestamp::from_millis(1_794_000_000_000).unwrap()
    }

    /// What is found at [`now`] of a log whose newest tick and cosignature are so old.
    fn found(tick: Duration, cosigned: Option<Duration>, live: bool) -> Vec<&'static str> {
        let signer = NoteSigner::ed25519("safeconduct.example", &[7; 32]).unwrap();
        let witness = Cosigner::ed25519("witness.example", &[9; 32]).unwrap();
        let checkpoint = Checkpoint {
            origin: "safeconduct.example".into(),
            size: 0,
            root: EMPTY_ROOT,
        };
        let mut note = signer.sign(&checkpoint);
        if let Some(age) = cosigned {
            note += &witness.cosign(&checkpoint.text(), now().minus(age));
        }
        let policy = format!("witness w {}\nquorum w\n", witness.vkey());
        let policy = Policy::parse(&policy).unwrap();
        let log = NoteVerifier::parse(&signer.vkey()).unwrap();
        let shown = Shown {
            note: &note,
            log: &log,
            policy: Some(&policy),
            last_tick: Some(now().minus(tick)),
            now: live.then_some(now()),
        };
        let (eyes, findings) = look(&shown);
        assert_eq!(eyes.witnesses.len(), usize::from(cosigned.is_some()));
        assert_eq!(
            (eyes.asked, eyes.vouched.is_some()),
            (true, cosigned.is_some())
        );
        findings
            .iter()
            .map(|finding| finding.problem.code())
            .collect()
    }

    #[test]
    fn a_log_that_ticks_and_that_its_witnesses_saw_lately_is_fresh() {
        assert_eq!(found(TICK_EVERY, Some(TICK_EVERY), true), [""; 0]);
    }

    #[test]
    fn a_log_that_stands_still_or_that_witnesses_did_not_see_is_told() {
        assert_eq!(found(HOUR, Some(TICK_EVERY), true), ["OLD_LOG"]);
        assert_eq!(found(TICK_EVERY, None, true), ["NOT_VOUCHED"]);
        assert_eq!(
            found(TICK_EVERY, Some(2 * HOUR), true),
            ["VOUCHED_LONG_AGO"]
        );
        // A folder is as old as it is; who vouched for it counts all the same.
        assert_eq!(found(HOUR, Some(2 * HOUR), false), [""; 0]);
        assert_eq!(found(HOUR, None, false), ["NOT_VOUCHED"]);
    }
}
