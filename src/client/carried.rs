//! Carried referrals: made by a source for who is no member, released after a telephone call, opened without a line.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::random::SystemRandom;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::basis::Basis;
use crate::domain::gate::{BasisHead, Proposal, permit};
use crate::domain::id::CarriedId;
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, Purpose, Stage};
use crate::envelope::carried::{self, CarriedError, Code, Content, Release, ReleaseRequest, Share};
use crate::envelope::disclosure::Field;
use crate::envelope::hpke::SealingSeed;
use crate::envelope::keys::{AgencySigner, b64u, sha256};
use crate::envelope::outward::{LIFE_MAX, OutwardStatement};
use crate::identity::signing_chain::{TrustStore, verify_signing_chain};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::carried_service_client::CarriedServiceClient;
use rustls::pki_types::CertificateDer;

/// What goes into a carried referral.
#[derive(Debug, Clone)]
pub struct CarriedDraft<'a> {
    /// The person's consent, recorded, naming the one who is no member.
    pub basis: &'a Basis,
    /// For what.
    pub purpose: Purpose,
    /// How whoever opens it reaches this agency, as text.
    pub answer_to: String,
    /// The fields.
    pub fields: Vec<Field>,
}

/// What is handed over.
#[derive(Debug)]
pub struct Carried {
    /// The file.
    pub file: Vec<u8>,
    /// What the person keeps in mind.
    pub code: Code,
    /// What stays here.
    pub kept: KeptShare,
}

/// What stays at the source until a release: to be kept as a secret.
#[derive(Debug, Clone)]
pub struct KeptShare {
    /// Id at the router.
    pub carried: CarriedId,
    /// SHA-256 of the file.
    pub file: [u8; 32],
    /// The share.
    pub share: Share,
}

impl Desk {
    /// Seals a carried referral and records it: the file is handed out only against the receipt of its entry.
    ///
    /// # Errors
    ///
    /// [`ClientError::Gate`] when this agency's own gate refuses, [`ClientError::Carried`] when it cannot be sealed;
    /// otherwise as any call.
    pub async fn make_carried(&self, draft: CarriedDraft<'_>) -> Result<Carried, ClientError> {
        let now = self.now();
        let protocol = self.agency().protocol()?;
        let (source, recipient) = (self.agency().id(), &draft.basis.recipient);
        let labels = draft.fields.iter().map(|field| field.label).collect();
        let proposal = Proposal {
            source,
            recipient,
            recipient_kind: AgencyKind::NonMember,
            purpose: draft.purpose,
            stage: Stage::Accepted,
            labels,
        };
        let permit = permit(&proposal, BasisHead::InForce(draft.basis), &protocol, now)?;
        let issued = Timestamp::from_seconds(now.seconds()).unwrap_or(now);
        let expires = permit.validity().until.min(issued.plus(LIFE_MAX));
        let content = Content {
            source: source.clone(),
            recipient: recipient.clone(),
            purpose: draft.purpose,
            issued,
            expires,
            answer_to: draft.answer_to,
            fields: draft.fields,
        };
        let signer = self.agency().keys().signer();
        let made = carried::make(&content, signer, &mut SystemRandom)?;
        let statement = OutwardStatement {
            carried: CarriedId::from_random(SystemRandom.array()),
            source: source.clone(),
            recipient: recipient.clone(),
            purpose: draft.purpose,
            chain: draft.basis.chain,
            labels,
            issued,
            expires,
            file: sha256(&made.file),
        };
        self.record_carried(&statement, signer).await?;
        Ok(Carried {
            kept: KeptShare {
                carried: statement.carried,
                file: statement.file,
                share: made.share,
            },
            file: made.file,
            code: made.code,
        })
    }

    async fn record_carried(
        &self,
        statement: &OutwardStatement,
        signer: &dyn AgencySigner,
    ) -> Result<(), ClientError> {
        let token = statement.sign(signer)?;
        let request = v1::RecordCarriedRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            statement: token.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                CarriedServiceClient::new(channel)
                    .record_carried(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        proven.expect(|decision| {
            matches!(decision, Decision::CarriedRecorded { statement, .. } if statement.as_bytes() == token)
        })?;
        Ok(())
    }

    /// Releases what opens a carried referral to the key in `request`, if `heard` is the request's fingerprint as it
    /// was read out by phone. The share is sealed only against the receipt of the release's entry.
    ///
    /// # Errors
    ///
    /// [`CarriedError::Fingerprint`] and [`CarriedError::OtherFile`] before anything is sent; `BASIS_NOT_IN_FORCE`
    /// when the person has taken it back or it has expired; otherwise as any call.
    pub async fn release_carried(
        &self,
        kept: &KeptShare,
        request: &ReleaseRequest,
        heard: &str,
    ) -> Result<Release, ClientError> {
        if *request.file() != kept.file {
            return Err(CarriedError::OtherFile.into());
        }
        if !same_words(heard, &request.fingerprint()) {
            return Err(CarriedError::Fingerprint.into());
        }
        let digest = request.digest();
        let message = v1::ReleaseCarriedRequest {
            name: words::carried_name(self.agency().id(), kept.carried),
            request_id: request_id(),
            request_digest: digest.to_vec(),
        };
        let (reply, known) = self
            .call(message, |channel, request| async move {
                CarriedServiceClient::new(channel)
                    .release_carried(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        proven.expect(|decision| {
            matches!(decision, Decision::CarriedReleased { carried, request, .. }
                if *carried == kept.carried.to_string() && *request == b64u(&digest))
        })?;
        Ok(Release::seal(&kept.share, request, &mut SystemRandom)?)
    }
}

/// Spoken words are the same whatever stands between them.
fn same_words(heard: &str, said: &str) -> bool {
    let words = |text: &str| {
        let words = text.split(|letter: char| !letter.is_ascii_alphabetic());
        words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect::<Vec<_>>()
    };
    words(heard) == words(said)
}

/// Opens a carried referral and checks who sealed it, without a line: signature, and certificates up to `roots` of the
/// members' `trust_domain`, as they stood when it was sealed.
///
/// # Errors
///
/// [`CarriedError`]; [`CarriedError::Certificate`] when somebody else than its source signed it.
pub fn open_carried(
    file: &[u8],
    code: &Code,
    release: &Release,
    seed: &SealingSeed,
    (roots, trust_domain): (&[CertificateDer<'static>], &str),
) -> Result<Content, CarriedError> {
    let opened = carried::open(file, code, release, seed)?;
    let (leaf, intermediates) = opened
        .chain
        .split_first()
        .ok_or(CarriedError::Certificate)?;
    let intermediates: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let trust = TrustStore::new(roots).map_err(|_| CarriedError::Certificate)?;
    let at = opened.content.issued;
    let certificate = verify_signing_chain(leaf, &intermediates, &trust, at, trust_domain)
        .map_err(|_| CarriedError::Certificate)?;
    if *certificate.agency() == opened.content.source {
        Ok(opened.content)
    } else {
        Err(CarriedError::Certificate)
    }
}
