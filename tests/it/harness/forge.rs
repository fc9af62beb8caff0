//! A source that does not use the SDK: seals without asking the gate, and whatever it likes.

use safeconduct::client::agency::Desk;
use safeconduct::client::random::SystemRandom;
use safeconduct::client::source::to_proto;
use safeconduct::domain::id::{BasisChainId, CaseHandle, ParcelId};
use safeconduct::domain::label::Label;
use safeconduct::domain::random::Random as _;
use safeconduct::domain::vocabulary::{Purpose, Stage};
use safeconduct::envelope::disclosure::{Disclosure, Field, seal_field};
use safeconduct::envelope::keys::AgencySigner;
use safeconduct::envelope::seal::parcel_info;
use safeconduct::envelope::statement::{
    COARSE, Forward, LabelledDigest, ParcelClaims, SealedParcel, basis_commitment, labels_digest,
    sealed_key_digest,
};
use safeconduct::envelope::{hpke, keys::SigningKey};
use safeconduct::proto::v1;

use super::scene::DAY;

/// What is sealed, by whoever wants to.
#[derive(Clone)]
pub struct Draft {
    pub recipient: String,
    pub chain: BasisChainId,
    pub purpose: Purpose,
    pub stage: Stage,
    /// Each field with the label that the world is shown.
    pub fields: Vec<(Field, Label)>,
}

impl Draft {
    /// An honest draft.
    pub fn new(
        recipient: &str,
        chain: BasisChainId,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
    ) -> Self {
        Self {
            recipient: recipient.to_owned(),
            chain,
            purpose,
            stage,
            fields: fields
                .into_iter()
                .map(|field| (field.clone(), field.label))
                .collect(),
        }
    }
}

/// A parcel made by hand.
#[derive(Clone)]
pub struct Forged {
    pub parcel: SealedParcel,
    pub salt: [u8; 32],
    pub chain: BasisChainId,
}

impl Forged {
    /// As it is deposited.
    pub fn deposit(&self) -> v1::Deposit {
        v1::Deposit {
            parcel: Some(to_proto(self.parcel.clone())),
            basis_chain: self.chain.to_string(),
            basis_salt: self.salt.to_vec(),
        }
    }
}

/// Seals `draft` as `desk`'s agency, signed by `signer`.
pub fn seal(desk: &Desk, draft: Draft, signer: &dyn AgencySigner) -> Forged {
    let now = desk.now();
    let agency = desk.agency();
    let recipient = draft.recipient.parse().unwrap();
    let directory = agency.directory().unwrap();
    let key = directory.sealing_key(&recipient, now).unwrap();
    let mut random = SystemRandom;
    let parcel = ParcelId::from_random(random.array());
    let salt: [u8; 32] = random.array();
    let mut items: Vec<(LabelledDigest, Disclosure)> = Vec::new();
    for (field, shown) in draft.fields {
        let disclosure = Disclosure::new(&random.array(), field).unwrap();
        let digest = disclosure.labelled_digest().digest;
        let item = LabelledDigest {
            digest,
            label: shown,
        };
        items.push((item, disclosure));
    }
    items.sort_by_key(|(item, _)| item.digest);
    let labels: Vec<LabelledDigest> = items.iter().map(|(item, _)| *item).collect();
    let mut digests: Vec<[u8; 32]> = labels.iter().map(|item| item.digest).collect();
    digests.resize_with(labels.len().next_multiple_of(8), || random.array());
    digests.sort_unstable();
    let mut claims = ParcelClaims {
        issuer: agency.id().clone(),
        recipient,
        parcel,
        issued: now.coarse(COARSE),
        expires: now.plus(DAY).coarse(COARSE),
        purpose: draft.purpose,
        stage: draft.stage,
        kid: key.kid().to_owned(),
        sealed_key: [0; 32],
        basis: basis_commitment(&salt, &draft.chain),
        labels: labels_digest(&labels),
        forward: Forward {
            recipients: Vec::new(),
            hops: 0,
        },
        digests,
        supersedes: None,
        parent: None,
    };
    let parcel_key: [u8; 32] = random.array();
    let info = parcel_info(&claims);
    let (enc, wrapped) = hpke::seal(key.bytes(), &info, &parcel_key, &mut random).unwrap();
    claims.sealed_key = sealed_key_digest(&enc, &wrapped);
    let fields = items
        .iter()
        .map(|(item, disclosure)| {
            seal_field(&parcel_key, parcel, item, &disclosure.padded().unwrap())
        })
        .collect();
    let statement = claims.sign(signer).unwrap();
    Forged {
        parcel: SealedParcel {
            statement,
            enc,
            wrapped,
            labels,
            fields,
        },
        salt,
        chain: draft.chain,
    }
}

/// The claims of a parcel that `desk`'s agency signed.
pub fn claims(desk: &Desk, forged: &Forged) -> ParcelClaims {
    let signer = desk.agency().keys().signer();
    let key = SigningKey {
        agency: desk.agency().id().clone(),
        key: safeconduct::envelope::keys::Signer::verifying_key(signer).clone(),
        fingerprint: signer.certificate_fingerprint(),
    };
    forged.parcel.verify(&key).unwrap().claims().clone()
}

/// A request for a bed tonight with these deposits.
pub fn referral(
    desk: &Desk,
    case: CaseHandle,
    purpose: Purpose,
    offers: &[(&str, Vec<v1::Deposit>)],
) -> v1::CreateReferralRequest {
    use safeconduct::client::words;
    let ask = super::scene::tonight(desk, case, purpose);
    v1::CreateReferralRequest {
        parent: words::agency_name(desk.agency().id()),
        request_id: safeconduct::client::session::request_id(),
        case_handle: case.to_string(),
        purpose: words::purpose_number(purpose),
        urgency: words::urgency_number(ask.urgency),
        decide_by: Some(words::to_proto_time(ask.decide_by)),
        offers: offers
            .iter()
            .map(|(recipient, deposits)| v1::NewOffer {
                recipient: format!("agencies/{recipient}"),
                deposits: deposits.clone(),
            })
            .collect(),
        ..Default::default()
    }
}
