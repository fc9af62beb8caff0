//! Copies of documents: sealed, sent in pieces, kept under a key of their own, read by the gate
//! (invariants 1, 8, 12, 13, 21, 24).

use std::time::Duration;

use safeconduct::client::agency::Desk;
use safeconduct::client::attachment::{Attached, PreparedAttachment};
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::vocabulary::{OfferState, Outcome, Purpose, Stage};
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::stream::{CHUNK_BYTES, StreamError};
use safeconduct::proto::v1;
use safeconduct::proto::v1::attachment_service_client::AttachmentServiceClient;
use tonic::Request;

use crate::harness::scene::{basis_for, closed, facts, new_case, open, tonight};
use crate::harness::{World, assert_replays, own, run, world};

const LAWYER: Purpose = Purpose::LegalAssistance;
const FIRST: &[&str] = &["LANGUAGE/WHOLE"];

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

fn scan(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 % 251) as u8).collect()
}

/// The field that tells of an attachment.
fn copy(attached: &Attached) -> Field {
    Field {
        path: "documents.copies".into(),
        label: "DOCUMENTS/COPY".parse().unwrap(),
        value: serde_json::Value::Array(vec![attached.copy("PASSPORT", "image/png")]),
    }
}

struct Case {
    basis: safeconduct::domain::basis::Basis,
    offer: safeconduct::domain::id::OfferId,
}

/// A lawyer is asked, and may have copies.
async fn lawyer(source: &Desk) -> Case {
    let case = new_case();
    let allowed = closed(&["LANGUAGE/WHOLE", "DOCUMENTS/COPY"]);
    let basis = basis_for(source, case, "law", LAWYER, allowed).await;
    let candidate = safeconduct::client::source::Candidate {
        basis: &basis,
        parcels: vec![(Stage::Triage, facts(FIRST))],
    };
    let ask = tonight(source, case, LAWYER);
    let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
    let offer = sent.offers[0].1;
    Case { basis, offer }
}

fn lawyers(world: &World) -> Desk {
    world.intake("law")
}

#[test]
fn a_scan_goes_with_its_parcel_and_comes_out_whole() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let reader = lawyers(world);
        let case = lawyer(&source).await;
        let content = scan(3 * 1024 * 1024 + 17);
        let attached = source
            .upload_attachment(case.offer, Stage::Accepted, &mut content.as_slice())
            .await
            .unwrap();
        let mut out = Vec::new();
        let early = reader
            .download_attachment(case.offer, &attached, &mut out)
            .await;
        assert_eq!(
            reason(early),
            Some(Reason::NotFound),
            "no parcel tells of it yet"
        );
        source
            .deposit(
                case.offer,
                &case.basis,
                LAWYER,
                Stage::Accepted,
                vec![copy(&attached)],
            )
            .await
            .unwrap();
        reader.accept(case.offer, None).await.unwrap();
        let unread = reader
            .download_attachment(case.offer, &attached, &mut out)
            .await;
        assert_eq!(
            reason(unread),
            Some(Reason::NotFound),
            "the parcel comes first"
        );
        let parcel = open(&reader, case.offer, Stage::Accepted).await.unwrap();
        let told = parcel.fields[0].field.value.as_array().unwrap();
        let told = Attached::of_copy(&told[0]).unwrap();
        assert_eq!(told, attached);
        reader
            .download_attachment(case.offer, &told, &mut out)
            .await
            .unwrap();
        assert!(out == content, "what was scanned");

        reader
            .complete(case.offer, Outcome::ServiceProvided)
            .await
            .unwrap();
        let over = reader
            .download_attachment(case.offer, &told, &mut Vec::new())
            .await;
        assert_eq!(reason(over), Some(Reason::NotFound));
        assert_replays(world);
    });
}

#[test]
fn a_copy_that_nobody_agreed_to_is_not_even_kept() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let bed = crate::harness::scene::one_bed(&source, "house1").await;
        let refused = source
            .upload_attachment(bed.offer, Stage::Accepted, &mut scan(10).as_slice())
            .await;
        let refused = reason(refused);
        assert!(
            matches!(
                refused,
                Some(Reason::ProtocolRefused | Reason::BasisNotCovering)
            ),
            "{refused:?}"
        );
        let empty = PreparedAttachment::seal(Stage::Accepted, &mut [].as_slice());
        assert!(matches!(
            empty,
            Err(ClientError::Attachment(StreamError::Size))
        ));
        let case = lawyer(&source).await;
        for _ in 0..8 {
            source
                .upload_attachment(case.offer, Stage::Accepted, &mut scan(10).as_slice())
                .await
                .unwrap();
        }
        let ninth = source
            .upload_attachment(case.offer, Stage::Accepted, &mut scan(10).as_slice())
            .await;
        assert_eq!(reason(ninth), Some(Reason::TooMany));
    });
}

fn files(world: &std::path::Path) -> Vec<std::path::PathBuf> {
    let folder = world.join("attachments");
    match std::fs::read_dir(folder) {
        Ok(items) => items.map(|item| item.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

#[test]
fn a_killed_upload_goes_on_where_it_was_and_a_withdrawal_takes_the_file_away() {
    run(async {
        let mut own = own(&["alpha", "law", "ombud"], "warn").await;
        let source = own.world.source("alpha");
        let case = lawyer(&source).await;
        let content = scan(40 * CHUNK_BYTES);
        let prepared = PreparedAttachment::seal(Stage::Accepted, &mut content.as_slice()).unwrap();
        // A stream that the router is killed under: the first chunks only.
        let parts = prepared.parts(format!("agencies/alpha/offers/{}", case.offer), 0, 20);
        let session = source.agency().session();
        let request: Request<_> = session
            .request(
                Some(source.staff()),
                tokio_stream::iter(parts),
                0,
                Some(Duration::from_secs(20)),
            )
            .unwrap();
        let kept = AttachmentServiceClient::new(session.channel())
            .upload_attachment(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!((kept.chunks_kept, kept.receipt), (20, None));
        own.town.router().kill();
        let store = own.town.router().store();
        let file = files(&store).pop().expect("a file");
        // What a crash may leave of a block that was not acknowledged.
        let torn = std::fs::read(&file).unwrap();
        std::fs::write(&file, &torn[..torn.len() - 100]).unwrap();
        own.town.router().start().unwrap();

        let upload = v1::GetUploadRequest {
            offer: format!("agencies/alpha/offers/{}", case.offer),
            attachment: prepared.attached().attachment.to_string(),
        };
        let wire = own.world.wire(
            "alpha",
            safeconduct::domain::vocabulary::StaffRole::Caseworker,
        );
        let kept: v1::GetUploadResponse = wire
            .ask("AttachmentService/GetUpload", &upload)
            .await
            .unwrap();
        assert_eq!((kept.chunks_kept, kept.complete), (19, false));
        source.send_attachment(case.offer, &prepared).await.unwrap();
        // Once more is no second effect.
        source.send_attachment(case.offer, &prepared).await.unwrap();
        let attached = prepared.attached().clone();
        let bytes = std::fs::read(&file).unwrap();
        let needle = &content[CHUNK_BYTES..CHUNK_BYTES + 64];
        assert!(!bytes.windows(64).any(|window| window == needle));

        source
            .deposit(
                case.offer,
                &case.basis,
                LAWYER,
                Stage::Accepted,
                vec![copy(&attached)],
            )
            .await
            .unwrap();
        let reader = lawyers(&own.world);
        reader.accept(case.offer, None).await.unwrap();
        open(&reader, case.offer, Stage::Accepted).await.unwrap();
        let mut out = Vec::new();
        reader
            .download_attachment(case.offer, &attached, &mut out)
            .await
            .unwrap();
        assert!(out == content, "what was scanned");
        source
            .withdraw_basis(
                &case.basis,
                AlsoAsked {
                    erase: true,
                    leave: false,
                },
            )
            .await
            .unwrap();
        let gone = reader
            .download_attachment(case.offer, &attached, &mut out)
            .await;
        assert_eq!(reason(gone), Some(Reason::NotFound));
        let view = reader.offer(case.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Accepted, "the placement stays");
        assert!(files(&store).is_empty(), "unlinked with its key");
        assert_replays(&own.world);
    });
}
