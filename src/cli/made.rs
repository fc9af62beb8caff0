//! A log made at once, without a router: a town with real keys that signs what agencies sign, one night after another.
//!
//! For campaigns and measurements that need a long log that replays clean. Nobody is in it.

use std::time::Duration;

use data_encoding::BASE64;

use crate::audit::source::{AuditSource, SealedOpening, SignedCheckpoint, SourceError};
use crate::audit::verify::TICK_EVERY;
use crate::client::random::SystemRandom;
use crate::domain::basis::{Allow, Basis};
use crate::domain::directory::AgencyFacts;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId, ReferralId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::protocol::SHIPPED;
use crate::domain::random::Random as _;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{
    AgencyKind, Asked, BasisKind, Category, ChildTold, Form, GivenBy, InterpreterClass, OfferState,
    Purpose, Stage, Urgency,
};
use crate::envelope::act::{Act, ActBody, Approval, act_digest};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::bundle::{KeyBundleDraft, SEALING_KEY_BYTES, SealingPublicKey};
use crate::envelope::keys::{CertifiedSigner, KeyPairSigner, Signer as _, b64u, sha256};
use crate::envelope::statement::{
    COARSE, DIGEST_STEP, Forward, LabelledDigest, ParcelClaims, basis_commitment, labels_digest,
};
use crate::identity::authority::{Authority, LEAF_LIFETIME};
use crate::ledger::checkpoint::CheckpointSigner;
use crate::ledger::decision::{Decision, Deposited, LabelledDigest as DecidedDigest};
use crate::ledger::entry::{Actor, Entry, EntryBody, Opening};
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::note::NoteSigner;
use crate::ledger::proof;
use crate::ledger::tree::{Edge, NoTiles};

/// The log's name.
pub const ORIGIN: &str = "made.example";

/// Between two acts.
const STEP: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a basis is in force.
const BASIS_FOR: Duration = Duration::from_secs(20 * 24 * 60 * 60);

/// What the shipped protocol lets a shelter have at triage, and after it accepted.
const TRIAGE: [(Category, Form); 2] = [
    (Category::Language, Form::Whole),
    (Category::Age, Form::Band),
];
const ACCEPTED: [(Category, Form); 1] = [(Category::Identity, Form::Alias)];

/// An entry, and what opens it.
pub type Kept = (Vec<u8>, Option<SealedOpening>);

/// One person's case.
struct Person {
    chain: BasisChainId,
    case: CaseHandle,
    referral: ReferralId,
}

/// The town, while its log is being made.
struct Town {
    now: Timestamp,
    ticked: Timestamp,
    log: Vec<Kept>,
    admins: [KeyPairSigner; 2],
    ngo: CertifiedSigner,
    kid: String,
}

fn id(name: &str) -> AgencyId {
    name.parse().expect("the names here are agencies' ids")
}

fn text(token: Vec<u8>) -> String {
    String::from_utf8(token).expect("a compact JWS is ASCII")
}

fn labels(list: &[(Category, Form)]) -> Vec<Label> {
    list.iter()
        .map(|&(category, form)| Label::new(category, form).expect("the category has the form"))
        .collect()
}

impl Town {
    fn begin() -> Self {
        let now = Timestamp::from_millis(1_794_000_600_000).expect("a time in 2026");
        let mut authority =
            Authority::create(ORIGIN, now, &mut SystemRandom).expect("an authority is made");
        let admins = [(); 2].map(|()| KeyPairSigner::generate().expect("keys are made").0);
        let ngo = certified(&mut authority, "ngo", now);
        let shelter = certified(&mut authority, "shelter", now);
        let pem = |admin: &KeyPairSigner| {
            let body = BASE64.encode(&admin.verifying_key().spki());
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
        };
        let begun = Decision::Initialised {
            origin: ORIGIN.into(),
            administrators: admins.iter().map(pem).collect(),
            roots: authority.root_pem().to_owned(),
            operator: "operator".into(),
        };
        let mut town = Self {
            now,
            ticked: now,
            log: Vec::new(),
            admins,
            ngo,
            kid: String::new(),
        };
        town.push(Actor::Admin, begun);
        town.approve(ActBody::PublishProtocol {
            version: 1,
            toml: SHIPPED.into(),
        });
        for (name, kind) in [("ngo", AgencyKind::Ngo), ("shelter", AgencyKind::Shelter)] {
            town.approve(ActBody::Enrol {
                agency: id(name),
                kind,
                parent: None,
            });
        }
        let bundle = town.bundle("ngo", None);
        town.push_body(Actor::Agency(id("ngo")), EntryBody::Keys { bundle });
        let bundle = town.bundle("shelter", Some(&shelter));
        town.push_body(Actor::Agency(id("shelter")), EntryBody::Keys { bundle });
        town.push_body(Actor::Router, EntryBody::Tick);
        town
    }

    fn push(&mut self, by: Actor, decision: Decision) {
        if self.now >= self.ticked.plus(TICK_EVERY) {
            self.ticked = self.now;
            self.push_body(Actor::Router, EntryBody::Tick);
        }
        let opening = Opening {
            nonce: SystemRandom.array(),
            decision,
        };
        let entry = Entry::committed(by, self.now, &opening);
        let given = SealedOpening {
            index: self.log.len() as u64,
            nonce: opening.nonce.to_vec(),
            decision: opening.decision_bytes(),
        };
        self.keep(&entry, Some(given));
    }

    fn push_body(&mut self, by: Actor, body: EntryBody) {
        let entry = Entry {
            by,
            at: self.now,
            body,
        };
        self.keep(&entry, None);
    }

    fn keep(&mut self, entry: &Entry, opening: Option<SealedOpening>) {
        let bytes = entry.encode().expect("what is made here fits an entry");
        self.log.push((bytes, opening));
        self.now = self.now.plus(STEP);
    }

    fn approve(&mut self, body: ActBody) {
        let [first, second] = &self.admins;
        let act = Act {
            issued: self.now,
            origin: ORIGIN.into(),
            body,
        };
        let act = act.sign(first).expect("an administrator signs");
        let approval = Approval {
            issued: self.now,
            act: act_digest(&act),
        };
        let approval = approval.sign(second).expect("an administrator signs");
        let decision = Decision::Approved {
            proposal: "p".into(),
            statement: text(act),
            approval: text(approval),
        };
        self.push(Actor::Admin, decision);
    }

    /// The first key bundle of an agency; the shelter's key is the one that parcels are sealed to.
    fn bundle(&mut self, name: &str, signer: Option<&CertifiedSigner>) -> String {
        let key = SystemRandom.array::<SEALING_KEY_BYTES>().to_vec();
        let from = self.now.coarse(DAY);
        let validity = Period {
            from,
            until: from.plus(60 * DAY),
        };
        let sealing = SealingPublicKey::new(key, validity).expect("the key has its length");
        self.kid = sealing.kid().to_owned();
        let draft = KeyBundleDraft {
            agency: id(name),
            seq: 1,
            prev: None,
            issued: self.now,
            expires: self.now.plus(34 * DAY),
            sealing_keys: vec![sealing],
            staff_keys: vec![],
            facts: AgencyFacts::default(),
        };
        text(
            draft
                .sign(signer.unwrap_or(&self.ngo))
                .expect("an agency signs"),
        )
    }

    fn basis(&mut self, person: &Person) {
        let labels: LabelSet = labels(&[&TRIAGE[..], &ACCEPTED].concat())
            .into_iter()
            .collect();
        let whole = |at: Timestamp| at.coarse(Duration::from_secs(1));
        let statement = BasisStatement {
            basis: Basis {
                chain: person.chain,
                source: id("ngo"),
                recipient: id("shelter"),
                case: person.case,
                seq: 1,
                from: whole(self.now),
                kind: BasisKind::Consent,
                allows: vec![Allow {
                    purposes: vec![Purpose::SafeAccommodation],
                    labels: labels.closed(),
                    asked: Asked::Bundle,
                    until: whole(self.now.plus(BASIS_FOR)),
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
        let statement = text(statement.sign(&self.ngo).expect("an agency signs"));
        let staff = "s1".into();
        self.push(
            Actor::Agency(id("ngo")),
            Decision::BasisRecorded { statement, staff },
        );
    }

    fn parcel(&self, person: &Person, stage: Stage, list: &[(Category, Form)]) -> Deposited {
        let mut random = SystemRandom;
        let mut items: Vec<LabelledDigest> = labels(list)
            .into_iter()
            .map(|label| LabelledDigest {
                digest: random.array(),
                label,
            })
            .collect();
        items.sort_by_key(|item| item.digest);
        let mut digests: Vec<[u8; 32]> = items.iter().map(|item| item.digest).collect();
        digests.resize_with(digests.len().next_multiple_of(DIGEST_STEP), || {
            random.array()
        });
        digests.sort_unstable();
        let (salt, parcel) = (random.array(), ParcelId::from_random(random.array()));
        let claims = ParcelClaims {
            issuer: id("ngo"),
            recipient: id("shelter"),
            parcel,
            issued: self.now.coarse(COARSE),
            expires: self.now.coarse(COARSE).plus(20 * DAY),
            purpose: Purpose::SafeAccommodation,
            stage,
            kid: self.kid.clone(),
            sealed_key: [1; 32],
            basis: basis_commitment(&salt, &person.chain),
            labels: labels_digest(&items),
            forward: Forward::default(),
            digests,
            supersedes: None,
            parent: None,
        };
        let item = |item: &LabelledDigest| DecidedDigest {
            d: b64u(&item.digest),
            cat: item.label.category().to_string(),
            form: item.label.form().to_string(),
        };
        Deposited {
            parcel: parcel.to_string(),
            stage: stage.to_string(),
            statement: text(claims.sign(&self.ngo).expect("an agency signs")),
            labels: items.iter().map(item).collect(),
            chain: person.chain.to_string(),
            salt: b64u(&salt),
            protocol: 1,
            gate: 1,
        }
    }

    fn open(&mut self, offer: OfferId, deposit: &Deposited) {
        let decision = Decision::Opened {
            offer: offer.to_string(),
            stage: deposit.stage.clone(),
            parcel: deposit.parcel.clone(),
            statement_hash: b64u(&sha256(deposit.statement.as_bytes())),
            protocol: 1,
            gate: 1,
            staff: "s2".into(),
        };
        self.push(Actor::Agency(id("shelter")), decision);
    }

    /// One person: a basis, an offer opened and accepted, the rest opened. Six entries, two disclosures.
    fn night(&mut self) {
        let mut random = SystemRandom;
        let person = Person {
            chain: BasisChainId::from_random(random.array()),
            case: CaseHandle::from_random(random.array()),
            referral: ReferralId::from_random(random.array()),
        };
        self.basis(&person);
        let offer = OfferId::from_random(random.array());
        let triage = self.parcel(&person, Stage::Triage, &TRIAGE);
        let offered = Decision::Offered {
            offer: offer.to_string(),
            referral: person.referral.to_string(),
            case: person.case.to_string(),
            recipient: "shelter".into(),
            purpose: Purpose::SafeAccommodation.to_string(),
            urgency: Urgency::Immediate.to_string(),
            decide_by: self.now.plus(Duration::from_secs(1800)).millis(),
            place_by: None,
            deposits: vec![triage.clone()],
            forwards: None,
            staff: "s1".into(),
        };
        self.push(Actor::Agency(id("ngo")), offered);
        self.open(offer, &triage);
        let moved = Decision::OfferMoved {
            offer: offer.to_string(),
            to: OfferState::Accepted.to_string(),
            reason: None,
            decliner: None,
            outcome: None,
            staff: "s2".into(),
        };
        self.push(Actor::Agency(id("shelter")), moved);
        let rest = self.parcel(&person, Stage::Accepted, &ACCEPTED);
        let deposited = Decision::Deposited {
            offer: offer.to_string(),
            deposit: rest.clone(),
            staff: "s1".into(),
        };
        self.push(Actor::Agency(id("ngo")), deposited);
        self.open(offer, &rest);
    }
}

fn certified(authority: &mut Authority, name: &str, now: Timestamp) -> CertifiedSigner {
    let issued = authority
        .issue_agency(&id(name), now, LEAF_LIFETIME, &mut SystemRandom)
        .expect("certificates are issued")
        .signing;
    let chain = vec![issued.certificate.to_vec(), issued.issuer.to_vec()];
    let key = issued.key_pkcs8().expect("the key was just issued");
    CertifiedSigner::new(&key, chain).expect("key and certificate fit")
}

/// A whole log in memory, signed with a key of its own.
#[derive(Debug)]
pub struct MadeLog {
    /// Entries and openings.
    pub log: Vec<Kept>,
    edge: Edge,
    signer: CheckpointSigner,
    note: String,
}

impl MadeLog {
    /// Of `entries` entries.
    #[must_use]
    pub fn of_entries(entries: usize) -> Self {
        let mut town = Town::begin();
        while town.log.len() < entries {
            town.night();
        }
        town.log.truncate(entries);
        Self::signed(town.log)
    }

    /// With `disclosures` disclosures, or one more.
    #[must_use]
    pub fn of_disclosures(disclosures: usize) -> Self {
        let mut town = Town::begin();
        for _ in 0..disclosures.div_ceil(2) {
            town.night();
        }
        Self::signed(town.log)
    }

    /// A log of these entries.
    ///
    /// # Panics
    ///
    /// Never: a log that begins can be signed.
    #[must_use]
    pub fn signed(log: Vec<Kept>) -> Self {
        let mut edge = Edge::new();
        for (entry, _) in &log {
            let _ = edge.append(leaf(entry));
        }
        let signer = NoteSigner::ed25519(ORIGIN, &[42; 32]).expect("the name is a key's name");
        let mut signer = CheckpointSigner::begin(signer);
        let note = signer.advance(edge.size(), edge.root(), &[]);
        let note = note.expect("a log begins");
        Self {
            log,
            edge,
            signer,
            note,
        }
    }

    /// The log's verifier key.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.signer.vkey()
    }

    fn run(&self, start: u64, count: u64) -> &[Kept] {
        let start = usize::try_from(start)
            .unwrap_or(usize::MAX)
            .min(self.log.len());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let end = start.saturating_add(count).min(self.log.len());
        self.log.get(start..end).unwrap_or_default()
    }
}

impl AuditSource for MadeLog {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        Ok(SignedCheckpoint {
            note: self.note.clone(),
            vkey: Some(self.vkey()),
        })
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let run = self.run(start, count);
        Ok(run.iter().map(|(entry, _)| entry.clone()).collect())
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        let run = self.run(start, count);
        Ok(run.iter().map(|(_, opening)| opening.clone()).collect())
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        proof::consistency(&self.edge, &NoTiles, old, new)
            .map_err(|error| SourceError::Damaged(error.to_string()))
    }
}
