//! A small town with real keys and a log of its acts: what tests audit, and tamper with.

use super::source::{AuditSource, SealedOpening, SignedCheckpoint, SourceError};
use crate::domain::basis::{Allow, Basis};
use crate::domain::directory::AgencyFacts;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId, ReferralId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::protocol::SHIPPED;
use crate::domain::random::Random;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::*;
use crate::envelope::act::{Act, ActBody, Approval, act_digest};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::bundle::{KeyBundleDraft, SealingPublicKey};
use crate::envelope::keys::{CertifiedSigner, KeyPairSigner, Signer, b64u, sha256};
use crate::envelope::statement::{
    COARSE, DIGEST_STEP, Forward, LabelledDigest, ParcelClaims, basis_commitment, labels_digest,
};
use crate::envelope::watermark::Watermark;
use crate::envelope::withdrawal::Withdrawal;
use crate::identity::authority::Authority;
use crate::ledger::checkpoint::{Checkpoint, CheckpointSigner};
use crate::ledger::decision::{Decision, Deposited};
use crate::ledger::entry::{Actor, Entry, EntryBody, Opening};
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::note::NoteSigner;
use crate::ledger::proof;
use crate::ledger::tree::{Edge, NoTiles};
use data_encoding::BASE64;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const ORIGIN: &str = "safeconduct.example";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A fixed stream.
pub(crate) struct Stream(u64);

impl Random for Stream {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&sha256(&self.0.to_be_bytes())[..chunk.len()]);
        }
    }
}

/// The labels of a triage parcel that the shipped protocol lets a shelter have.
pub(crate) const TRIAGE: &[(Category, Form)] = &[
    (Category::Language, Form::Whole),
    (Category::Age, Form::Band),
];

pub(crate) struct Town {
    authority: Authority,
    pub(crate) admins: [KeyPairSigner; 2],
    pub(crate) signers: BTreeMap<String, CertifiedSigner>,
    last_bundles: BTreeMap<String, (u64, [u8; 32])>,
    kids: BTreeMap<String, String>,
    random: Stream,
    pub(crate) now: Timestamp,
    pub(crate) log: Vec<(Vec<u8>, Option<SealedOpening>)>,
    pub(crate) chain: BasisChainId,
    pub(crate) case: CaseHandle,
    pub(crate) referral: ReferralId,
    seq: u64,
    parcels: BTreeMap<(OfferId, Stage), (ParcelId, String)>,
    /// What the next parcels claim to pass on.
    pub(crate) parent: Option<[u8; 32]>,
    /// When the next offers' person must be placed by.
    pub(crate) place_by: Option<Timestamp>,
}

pub(crate) fn agency(id: &str) -> AgencyId {
    id.parse().unwrap()
}

fn text(token: Vec<u8>) -> String {
    String::from_utf8(token).unwrap()
}

fn labels(list: &[(Category, Form)]) -> Vec<Label> {
    list.iter()
        .map(|&(category, form)| Label::new(category, form).unwrap())
        .collect()
}

impl Town {
    /// Begun, with the shipped protocol, an NGO and a shelter, their keys, and nothing else.
    pub(crate) fn new() -> Self {
        let mut random = Stream(0);
        let now = Timestamp::from_millis(1_794_000_600_000).unwrap();
        let authority = Authority::create(ORIGIN, now, &mut random).unwrap();
        let mut town = Self {
            authority,
            admins: [
                KeyPairSigner::generate().unwrap().0,
                KeyPairSigner::generate().unwrap().0,
            ],
            signers: BTreeMap::new(),
            last_bundles: BTreeMap::new(),
            kids: BTreeMap::new(),
            now,
            log: Vec::new(),
            chain: BasisChainId::from_random(random.array()),
            case: CaseHandle::from_random(random.array()),
            referral: ReferralId::from_random(random.array()),
            seq: 0,
            parcels: BTreeMap::new(),
            parent: None,
            place_by: None,
            random,
        };
        let pem = |admin: &KeyPairSigner| {
            let body = BASE64.encode(&admin.verifying_key().spki());
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
        };
        let administrators = town.admins.iter().map(pem).collect();
        let roots = town.authority.root_pem().to_owned();
        let begun = Decision::Initialised {
            origin: ORIGIN.into(),
            administrators,
            roots,
            operator: "operator".into(),
        };
        town.push(Actor::Admin, begun);
        town.approve(ActBody::PublishProtocol {
            version: 1,
            toml: SHIPPED.into(),
        });
        town.enrol("ngo", AgencyKind::Ngo);
        town.enrol("shelter", AgencyKind::Shelter);
        town.tick();
        town
    }

    /// A night's ordinary work: a basis, an offer opened, accepted, opened again.
    pub(crate) fn ordinary() -> Self {
        let mut town = Self::new();
        town.record_basis();
        let offer = town.offer(TRIAGE);
        town.open(offer, Stage::Triage);
        town.moved(offer, OfferState::Accepted);
        town.deposit(offer, Stage::Accepted, &[(Category::Identity, Form::Alias)]);
        town.open(offer, Stage::Accepted);
        town.tick();
        town
    }

    pub(crate) fn next(&self) -> u64 {
        self.log.len() as u64
    }

    pub(crate) fn push(&mut self, by: Actor, decision: Decision) -> u64 {
        let opening = Opening {
            nonce: self.random.array(),
            decision,
        };
        let entry = Entry::committed(by, self.now, &opening);
        let given = SealedOpening {
            index: self.next(),
            nonce: opening.nonce.to_vec(),
            decision: opening.decision_bytes(),
        };
        self.log.push((entry.encode().unwrap(), Some(given)));
        self.step()
    }

    pub(crate) fn push_body(&mut self, by: Actor, body: EntryBody) -> u64 {
        let entry = Entry {
            by,
            at: self.now,
            body,
        };
        self.log.push((entry.encode().unwrap(), None));
        self.step()
    }

    fn step(&mut self) -> u64 {
        self.now = self.now.plus(Duration::from_secs(1));
        self.next() - 1
    }

    pub(crate) fn by(id: &str) -> Actor {
        Actor::Agency(agency(id))
    }

    pub(crate) fn tick(&mut self) -> u64 {
        self.push_body(Actor::Router, EntryBody::Tick)
    }

    pub(crate) fn act(&self, body: ActBody) -> String {
        let act = Act {
            issued: self.now,
            origin: ORIGIN.into(),
            body,
        };
        text(act.sign(&self.admins[0]).unwrap())
    }

    pub(crate) fn approval(&self, act: &str, by: &dyn Signer) -> String {
        let approval = Approval {
            issued: self.now,
            act: act_digest(act.as_bytes()),
        };
        text(approval.sign(by).unwrap())
    }

    pub(crate) fn approve(&mut self, body: ActBody) -> u64 {
        let statement = self.act(body);
        let approval = self.approval(&statement, &self.admins[1]);
        let proposal = "p".into();
        self.push(
            Actor::Admin,
            Decision::Approved {
                proposal,
                statement,
                approval,
            },
        )
    }

    pub(crate) fn enrol(&mut self, id: &str, kind: AgencyKind) {
        self.approve(ActBody::Enrol {
            agency: agency(id),
            kind,
            parent: None,
        });
        self.certify(id);
        let bundle = self.bundle(id);
        self.push_body(Self::by(id), EntryBody::Keys { bundle });
    }

    /// Gives an agency a signing certificate.
    pub(crate) fn certify(&mut self, id: &str) {
        let issued = self
            .authority
            .issue_agency(&agency(id), self.now, 90 * DAY, &mut self.random)
            .unwrap()
            .signing;
        let chain = vec![issued.certificate.to_vec(), issued.issuer.to_vec()];
        let signer = CertifiedSigner::new(&issued.key_pkcs8().unwrap(), chain).unwrap();
        self.signers.insert(id.into(), signer);
    }

    /// The next key bundle of an agency, signed.
    pub(crate) fn bundle(&mut self, id: &str) -> String {
        let mut key = vec![0; 1216];
        self.random.fill(&mut key);
        let validity = Period {
            from: self.now.coarse(DAY),
            until: self.now.coarse(DAY).plus(60 * DAY),
        };
        let sealing = SealingPublicKey::new(key, validity).unwrap();
        self.kids.insert(id.into(), sealing.kid().into());
        let last = self.last_bundles.get(id).copied();
        let seq = last.map_or(1, |(seq, _)| seq + 1);
        let draft = KeyBundleDraft {
            agency: agency(id),
            seq,
            prev: last.map(|(_, digest)| digest),
            issued: self.now,
            expires: self.now.plus(34 * DAY),
            sealing_keys: vec![sealing],
            staff_keys: vec![],
            facts: AgencyFacts::default(),
        };
        let token = draft.sign(&self.signers[id]).unwrap();
        self.last_bundles.insert(id.into(), (seq, sha256(&token)));
        text(token)
    }

    /// The next basis statement of the chain.
    pub(crate) fn basis(&mut self, allowed: &[(Category, Form)]) -> String {
        self.seq += 1;
        let labels: LabelSet = labels(allowed).into_iter().collect();
        let statement = BasisStatement {
            basis: Basis {
                chain: self.chain,
                source: agency("ngo"),
                recipient: agency("shelter"),
                case: self.case,
                seq: self.seq,
                from: Timestamp::from_seconds(self.now.seconds()).unwrap(),
                kind: BasisKind::Consent,
                allows: vec![Allow {
                    purposes: vec![Purpose::SafeAccommodation],
                    labels: labels.closed(),
                    asked: Asked::Bundle,
                    until: Timestamp::from_seconds(self.now.plus(20 * DAY).seconds()).unwrap(),
                    reply: false,
                }],
                given_by: GivenBy::Itself,
                asked_alone: true,
                interpreter: InterpreterClass::NoneNeeded,
                child_told: ChildTold::NotApplicable,
                for_child: Default::default(),
            },
            issued: self.now,
            evidence: [0; 32],
        };
        text(statement.sign(&self.signers["ngo"]).unwrap())
    }

    pub(crate) fn record_basis(&mut self) -> u64 {
        let allowed = [TRIAGE, &[(Category::Identity, Form::Alias)]].concat();
        let statement = self.basis(&allowed);
        self.push(
            Self::by("ngo"),
            Decision::BasisRecorded {
                statement,
                staff: "s1".into(),
            },
        )
    }

    pub(crate) fn withdraw(&mut self) -> u64 {
        self.seq += 1;
        let withdrawal = Withdrawal {
            chain: self.chain,
            source: agency("ngo"),
            recipient: agency("shelter"),
            case: self.case,
            seq: self.seq,
            issued: self.now,
            erase: false,
            leave: false,
        };
        let statement = text(withdrawal.sign(&self.signers["ngo"]).unwrap());
        self.push(
            Self::by("ngo"),
            Decision::BasisWithdrawn {
                statement,
                staff: "s1".into(),
            },
        )
    }

    /// A parcel for the shelter, signed by `signer`.
    pub(crate) fn parcel(
        &mut self,
        stage: Stage,
        list: &[(Category, Form)],
        signer: &str,
    ) -> Deposited {
        let mut items: Vec<LabelledDigest> = labels(list)
            .into_iter()
            .map(|label| LabelledDigest {
                digest: self.random.array(),
                label,
            })
            .collect();
        items.sort_by_key(|item| item.digest);
        let mut digests: Vec<[u8; 32]> = items.iter().map(|item| item.digest).collect();
        digests.resize_with(digests.len().next_multiple_of(DIGEST_STEP), || {
            self.random.array()
        });
        digests.sort_unstable();
        let (salt, parcel) = (
            self.random.array(),
            ParcelId::from_random(self.random.array()),
        );
        let claims = ParcelClaims {
            issuer: agency(signer),
            recipient: agency("shelter"),
            parcel,
            issued: self.now.coarse(COARSE),
            expires: self.now.coarse(COARSE).plus(20 * DAY),
            purpose: Purpose::SafeAccommodation,
            stage,
            kid: self.kids["shelter"].clone(),
            sealed_key: [1; 32],
            basis: basis_commitment(&salt, &self.chain),
            labels: labels_digest(&items),
            forward: Forward::default(),
            digests,
            supersedes: None,
            parent: self.parent,
        };
        let item = |item: &LabelledDigest| crate::ledger::decision::LabelledDigest {
            d: b64u(&item.digest),
            cat: item.label.category().to_string(),
            form: item.label.form().to_string(),
        };
        Deposited {
            parcel: parcel.to_string(),
            stage: stage.to_string(),
            statement: text(claims.sign(&self.signers[signer]).unwrap()),
            labels: items.iter().map(item).collect(),
            chain: self.chain.to_string(),
            salt: b64u(&salt),
            protocol: 1,
            gate: 1,
        }
    }

    pub(crate) fn offered(&mut self, deposit: Deposited) -> (OfferId, u64) {
        self.offered_on(deposit, None)
    }

    /// An offer that claims to pass on what another one told.
    pub(crate) fn offered_on(
        &mut self,
        deposit: Deposited,
        forwards: Option<OfferId>,
    ) -> (OfferId, u64) {
        let offer = OfferId::from_random(self.random.array());
        self.remember(offer, &deposit);
        let decision = Decision::Offered {
            offer: offer.to_string(),
            referral: self.referral.to_string(),
            case: self.case.to_string(),
            recipient: "shelter".into(),
            purpose: Purpose::SafeAccommodation.to_string(),
            urgency: Urgency::Immediate.to_string(),
            decide_by: self.now.plus(Duration::from_secs(1800)).millis(),
            place_by: self.place_by.map(Timestamp::millis),
            deposits: vec![deposit],
            forwards: forwards.map(|offer| offer.to_string()),
            staff: "s1".into(),
        };
        (offer, self.push(Self::by("ngo"), decision))
    }

    fn remember(&mut self, offer: OfferId, deposit: &Deposited) {
        let key = (offer, deposit.stage.parse().unwrap());
        let hash = b64u(&sha256(deposit.statement.as_bytes()));
        self.parcels
            .insert(key, (deposit.parcel.parse().unwrap(), hash));
    }

    /// Another person from here on, with a basis recorded.
    pub(crate) fn next_person(&mut self) {
        self.chain = BasisChainId::from_random(self.random.array());
        self.case = CaseHandle::from_random(self.random.array());
        self.referral = ReferralId::from_random(self.random.array());
        self.seq = 0;
        self.record_basis();
    }

    pub(crate) fn offer(&mut self, list: &[(Category, Form)]) -> OfferId {
        let deposit = self.parcel(Stage::Triage, list, "ngo");
        self.offered(deposit).0
    }

    pub(crate) fn deposit(
        &mut self,
        offer: OfferId,
        stage: Stage,
        list: &[(Category, Form)],
    ) -> u64 {
        let deposit = self.parcel(stage, list, "ngo");
        self.remember(offer, &deposit);
        let decision = Decision::Deposited {
            offer: offer.to_string(),
            deposit,
            staff: "s1".into(),
        };
        self.push(Self::by("ngo"), decision)
    }

    pub(crate) fn open(&mut self, offer: OfferId, stage: Stage) -> u64 {
        let (parcel, statement_hash) = self.parcels[&(offer, stage)].clone();
        let decision = Decision::Opened {
            offer: offer.to_string(),
            stage: stage.to_string(),
            parcel: parcel.to_string(),
            statement_hash,
            protocol: 1,
            gate: 1,
            staff: "s2".into(),
        };
        self.push(Self::by("shelter"), decision)
    }

    pub(crate) fn moved(&mut self, offer: OfferId, to: OfferState) -> u64 {
        let decision = Decision::OfferMoved {
            offer: offer.to_string(),
            to: to.to_string(),
            reason: None,
            decliner: None,
            outcome: None,
            staff: "s2".into(),
        };
        self.push(Self::by("shelter"), decision)
    }

    /// What `auditor` signs and has recorded after a replay of so many entries with this root.
    pub(crate) fn watermark(&mut self, auditor: &str, upto: u64, root: [u8; 32]) -> u64 {
        let watermark = Watermark {
            auditor: agency(auditor),
            origin: ORIGIN.into(),
            upto,
            root,
            report: [2; 32],
            issued: self.now,
        };
        let statement = text(watermark.sign(&self.signers[auditor]).unwrap());
        let staff = "a".into();
        self.push(
            Self::by(auditor),
            Decision::WatermarkRecorded { statement, staff },
        )
    }

    pub(crate) fn source(&self) -> Memory {
        Memory {
            log: self.log.clone(),
            seed: [42; 32],
        }
    }
}

/// A log in memory, signed with a fixed key.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) log: Vec<(Vec<u8>, Option<SealedOpening>)>,
    pub(crate) seed: [u8; 32],
}

impl Memory {
    fn signer(&self) -> NoteSigner {
        NoteSigner::ed25519(ORIGIN, &self.seed).unwrap()
    }

    pub(crate) fn vkey(&self) -> String {
        self.signer().vkey()
    }

    pub(crate) fn edge(&self) -> Edge {
        let mut edge = Edge::new();
        for (entry, _) in &self.log {
            let _ = edge.append(leaf(entry));
        }
        edge
    }

    pub(crate) fn note(&self) -> String {
        let edge = self.edge();
        CheckpointSigner::begin(self.signer())
            .advance(edge.size(), edge.root(), &[])
            .unwrap()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let edge = self.edge();
        Checkpoint {
            origin: ORIGIN.into(),
            size: edge.size(),
            root: edge.root(),
        }
    }

    fn slice(&self, start: u64, count: u64) -> &[(Vec<u8>, Option<SealedOpening>)] {
        let start = usize::try_from(start).unwrap();
        // Shorter than asked, as a router with a limit on a message's bytes gives.
        let end = (start + usize::try_from(count).unwrap().min(100)).min(self.log.len());
        &self.log[start..end]
    }
}

impl AuditSource for Memory {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        Ok(SignedCheckpoint {
            note: self.note(),
            vkey: Some(self.vkey()),
        })
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        Ok(self
            .slice(start, count)
            .iter()
            .map(|(entry, _)| entry.clone())
            .collect())
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        Ok(self
            .slice(start, count.min(7))
            .iter()
            .map(|(_, opening)| opening.clone())
            .collect())
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        proof::consistency(&self.edge(), &NoTiles, old, new)
            .map_err(|error| SourceError::Damaged(error.to_string()))
    }
}
