//! Who takes part, what each may be told, and what they sign and seal.

use crate::domain::basis::{Allow, Basis, ForChild};
use crate::domain::directory::AgencyFacts;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId};
use crate::domain::label::LabelSet;
use crate::domain::random::Random as _;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    AgencyKind, Asked, BasisKind, ChildTold, ChildView, GivenBy, InterpreterClass, Purpose,
    ReportsTo, StaffRole, Stage,
};
use crate::envelope::act::ActBody;
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::disclosure::{Disclosure, Field, SALT_BYTES};
use crate::envelope::keys::sha256;
use crate::envelope::outward::OutwardStatement;
use crate::envelope::seal::{ParcelDraft, Sealed, seal, seal_message, seal_reply};
use crate::envelope::statement::Forward;
use crate::envelope::withdrawal::Withdrawal;
use crate::exchange::clock::Clock as _;
use crate::exchange::parcel::Deposit;
use crate::exchange::tests::town::{PROTOCOL, Town, id};
use crate::exchange::{OfferName, SystemRandom};
use crate::identity::caller::Caller;
use std::collections::HashMap;

/// Agencies that refer people whom they met themselves.
pub const SOURCES: [&str; 2] = ["ngo", "harbour"];

/// Houses: asked for a bed, and passing on.
pub const HOUSES: [&str; 3] = ["north", "south", "line"];

/// Everybody who is asked for something.
pub const RECIPIENTS: [&str; 5] = ["north", "south", "line", "clinic", "law"];

/// Somebody abroad, by the name that a source gave them.
pub const ABROAD: &str = "out-hr-ngo";

/// People whom each source knows.
pub const CASES: u8 = 3;

/// What was sealed, as its source's desk remembers it.
#[derive(Debug, Clone)]
pub struct Told {
    pub forward: Forward,
    pub parent: Option<[u8; 32]>,
    pub disclosures: Vec<Disclosure>,
}

/// What was signed and sealed: the model reads the ledger by it, and believes nobody's parser.
#[derive(Debug, Default)]
pub struct Book {
    pub bases: HashMap<String, Basis>,
    pub withdrawals: HashMap<String, Withdrawal>,
    pub sealed: HashMap<String, Told>,
    pub carried: HashMap<String, OutwardStatement>,
    pub codes: Vec<(AgencyId, CaseHandle, [u8; 32])>,
}

/// What is to be sealed.
pub struct Draft<'a> {
    pub source: &'a AgencyId,
    pub recipient: &'a AgencyId,
    pub purpose: Purpose,
    pub stage: Stage,
    pub chain: BasisChainId,
    pub until: Timestamp,
    pub labels: LabelSet,
    pub forward: Forward,
    pub supersedes: Option<ParcelId>,
    pub parent: Option<([u8; 32], Vec<Disclosure>)>,
}

/// The town, and what its desks have signed.
pub struct Cast {
    pub town: Town,
    pub book: Book,
    made: u32,
}

pub fn labels(names: &[&str]) -> LabelSet {
    let label = |name: &&str| -> crate::domain::label::Label { name.parse().expect("a label") };
    names.iter().map(label).collect()
}

/// What each recipient is asked for.
pub fn purpose_of(recipient: &str) -> Purpose {
    match recipient {
        "clinic" | ABROAD => Purpose::MedicalCare,
        "law" => Purpose::LegalAssistance,
        "police" => Purpose::CrimeReport,
        "ombud" => Purpose::InformationRights,
        _ => Purpose::SafeAccommodation,
    }
}

/// What each recipient is told from a stage on.
pub fn told_at(kind: BasisKind, recipient: &str, stage: Stage) -> LabelSet {
    labels(match (kind, recipient, stage) {
        (BasisKind::VitalInterest, _, Stage::Triage) => &["CARE_NEEDS/CODED"],
        (BasisKind::VitalInterest, ..) => &["CARE_NEEDS/DETAIL"],
        (_, "law" | "ombud" | "police", Stage::Triage) => &["LANGUAGE/WHOLE"],
        (_, _, Stage::Triage) => &["LANGUAGE/WHOLE", "AGE/BAND"],
        (_, "clinic", Stage::Accepted) => &["HEALTH/CLINICAL"],
        (_, "clinic", Stage::InCare) => &["MEETING_POINT/WHOLE"],
        (_, "law", Stage::Accepted) => &["DOCUMENTS/COPY"],
        (_, "law", Stage::InCare) => &["IDENTITY/FULL"],
        (_, "ombud", _) => &["AGE/BAND"],
        (_, _, Stage::Accepted) => &["IDENTITY/ALIAS"],
        (_, _, Stage::InCare) => &["GENDER/WHOLE"],
    })
}

pub fn case_of(source: &str, number: u8) -> CaseHandle {
    let of = SOURCES.iter().position(|other| *other == source);
    let of = of.unwrap_or(SOURCES.len() + source.len());
    let mut bytes = [number; 16];
    bytes[0] = u8::try_from(of).expect("few");
    CaseHandle::from_random(bytes)
}

impl Cast {
    /// Two sources, four houses and services, police, a duty line and an ombudsperson.
    pub async fn begin() -> Self {
        let mut town = Town::begin().await;
        let facts = AgencyFacts {
            reports_to: vec![ReportsTo::Police],
            ..AgencyFacts::default()
        };
        town.join_with("harbour", AgencyKind::Ngo, facts).await;
        for (name, kind) in [
            ("line", AgencyKind::SocialService),
            ("law", AgencyKind::LegalService),
            ("ombud", AgencyKind::Ombudsperson),
        ] {
            town.join(name, kind).await;
        }
        let toml = PROTOCOL.replace("version = 1", "version = 2") + "\n[duty]\nline = \"line\"\n";
        let _ = town
            .enact(ActBody::PublishProtocol { version: 2, toml })
            .await;
        Self {
            town,
            book: Book::default(),
            made: 0,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.town.clock.wall()
    }

    pub fn staff(&self, agency: &AgencyId) -> Caller {
        self.town.staff(agency.as_str(), StaffRole::Caseworker)
    }

    pub fn named(agency: &AgencyId, offer: OfferId) -> OfferName {
        OfferName {
            agency: agency.clone(),
            offer,
        }
    }

    /// Sixteen bytes that nobody used before.
    pub fn fresh_bytes(&mut self) -> [u8; 16] {
        self.made += 1;
        let mut bytes = [7; 16];
        bytes[..4].copy_from_slice(&self.made.to_be_bytes());
        bytes
    }

    /// A statement for a chain: the first, or the next.
    pub fn basis(
        &mut self,
        (chain, seq): (BasisChainId, u64),
        (source, recipient, case): (&str, &str, CaseHandle),
        kind: BasisKind,
        (until, reply): (Timestamp, bool),
        narrow: bool,
    ) -> Vec<u8> {
        let mut purposes = vec![purpose_of(recipient)];
        if kind == BasisKind::Consent && recipient != "police" {
            purposes.push(Purpose::OnwardReferral);
        }
        let mut set = told_at(kind, recipient, Stage::Triage);
        if !narrow && kind != BasisKind::LegalDuty {
            set = set.union(told_at(kind, recipient, Stage::Accepted));
            set = set.union(told_at(kind, recipient, Stage::InCare));
        }
        if recipient == ABROAD {
            set = labels(&["LANGUAGE/WHOLE", "AGE/BAND"]);
        }
        if kind == BasisKind::ChildSafeguarding {
            set = set.intersection(labels(&["LANGUAGE/WHOLE", "AGE/BAND", "IDENTITY/ALIAS"]));
        }
        let specific = matches!(recipient, "law" | "ombud");
        let child = kind == BasisKind::ChildSafeguarding;
        let basis = Basis {
            chain,
            source: id(source),
            recipient: id(recipient),
            case,
            seq,
            from: self.now(),
            kind,
            allows: vec![Allow {
                purposes,
                labels: set.closed(),
                asked: if specific {
                    Asked::Specific
                } else {
                    Asked::Bundle
                },
                until,
                reply,
            }],
            given_by: if kind == BasisKind::Consent {
                GivenBy::Itself
            } else {
                GivenBy::NotApplicable
            },
            asked_alone: true,
            interpreter: InterpreterClass::NoneNeeded,
            child_told: if child {
                ChildTold::Yes
            } else {
                ChildTold::NotApplicable
            },
            for_child: if child {
                ForChild {
                    view: ChildView::Expressed,
                    ..ForChild::default()
                }
            } else {
                ForChild::default()
            },
        };
        let statement = BasisStatement {
            basis: basis.clone(),
            issued: self.now(),
            evidence: [1; 32],
        };
        let desk = self.town.desks.get(&id(source)).expect("a desk");
        let token = statement.sign(&desk.signer).expect("signed");
        let text = String::from_utf8(token.clone()).expect("a JWS");
        self.book.bases.insert(text, basis);
        token
    }

    pub fn withdrawal(&mut self, basis: &Basis, erase: bool) -> Vec<u8> {
        let withdrawal = Withdrawal {
            chain: basis.chain,
            source: basis.source.clone(),
            recipient: basis.recipient.clone(),
            case: basis.case,
            seq: basis.seq + 1,
            issued: self.now(),
            erase,
            leave: !erase,
        };
        let desk = self.town.desks.get(&basis.source).expect("a desk");
        let token = withdrawal.sign(&desk.signer).expect("signed");
        let text = String::from_utf8(token.clone()).expect("a JWS");
        self.book.withdrawals.insert(text, withdrawal);
        token
    }

    pub fn outward(&mut self, statement: OutwardStatement) -> Vec<u8> {
        let desk = self.town.desks.get(&statement.source).expect("a desk");
        let token = statement.sign(&desk.signer).expect("signed");
        let text = String::from_utf8(token.clone()).expect("a JWS");
        self.book.carried.insert(text, statement);
        token
    }

    fn sealed(&mut self, draft: Draft<'_>, message: Option<(OfferId, bool)>) -> Option<Sealed> {
        let mut random = SystemRandom;
        let parent = draft.parent.as_ref().map(|(digest, _)| *digest);
        let mut disclosures = Vec::new();
        for label in draft.labels.iter() {
            let passed = draft.parent.as_ref().map(|(_, disclosures)| disclosures);
            let passed = passed.and_then(|all| all.iter().find(|it| it.field().label == label));
            if let Some(passed) = passed {
                disclosures.push(passed.clone());
                continue;
            }
            let salt: [u8; SALT_BYTES] = random.array();
            let field = Field {
                path: format!(
                    "field.{}",
                    label.to_string().to_lowercase().replace('/', "_")
                ),
                label,
                value: "nobody".into(),
            };
            disclosures
                .push(Disclosure::new(&salt, field).unwrap_or_else(|_| panic!("a disclosure")));
        }
        let told = Told {
            forward: draft.forward.clone(),
            parent,
            disclosures: disclosures.clone(),
        };
        let recipient = self.town.desks.get(draft.recipient)?;
        let parcel = ParcelDraft {
            source: draft.source,
            recipient: draft.recipient,
            key: &recipient.sealing,
            purpose: draft.purpose,
            stage: draft.stage,
            chain: draft.chain,
            now: self.now(),
            until: draft.until,
            forward: draft.forward,
            supersedes: draft.supersedes,
            parent,
            fields: Vec::new(),
            carried: disclosures,
        };
        let signer = &self.town.desks.get(draft.source)?.signer;
        let sealed = match message {
            None => seal(parcel, signer, &mut random),
            Some((offer, false)) => seal_message(offer, parcel, signer, &mut random),
            Some((offer, true)) => seal_reply(offer, parcel, signer, &mut random),
        };
        let sealed = sealed.ok()?;
        let text = String::from_utf8(sealed.parcel.statement.clone()).ok()?;
        self.book.sealed.insert(text, told);
        Some(sealed)
    }

    /// A parcel to deposit; none when nothing can be sealed any more.
    pub fn deposit(&mut self, draft: Draft<'_>) -> Option<Deposit> {
        let chain = draft.chain;
        let sealed = self.sealed(draft, None)?;
        Some(Deposit {
            parcel: sealed.parcel,
            chain,
            salt: sealed.basis_salt,
        })
    }

    /// A sealed message; a reply when its recipient speaks.
    pub fn message(&mut self, draft: Draft<'_>, offer: OfferId, reply: bool) -> Option<Deposit> {
        let chain = draft.chain;
        let sealed = self.sealed(draft, Some((offer, reply)))?;
        Some(Deposit {
            parcel: sealed.parcel,
            chain,
            salt: sealed.basis_salt,
        })
    }
}

/// SHA-256 of a statement, as a forward names its parent.
pub fn digest_of(statement: &str) -> [u8; 32] {
    sha256(statement.as_bytes())
}
