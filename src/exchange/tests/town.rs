//! A town of agencies with real keys and certificates, over a memory engine and a clock that tests set.

use crate::audit::finding::Finding;
use crate::audit::replay::Replay;
use crate::domain::basis::{Allow, Basis};
use crate::domain::directory::AgencyFacts;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, RequestId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{
    AgencyKind, Asked, BasisKind, ChildTold, GivenBy, InterpreterClass, Purpose, StaffRole, Stage,
    Urgency,
};
use crate::envelope::act::{Act, ActBody, Approval, act_digest};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::bundle::{KeyBundleDraft, SealingPublicKey};
use crate::envelope::disclosure::Field;
use crate::envelope::hpke::SealingSeed;
use crate::envelope::keys::{CertifiedSigner, KeyPairSigner, Signer as _};
use crate::envelope::seal::{ParcelDraft, seal};
use crate::envelope::statement::Forward;
use crate::envelope::withdrawal::Withdrawal;
use crate::exchange::ReferralName;
use crate::exchange::clock::{Clock as _, MockClock};
use crate::exchange::parcel::Deposit;
use crate::exchange::referral::{NewOffer, NewReferral};
use crate::exchange::{
    Exchange, Initialise, OfferName, Refusal, Requested, Settings, SystemRandom,
};
use crate::identity::authority::Authority;
use crate::identity::caller::Caller;
use crate::ledger::entry::{Entry, Opening};
use crate::ledger::note::NoteSigner;
use crate::storage::engine::{Engine, Table};
use crate::storage::memory::MemoryEngine;
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::{Record as _, key};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

pub const ORIGIN: &str = "safeconduct.example";
pub const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
pub use crate::domain::protocol::SHIPPED as PROTOCOL;

/// 2026-06-01T01:40:00Z.
pub fn dawn() -> Timestamp {
    Timestamp::from_seconds(1_780_278_000).expect("a time")
}

pub fn id(text: &str) -> AgencyId {
    text.parse().expect("an agency id")
}

/// A request id and body that nobody used before.
pub fn fresh() -> Requested {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    request(number, 0)
}

pub fn request(number: u32, body: u8) -> Requested {
    let text = format!("00000000-0000-4000-8000-{number:012x}");
    let id: RequestId = text.parse().expect("a UUID");
    Requested {
        id,
        body: [body; 32],
    }
}

pub struct Desk {
    pub signer: CertifiedSigner,
    pub sealing: SealingPublicKey,
    pub kind: AgencyKind,
}

pub struct Town {
    pub engine: Arc<MemoryEngine>,
    pub clock: Arc<MockClock>,
    pub exchange: Arc<Exchange>,
    pub desks: HashMap<AgencyId, Desk>,
    pub case: CaseHandle,
    pub authority: Authority,
    administrators: [KeyPairSigner; 2],
}

pub fn settings(clock: &Arc<MockClock>) -> Settings {
    Settings {
        signer: NoteSigner::ed25519(ORIGIN, &[7; 32]).expect("a signer"),
        clock: clock.clone(),
        random: Box::new(SystemRandom),
        deadline: Duration::from_secs(10),
    }
}

impl Town {
    /// An NGO, two shelters, a clinic and a police unit, under the shipped protocol.
    pub async fn begin() -> Self {
        let clock = Arc::new(MockClock::at(dawn()));
        let authority = Authority::create(ORIGIN, dawn(), &mut SystemRandom).expect("an authority");
        let administrators = [(); 2].map(|()| KeyPairSigner::generate().expect("a key").0);
        let pem = |key: &KeyPairSigner| {
            let body = data_encoding::BASE64.encode(&key.verifying_key().spki());
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
        };
        let engine = Arc::new(MemoryEngine::new());
        let pinned = Initialise {
            origin: ORIGIN.to_owned(),
            administrators: [pem(&administrators[0]), pem(&administrators[1])],
            roots: authority.root_pem().to_owned(),
            operator: id("operator"),
        };
        Exchange::initialise(&*engine, &mut settings(&clock), &pinned).expect("an empty store");
        let exchange = Exchange::open(engine.clone(), settings(&clock)).expect("a store");
        let mut town = Self {
            engine,
            clock,
            exchange,
            desks: HashMap::new(),
            case: CaseHandle::from_random([5; 16]),
            authority,
            administrators,
        };
        let body = ActBody::PublishProtocol {
            version: 1,
            toml: PROTOCOL.to_owned(),
        };
        let _ = town.enact(body).await;
        for (name, kind) in [
            ("ngo", AgencyKind::Ngo),
            ("north", AgencyKind::Shelter),
            ("south", AgencyKind::Shelter),
            ("clinic", AgencyKind::HealthService),
            ("police", AgencyKind::Police),
        ] {
            town.join(name, kind).await;
        }
        town
    }

    /// What a restart finds: a new exchange over the same store.
    pub fn restart(&mut self) {
        self.engine.restart();
        self.exchange =
            Exchange::open(self.engine.clone(), settings(&self.clock)).expect("a store");
    }

    pub fn operator(&self) -> Caller {
        Caller::pretend("operator", AgencyKind::Operator, StaffRole::Administrator)
    }

    pub fn staff(&self, agency: &str, role: StaffRole) -> Caller {
        let kind = self.desks.get(&id(agency)).expect("a desk").kind;
        Caller::pretend(agency, kind, role)
    }

    pub fn caseworker(&self) -> Caller {
        self.staff("ngo", StaffRole::Caseworker)
    }

    pub fn intake(&self, agency: &str) -> Caller {
        self.staff(agency, StaffRole::Intake)
    }

    /// An act and its approval, as the two administrators sign them.
    pub fn signed(&self, body: ActBody) -> (Vec<u8>, Vec<u8>) {
        self.signed_at(dawn(), body)
    }

    /// The same, signed at another time.
    pub fn signed_at(&self, issued: Timestamp, body: ActBody) -> (Vec<u8>, Vec<u8>) {
        let act = Act {
            issued,
            origin: ORIGIN.to_owned(),
            body,
        };
        let act = act.sign(&self.administrators[0]).expect("signed");
        let approval = Approval {
            issued,
            act: act_digest(&act),
        };
        let approval = approval.sign(&self.administrators[1]).expect("signed");
        (act, approval)
    }

    /// Has an act take effect; gives it and its approval.
    pub async fn enact(&self, body: ActBody) -> (Vec<u8>, Vec<u8>) {
        let (act, approval) = self.signed(body);
        let operator = self.operator();
        let (proposal, _) = self
            .exchange
            .propose(&operator, fresh(), act.clone())
            .await
            .expect("proposed");
        let same = Approval {
            issued: dawn(),
            act: act_digest(&act),
        };
        let same = same.sign(&self.administrators[0]).expect("signed");
        let twice = self
            .exchange
            .approve(&operator, fresh(), proposal, same)
            .await;
        assert_eq!(twice.err(), Some(Refusal::ReferralState));
        let _ = self
            .exchange
            .approve(&operator, fresh(), proposal, approval.clone())
            .await
            .expect("approved");
        (act, approval)
    }

    pub async fn suspend(&self, name: &str) {
        self.suspend_signed_at(name, dawn()).await;
    }

    pub async fn suspend_signed_at(&self, name: &str, issued: Timestamp) {
        let act = Act {
            issued,
            origin: ORIGIN.to_owned(),
            body: ActBody::Suspend { agency: id(name) },
        };
        let act = act.sign(&self.administrators[1]).expect("signed");
        let _ = self
            .exchange
            .suspend_agency(&self.operator(), fresh(), act)
            .await
            .expect("suspended");
    }

    pub async fn join(&mut self, name: &str, kind: AgencyKind) {
        self.join_with(name, kind, AgencyFacts::default()).await;
    }

    /// As [`Town::join`], with what it publishes of itself.
    pub async fn join_with(&mut self, name: &str, kind: AgencyKind, facts: AgencyFacts) {
        let agency = id(name);
        let _ = self
            .enact(ActBody::Enrol {
                agency: agency.clone(),
                kind,
                parent: None,
            })
            .await;
        let identity = self
            .authority
            .issue_agency(&agency, dawn(), WEEK * 10, &mut SystemRandom)
            .expect("certificates");
        let chain = vec![
            identity.signing.certificate.to_vec(),
            identity.signing.issuer.to_vec(),
        ];
        let key = identity.signing.key_pkcs8().expect("the key");
        let signer = CertifiedSigner::new(&key, chain).expect("a pair");
        let validity = Period {
            from: dawn(),
            until: dawn().plus(WEEK * 8),
        };
        let seed = SealingSeed::from_bytes(Zeroizing::new([9; 32]));
        let sealing = SealingPublicKey::new(seed.public_key(), validity).expect("a key");
        let draft = KeyBundleDraft {
            agency: agency.clone(),
            seq: 1,
            prev: None,
            issued: dawn(),
            expires: dawn().plus(WEEK * 5),
            sealing_keys: vec![sealing.clone()],
            staff_keys: Vec::new(),
            facts,
        };
        let bundle = draft.sign(&signer).expect("signed");
        let _ = self
            .exchange
            .publish_key_bundle(&agency, None, fresh(), bundle)
            .await
            .expect("the first bundle needs the certificate only");
        let desk = Desk {
            signer,
            sealing,
            kind,
        };
        self.desks.insert(agency, desk);
    }

    pub fn signer(&self, agency: &str) -> &CertifiedSigner {
        &self.desks.get(&id(agency)).expect("a desk").signer
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.wall()
    }

    fn source(&self) -> &Desk {
        self.desks.get(&id("ngo")).expect("the source")
    }

    pub fn basis(&self, recipient: &str, chain: u8, seq: u64) -> Vec<u8> {
        let labels: LabelSet = ["LANGUAGE/WHOLE", "AGE/BAND", "IDENTITY/ALIAS"]
            .into_iter()
            .map(|label| label.parse::<Label>().expect("a label"))
            .collect();
        let basis = Basis {
            chain: BasisChainId::from_random([chain; 16]),
            source: id("ngo"),
            recipient: id(recipient),
            case: self.case,
            seq,
            from: dawn(),
            kind: BasisKind::Consent,
            allows: vec![Allow {
                purposes: vec![Purpose::SafeAccommodation],
                labels: labels.closed(),
                asked: Asked::Bundle,
                until: dawn().plus(WEEK),
                reply: false,
            }],
            given_by: GivenBy::Itself,
            asked_alone: true,
            interpreter: InterpreterClass::NoneNeeded,
            child_told: ChildTold::NotApplicable,
            for_child: Default::default(),
        };
        let statement = BasisStatement {
            basis,
            issued: self.clock_now(),
            evidence: [1; 32],
        };
        statement.sign(&self.source().signer).expect("signed")
    }

    pub async fn record_basis(&self, recipient: &str, chain: u8) {
        let statement = self.basis(recipient, chain, 1);
        let _ = self
            .exchange
            .record_basis(&self.caseworker(), &id("ngo"), fresh(), statement)
            .await
            .expect("recorded");
    }

    pub fn withdrawal(&self, recipient: &str, chain: u8, seq: u64) -> Vec<u8> {
        let withdrawal = Withdrawal {
            chain: BasisChainId::from_random([chain; 16]),
            source: id("ngo"),
            recipient: id(recipient),
            case: self.case,
            seq,
            issued: dawn(),
            erase: true,
            leave: false,
        };
        withdrawal.sign(&self.source().signer).expect("signed")
    }

    pub async fn withdraw(&self, recipient: &str, chain: u8) {
        let name = crate::exchange::BasisName {
            agency: id("ngo"),
            chain: BasisChainId::from_random([chain; 16]),
        };
        let statement = self.withdrawal(recipient, chain, 2);
        let _ = self
            .exchange
            .withdraw_basis(&self.caseworker(), &name, fresh(), statement)
            .await
            .expect("withdrawn");
    }

    pub fn deposit(&self, recipient: &str, chain: u8, stage: Stage, labels: &[&str]) -> Deposit {
        let chain = BasisChainId::from_random([chain; 16]);
        self.deposit_under(recipient, chain, (stage, dawn().plus(WEEK)), labels)
    }

    /// A parcel that commits to `chain` and ends at the time given.
    pub fn deposit_under(
        &self,
        recipient: &str,
        chain: BasisChainId,
        (stage, until): (Stage, Timestamp),
        labels: &[&str],
    ) -> Deposit {
        let source = id("ngo");
        let recipient = id(recipient);
        let field = |label: &&str| Field {
            path: format!("field.{}", label.to_lowercase().replace('/', "_")),
            label: label.parse().expect("a label"),
            value: "nobody".into(),
        };
        let draft = ParcelDraft {
            source: &source,
            recipient: &recipient,
            key: &self.desks.get(&recipient).expect("a desk").sealing,
            purpose: Purpose::SafeAccommodation,
            stage,
            chain,
            now: dawn(),
            until,
            forward: Forward::default(),
            supersedes: None,
            parent: None,
            fields: labels.iter().map(field).collect(),
            carried: Vec::new(),
        };
        let sealed = seal(draft, &self.source().signer, &mut SystemRandom).expect("sealed");
        Deposit {
            parcel: sealed.parcel,
            chain,
            salt: sealed.basis_salt,
        }
    }

    pub fn triage(&self, recipient: &str, chain: u8) -> NewOffer {
        let labels = ["LANGUAGE/WHOLE", "AGE/BAND"];
        NewOffer {
            recipient: id(recipient),
            deposits: vec![self.deposit(recipient, chain, Stage::Triage, &labels)],
        }
    }

    pub fn ask(&self, offers: Vec<NewOffer>) -> NewReferral {
        NewReferral {
            case: self.case,
            purpose: Purpose::SafeAccommodation,
            urgency: Urgency::Emergency,
            decide_by: None,
            place_by: None,
            parallel: None,
            offers,
        }
    }

    /// Refers to each of these, under chains 1, 2, …; gives the offers as their recipients name them.
    pub async fn refer(&self, recipients: &[&str]) -> Vec<OfferName> {
        let mut offers = Vec::new();
        for (recipient, chain) in recipients.iter().zip(1..) {
            self.record_basis(recipient, chain).await;
            offers.push(self.triage(recipient, chain));
        }
        let created = self
            .exchange
            .create_referral(&self.caseworker(), &id("ngo"), fresh(), self.ask(offers))
            .await
            .expect("created");
        let named = created.offers.iter().zip(recipients);
        named
            .map(|(offer, recipient)| OfferName {
                agency: id(recipient),
                offer: offer.offer,
            })
            .collect()
    }

    /// Refers to each of these, best first, under chains from 1 on; gives the referral and its offers' ids.
    pub async fn refer_in_turn(
        &self,
        ask: NewReferral,
        recipients: &[&str],
    ) -> (ReferralName, Vec<OfferId>) {
        let mut offers = Vec::new();
        for (recipient, chain) in recipients.iter().zip(1..) {
            self.record_basis(recipient, chain).await;
            offers.push(self.triage(recipient, chain));
        }
        let ask = NewReferral { offers, ..ask };
        let created = self
            .exchange
            .create_referral(&self.caseworker(), &id("ngo"), fresh(), ask)
            .await
            .expect("created");
        let offers = created.offers.iter().map(|name| name.offer).collect();
        (created.name, offers)
    }

    /// Everything in the ledger replayed from its openings: what is found wrong.
    pub fn replayed(&self) -> Vec<Finding> {
        let mut replay = Replay::new();
        let mut found = Vec::new();
        for index in 0..self.engine.head().size {
            let row = key::index(index);
            let entry = self.engine.get(Table::Entry, &row).expect("readable");
            let entry = Entry::parse(&entry.expect("there").value).expect("an entry");
            let opening = self.engine.get(Table::Opening, &row).expect("readable");
            let opening = opening.map(|stored| {
                let record = OpeningRecord::from_stored(&stored).expect("a record");
                Opening::parse(&record.nonce, &record.decision).expect("an opening")
            });
            found.extend(replay.feed(Some(&entry), opening.as_ref()));
        }
        found
    }

    /// The event names of the ledger from `start` on.
    pub fn events(&self, start: u64) -> Vec<&'static str> {
        let size = self.engine.head().size;
        let entry = |index| {
            let stored = self.engine.get(Table::Entry, &key::index(index));
            let stored = stored.expect("readable").expect("there");
            Entry::parse(&stored.value).expect("an entry").body.event()
        };
        (start..size).map(entry).collect()
    }
}
