//! A download under way ends when what it stands on does (invariant 13).

use super::sequences::cast::{Cast, Draft, told_at};
use super::town::{fresh, id};
use crate::domain::attachment::SEALED_CHUNK_BYTES;
use crate::domain::id::{AttachmentId, BasisChainId};
use crate::domain::vocabulary::{BasisKind, Purpose, Stage, Urgency};
use crate::envelope::keys::sha256;
use crate::envelope::statement::Forward;
use crate::exchange::attachment::UploadHeader;
use crate::exchange::referral::{NewOffer, NewReferral};
use crate::exchange::{OfferName, Refusal};
use std::time::Duration;

/// A lawyer has accepted, and has the parcel in hand that tells of a copy in three chunks.
async fn told() -> (Cast, OfferName, AttachmentId) {
    let mut cast = Cast::begin().await;
    let chain = BasisChainId::from_random(cast.fresh_bytes());
    let until = cast.now().plus(Duration::from_secs(3 * 24 * 3600));
    let case = super::sequences::cast::case_of("ngo", 0);
    let parties = ("ngo", "law", case);
    let statement = cast.basis(
        (chain, 1),
        parties,
        BasisKind::Consent,
        (until, false),
        false,
    );
    let (source, law) = (id("ngo"), id("law"));
    let caller = cast.staff(&source);
    let exchange = cast.town.exchange.clone();
    let recorded = exchange.record_basis(&caller, &source, fresh(), statement);
    let _ = recorded.await.expect("recorded");
    let mut sealed = |stage| {
        let draft = Draft {
            source: &source,
            recipient: &law,
            purpose: Purpose::LegalAssistance,
            stage,
            chain,
            until,
            labels: told_at(BasisKind::Consent, "law", stage),
            forward: Forward::default(),
            supersedes: None,
            parent: None,
        };
        cast.deposit(draft).expect("sealed")
    };
    let deposits = vec![sealed(Stage::Triage), sealed(Stage::Accepted)];
    let new = NewReferral {
        case,
        purpose: Purpose::LegalAssistance,
        urgency: Urgency::Emergency,
        decide_by: None,
        place_by: None,
        parallel: None,
        offers: vec![NewOffer {
            recipient: law.clone(),
            deposits,
        }],
    };
    let made = exchange.create_referral(&caller, &source, fresh(), new);
    let offer = made.await.expect("created").offers[0].clone();
    let chunks = [1_u8, 2, 3].map(|byte| vec![byte; SEALED_CHUNK_BYTES]);
    let attachment = AttachmentId::from_random(cast.fresh_bytes());
    let header = UploadHeader {
        offer: offer.clone(),
        attachment,
        stage: Stage::Accepted,
        chunks: 3,
        digest: sha256(&chunks.concat()),
        first_chunk: 0,
    };
    let upload = exchange.clone().begin_upload(&caller, header);
    let mut upload = upload.await.expect("begun");
    for chunk in chunks {
        upload.append(chunk).await.expect("kept");
    }
    assert_eq!(upload.finish().await.expect("kept").chunks, 3);
    let lawyer = cast.staff(&law);
    let name = OfferName {
        agency: law,
        offer: offer.offer,
    };
    let accepted = exchange.accept_offer(&lawyer, &name, fresh(), None);
    let _ = accepted.await.expect("accepted");
    let opened = exchange.open_parcel(&lawyer, &name, Stage::Accepted);
    let _ = opened.await.expect("opened");
    (cast, name, attachment)
}

#[tokio::test]
async fn a_basis_that_narrows_ends_a_download_within_a_chunk() {
    let (mut cast, offer, attachment) = told().await;
    let exchange = cast.town.exchange.clone();
    let lawyer = cast.staff(&id("law"));
    let begun = exchange.download(&lawyer, &offer, attachment, 0);
    let mut download = begun.await.expect("begun");
    let first = download.next().await.expect("read").expect("a chunk");
    assert_eq!(first.first(), Some(&1));
    let basis = cast.book.bases.values().next().expect("one").clone();
    let parties = ("ngo", "law", basis.case);
    let until = (basis.allows[0].until, false);
    let next = (basis.chain, 2);
    let narrower = cast.basis(next, parties, BasisKind::Consent, until, true);
    let source = id("ngo");
    let caller = cast.staff(&source);
    let recorded = exchange.record_basis(&caller, &source, fresh(), narrower);
    let _ = recorded.await.expect("recorded");
    assert_eq!(download.next().await, Err(Refusal::NotFound));
    drop(download);
    let again = exchange.download(&lawyer, &offer, attachment, 1).await;
    assert_eq!(again.err(), Some(Refusal::NotFound));
}

#[tokio::test]
async fn a_yes_that_expires_ends_a_download_within_a_chunk() {
    let (cast, offer, attachment) = told().await;
    let exchange = cast.town.exchange.clone();
    let lawyer = cast.staff(&id("law"));
    let begun = exchange.download(&lawyer, &offer, attachment, 0);
    let mut download = begun.await.expect("begun");
    assert!(download.next().await.expect("read").is_some());
    assert!(download.next().await.expect("read").is_some());
    cast.town.clock.pass(Duration::from_secs(4 * 24 * 3600));
    assert_eq!(download.next().await, Err(Refusal::NotFound));
}

/// A parcel ends at a quarter of an hour, its basis at any moment: in between there is nothing to open, and that is
/// said as of anything else that is not there.
#[tokio::test]
async fn a_parcel_that_ended_before_its_basis_is_not_found() {
    let (cast, offer, _) = told().await;
    let lawyer = cast.staff(&id("law"));
    let basis = cast.book.bases.values().next().expect("one").clone();
    let until = basis.allows[0].until;
    let left = Duration::from_millis(until.millis().abs_diff(cast.now().millis()));
    cast.town.clock.pass(left - Duration::from_secs(60));
    let opened = cast
        .town
        .exchange
        .open_parcel(&lawyer, &offer, Stage::Accepted);
    assert_eq!(opened.await.err(), Some(Refusal::NotFound));
}
