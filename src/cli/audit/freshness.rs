//! How fresh the log is that an audit was shown, and who besides its keeper vouches for it.

use super::{CannotCheck, Outcome};
use crate::audit::finding::{Finding, Problem};
use crate::audit::verify::TICK_EVERY;
use crate::cli::text::{minute, wrapped};
use crate::client::session::system_clock;
use crate::domain::time::Timestamp;
use crate::ledger::note::NoteVerifier;
use crate::ledger::policy::Policy;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Whose word the auditor asks for.
#[derive(Debug, Clone, Args)]
pub(super) struct FreshnessArgs {
    /// Witnesses that must have cosigned the checkpoint (a C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl FreshnessArgs {
    /// Adds what is not fresh, or not vouched for, to what was found; gives the lines for people.
    ///
    /// # Errors
    ///
    /// [`CannotCheck::Receipt`] when the policy cannot be read.
    pub(super) fn look(
        &self,
        outcome: &mut Outcome,
        live: bool,
    ) -> Result<Vec<String>, CannotCheck> {
        let policy = self
            .policy
            .as_deref()
            .map(super::receipt::policy)
            .transpose()?;
        let log = NoteVerifier::parse(&outcome.key).map_err(|_| CannotCheck::Key)?;
        let (witnesses, findings) = look(&Shown {
            note: &outcome.note,
            log: &log,
            policy: policy.as_ref(),
            last_tick: outcome.report.last_tick,
            now: live.then(|| system_clock()()),
        });
        outcome.report.findings.extend(findings);
        let mut lines = vec!["Freshness:".to_owned()];
        lines.extend(
            outcome
                .report
                .last_tick
                .map(|tick| wrapped("     newest tick ", &minute(tick))),
        );
        for (name, at) in &witnesses {
            let said = format!("cosigned by {name} at {}", minute(*at));
            lines.push(wrapped("     ", &said));
        }
        if policy.is_none_or(|policy| policy.asks_nobody()) {
            let said = "NO WITNESS WAS ASKED whether others are shown the same log: name some with --policy, or have \
                        an agency compare its checkpoint";
            lines.push(wrapped("   - ", said));
        }
        Ok(lines)
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
pub(super) fn look(shown: &Shown<'_>) -> (Vec<(String, Timestamp)>, Vec<Finding>) {
    let mut findings = Vec::new();
    let old = |at: Timestamp, age: Duration| shown.now.is_some_and(|now| at.plus(age) < now);
    if let Some(tick) = shown.last_tick
        && old(tick, TICK_AGE_MAX)
    {
        let since = shown.now.map_or(0, |now| now.millis() - tick.millis());
        findings.push(Problem::OldLog(since / 60_000).overall());
    }
    let Some(policy) = shown.policy else {
        return (Vec::new(), findings);
    };
    let Ok(cosigned) = policy.check_by(shown.log, shown.note) else {
        findings.push(Problem::NotVouched.overall());
        return (Vec::new(), findings);
    };
    if !cosigned.quorum {
        findings.push(Problem::NotVouched.overall());
    } else if cosigned
        .vouched
        .is_some_and(|vouched| old(vouched, VOUCHED_AGE_MAX))
    {
        findings.push(Problem::VouchedLongAgo.overall());
    }
    (cosigned.witnesses, findings)
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
        let (witnesses, findings) = look(&shown);
        assert_eq!(witnesses.len(), usize::from(cosigned.is_some()));
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
