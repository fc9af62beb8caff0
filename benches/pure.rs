//! The pure steps of one referral: the gate, the tree, sealing, checking and opening.
//!
//! `cargo bench`. What the router does with them over mTLS is measured by `safeconduct bench`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use safeconduct::audit::verify::Verify;
use safeconduct::client::random::SystemRandom;
use safeconduct::domain::basis::{Allow, Basis};
use safeconduct::domain::directory::{AgencyFacts, Tag};
use safeconduct::domain::gate::{BasisHead, Proposal, permit};
use safeconduct::domain::id::{AgencyId, BasisChainId, CaseHandle};
use safeconduct::domain::label::{Label, LabelSet};
use safeconduct::domain::matching::{Candidate, Member, Needs, rank};
use safeconduct::domain::protocol::Protocol;
use safeconduct::domain::random::Random;
use safeconduct::domain::time::{Period, Timestamp};
use safeconduct::domain::vocabulary::{
    AgencyKind, Asked, BasisKind, Category, ChildTold, Form, GivenBy, InterpreterClass,
    PlacementGender, Purpose, ReportsTo, Stage,
};
use safeconduct::envelope::bundle::SealingPublicKey;
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::hpke::{MemorySeeds, SealingSeed};
use safeconduct::envelope::keys::{AgencySigner, CertifiedSigner, Signer, SigningKey};
use safeconduct::envelope::open::{Expected, open};
use safeconduct::envelope::seal::{ParcelDraft, Sealed, seal};
use safeconduct::envelope::statement::Forward;
use safeconduct::identity::authority::{Authority, LEAF_LIFETIME};
use safeconduct::ledger::entry::{Actor, Entry, EntryBody};
use safeconduct::ledger::hash::leaf;
use safeconduct::ledger::proof::inclusion;
use safeconduct::ledger::tree::{Edge, NoTiles};

const FIELDS: usize = 12;

fn agency(id: &str) -> AgencyId {
    id.parse().expect("the id is well formed")
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).expect("the time is in range")
}

fn labels() -> Vec<Label> {
    [
        (Category::Language, Form::Whole),
        (Category::PlacementNeeds, Form::Whole),
        (Category::Age, Form::Band),
        (Category::CareNeeds, Form::Coded),
    ]
    .into_iter()
    .map(|(category, form)| Label::new(category, form).expect("the category has the form"))
    .collect()
}

fn gate(criterion: &mut Criterion) {
    let protocol = Protocol::shipped();
    let (source, recipient) = (agency("alpha"), agency("house1"));
    let set: LabelSet = labels().into_iter().collect();
    let basis = Basis {
        chain: BasisChainId::from_random(SystemRandom.array()),
        source: source.clone(),
        recipient: recipient.clone(),
        case: CaseHandle::from_random(SystemRandom.array()),
        seq: 1,
        from: now(),
        kind: BasisKind::Consent,
        allows: vec![Allow {
            purposes: vec![Purpose::SafeAccommodation],
            labels: set.closed(),
            asked: Asked::Bundle,
            until: now().plus(Duration::from_secs(86_400)),
            reply: false,
        }],
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::Telephone,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
    };
    let proposal = Proposal {
        source: &source,
        recipient: &recipient,
        recipient_kind: AgencyKind::Shelter,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        labels: set,
    };
    criterion.bench_function("gate: permit four labels", |bencher| {
        bencher.iter(|| {
            permit(
                black_box(&proposal),
                BasisHead::InForce(&basis),
                &protocol,
                now(),
            )
            .expect("the basis and the protocol cover it")
        });
    });
}

fn tree(criterion: &mut Criterion) {
    let entry = [0x5a; 400];
    criterion.bench_function("tree: hash and append an entry of 400 bytes", |bencher| {
        let mut edge = Edge::new();
        bencher.iter(|| {
            let full = edge.append(leaf(black_box(&entry)));
            black_box(full.len())
        });
    });
    let mut edge = Edge::new();
    for number in 0..100_000u32 {
        let full = edge.append(leaf(&number.to_be_bytes()));
        black_box(full.len());
    }
    let newest = edge.size() - 1;
    criterion.bench_function("tree: prove the newest of 100,000 entries", |bencher| {
        bencher.iter(|| {
            inclusion(&edge, &NoTiles, black_box(newest), edge.size())
                .expect("the newest entries need no tile")
        });
    });
}

/// What `audit verify` does for each entry.
fn audit(criterion: &mut Criterion) {
    let body = EntryBody::Committed {
        event: "opened",
        commitment: [0x5a; 32],
    };
    let entry = Entry {
        by: Actor::Agency(agency("shelter-0042")),
        at: now(),
        body,
    };
    let bytes = entry.encode().expect("the entry is well formed");
    criterion.bench_function("audit: hash, append and read an entry", |bencher| {
        let mut verify = Verify::new(None);
        bencher.iter(|| verify.feed(black_box(&bytes)));
    });
}

struct Parties {
    signer: CertifiedSigner,
    seeds: MemorySeeds,
    key: SealingPublicKey,
}

impl Parties {
    fn make() -> Self {
        let mut random = SystemRandom;
        let mut authority = Authority::create("safeconduct.example", now(), &mut random)
            .expect("an authority is made");
        let issued = authority
            .issue_agency(&agency("alpha"), now(), LEAF_LIFETIME, &mut random)
            .expect("certificates are issued");
        let pkcs8 = issued.signing.key_pkcs8().expect("the key was just issued");
        let chain = vec![
            issued.signing.certificate.to_vec(),
            issued.signing.issuer.to_vec(),
        ];
        let signer = CertifiedSigner::new(&pkcs8, chain).expect("key and certificate fit");
        let seed = SealingSeed::generate(&mut random);
        let mut seeds = MemorySeeds::default();
        seeds.keep(&seed);
        let period = Period {
            from: now(),
            until: now().plus(Duration::from_secs(30 * 86_400)),
        };
        let key = SealingPublicKey::new(seed.public_key(), period).expect("the key is well formed");
        Self { signer, seeds, key }
    }

    fn seal(&self) -> Sealed {
        let (source, recipient) = (agency("alpha"), agency("house1"));
        let fields = labels()
            .into_iter()
            .cycle()
            .take(FIELDS)
            .enumerate()
            .map(|(number, label)| Field {
                path: format!("bench.field_{number}"),
                label,
                value: "a value of the usual length".into(),
            })
            .collect();
        let draft = ParcelDraft {
            source: &source,
            recipient: &recipient,
            key: &self.key,
            purpose: Purpose::SafeAccommodation,
            stage: Stage::Triage,
            chain: BasisChainId::from_random([7; 16]),
            now: now(),
            until: now().plus(Duration::from_secs(20 * 86_400)),
            forward: Forward {
                recipients: Vec::new(),
                hops: 0,
            },
            supersedes: None,
            parent: None,
            fields,
            carried: Vec::new(),
        };
        seal(draft, &self.signer, &mut SystemRandom).expect("the draft is well formed")
    }
}

fn parcels(criterion: &mut Criterion) {
    let parties = Parties::make();
    let source = SigningKey {
        agency: agency("alpha"),
        key: parties.signer.verifying_key().clone(),
        fingerprint: parties.signer.certificate_fingerprint(),
    };
    let recipient = agency("house1");
    let sealed = parties.seal();
    criterion.bench_function("parcel: seal twelve fields", |bencher| {
        bencher.iter(|| parties.seal());
    });
    criterion.bench_function(
        "parcel: verify without a key, as the router does",
        |bencher| {
            bencher.iter(|| {
                sealed
                    .parcel
                    .verify(black_box(&source))
                    .expect("it was just sealed")
            });
        },
    );
    let expected = Expected {
        recipient: &recipient,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        now: now(),
        skew: Duration::from_secs(60),
    };
    criterion.bench_function("parcel: open twelve fields", |bencher| {
        bencher.iter(|| {
            open(
                black_box(&sealed.parcel),
                &source,
                &expected,
                &parties.seeds,
                &|_| None,
            )
            .expect("it was just sealed")
        });
    });
}

fn matching(criterion: &mut Criterion) {
    let areas = ["BELGRADE", "SID", "NOVI_SAD", "NIS", "SUBOTICA"];
    let speaks = ["ar", "fa", "ps", "fr", "ur"];
    let tag = |text: &str| text.parse::<Tag>().expect("a tag");
    let candidates: Vec<Candidate> = (0..10_000usize)
        .map(|number| {
            let facts = AgencyFacts {
                purposes: vec![
                    Purpose::ALL[number % Purpose::ALL.len()],
                    Purpose::ALL[number % 3],
                ],
                areas: vec![tag(areas[number % areas.len()])],
                languages: vec![speaks[number % 4].parse().expect("a language")],
                reports_to: if number % 7 == 0 {
                    vec![ReportsTo::Police]
                } else {
                    Vec::new()
                },
                age_from: if number % 5 == 0 { 18 } else { 0 },
                ..AgencyFacts::default()
            };
            Candidate {
                agency: agency(&format!("service-{number}")),
                parent: None,
                facts,
                duties_stated: true,
                capacity: None,
            }
        })
        .collect();
    let needs = Needs {
        purpose: Purpose::SafeAccommodation,
        group: vec![Member {
            age_from: 31,
            age_to: 31,
            gender: PlacementGender::Woman,
        }],
        settings: Vec::new(),
        languages: vec!["ar".parse().expect("a language")],
        interpreter_gender: None,
        accessibility: Vec::new(),
        areas: vec![tag("BELGRADE")],
        now: now(),
        place_by: None,
        leaves_soon: false,
        excluded: Vec::new(),
        refused_reports: vec![ReportsTo::Police],
        refused_requirements: Vec::new(),
    };
    criterion.bench_function("matching: rank 10,000 services", |bencher| {
        bencher.iter(|| rank(black_box(&needs), &candidates));
    });
}

criterion_group!(pure, gate, tree, audit, parcels, matching);
criterion_main!(pure);
