//! Carried referrals: each sealing and each release decided again by the gate.

use super::{Act, Problem, Replay, SKEW};
use crate::domain::gate::{self, BasisHead, GATE_VERSION, Proposal, Refusal};
use crate::domain::id::CarriedId;
use crate::domain::protocol::Protocol;
use crate::domain::vocabulary::{AgencyKind, Stage};
use crate::envelope::jws::digest_from_b64u;
use crate::envelope::outward::OutwardStatement;
use crate::ledger::decision::Decision;

/// A carried referral as recorded.
#[derive(Debug)]
pub(super) struct Carried(OutwardStatement);

impl Replay {
    pub(super) fn carried(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        match decision {
            Decision::CarriedRecorded {
                carried,
                statement,
                protocol,
                gate,
                ..
            } => {
                self.counts.deposits += 1;
                let source = act.agency()?;
                self.agencies.member(source)?;
                let key = self
                    .agencies
                    .signer_of(source, statement.as_bytes(), act.at)?;
                let parsed =
                    OutwardStatement::parse(statement.as_bytes(), key).map_err(Problem::Parcel)?;
                let name = (source.clone(), parsed.carried);
                if parsed.carried.to_string() != *carried || self.carried.contains_key(&name) {
                    return Err(Problem::Decision);
                }
                if !parsed.stands(act.at, SKEW) {
                    return Err(Problem::ParcelTime);
                }
                let decided = self.judge(act, &parsed, *protocol, *gate, false);
                self.carried.insert(name, Carried(parsed));
                decided
            }
            Decision::CarriedReleased {
                carried,
                request,
                protocol,
                gate,
                ..
            } => {
                self.counts.disclosures += 1;
                let source = act.agency()?;
                self.agencies.member(source)?;
                let id: CarriedId = carried.parse().map_err(|_| Problem::Decision)?;
                digest_from_b64u(request).ok_or(Problem::Decision)?;
                let kept = self
                    .carried
                    .get(&(source.clone(), id))
                    .ok_or(Problem::NoParcel)?;
                if act.at >= kept.0.expires {
                    return Err(Problem::ParcelTime);
                }
                self.judge(act, &kept.0, *protocol, *gate, true)?;
                self.counts.covered += 1;
                Ok(())
            }
            _ => Err(Problem::Decision),
        }
    }

    /// The gate, as the router ran it, at the time of the entry.
    fn judge(
        &self,
        act: Act<'_>,
        statement: &OutwardStatement,
        version: u64,
        gate: u32,
        release: bool,
    ) -> Result<(), Problem> {
        if gate != GATE_VERSION {
            return Err(Problem::GateVersion(gate));
        }
        let protocol = self
            .administration
            .protocol()
            .ok_or(Problem::ProtocolVersion)?;
        if Protocol::version(protocol) != version {
            return Err(Problem::ProtocolVersion);
        }
        let proposal = Proposal {
            source: &statement.source,
            recipient: &statement.recipient,
            recipient_kind: AgencyKind::NonMember,
            purpose: statement.purpose,
            stage: Stage::Accepted,
            labels: statement.labels,
        };
        let head = self.bases.head(&statement.source, statement.chain)?;
        match (gate::permit(&proposal, head, protocol, act.at), head) {
            (Ok(_), _) => Ok(()),
            (Err(Refusal::NotInForce), BasisHead::Withdrawn) if release => {
                Err(Problem::AfterWithdrawal)
            }
            (Err(refusal), _) if release => Err(Problem::NotCovered(refusal)),
            (Err(refusal), _) => Err(Problem::DepositNotCovered(refusal)),
        }
    }
}
