//! Bytes that are no message, or too many of them (invariants 23 and 26).

use prost::Message;
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::wire::{Refused, Wire};
use crate::harness::{run, world};

const CREATE: &str = "ReferralService/CreateReferral";

async fn refused(wire: &Wire, method: &str, body: Vec<u8>) -> Refused {
    let status = wire.raw(method, body).await;
    let status = status
        .err()
        .unwrap_or_else(|| panic!("{method} was not refused"));
    Refused::read(&status)
}

/// A message with something in it.
fn sound() -> v1::CreateReferralRequest {
    let parcel = v1::Parcel {
        fields: vec![vec![7; 272].into()],
        ..Default::default()
    };
    let deposit = v1::Deposit {
        parcel: Some(parcel),
        ..Default::default()
    };
    v1::CreateReferralRequest {
        parent: "agencies/alpha".into(),
        offers: vec![v1::NewOffer {
            recipient: "agencies/house1".into(),
            deposits: vec![deposit],
        }],
        ..Default::default()
    }
}

#[test]
fn bytes_that_are_no_message_are_refused_as_the_callers_fault() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let right = sound().encode_to_vec();
        let mut truncated = right.clone();
        truncated.truncate(right.len() / 2);
        // Field 1 of wire type 2 with three bytes that are no UTF-8.
        let invalid_utf8 = vec![0x0a, 3, 0xff, 0xfe, 0xfd];
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("truncated", truncated),
            ("invalid UTF-8", invalid_utf8),
            ("a wrong wire type", vec![0x08, 1]),
            ("an endless varint", vec![0xff; 64]),
            (
                "a length beyond the end",
                vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
            ),
            ("a group", vec![0x0b, 0x0b, 0x0b]),
            ("tag zero", vec![0x00, 0x00]),
        ];
        for (what, body) in cases {
            let answer = refused(&wire, CREATE, body).await;
            assert_eq!(answer.code, Code::InvalidArgument, "{what}: {answer:?}");
        }
    });
}

#[test]
fn deep_nesting_is_refused() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        // Groups of an unknown field, ten thousand deep.
        let mut body = [0xa3, 0x06].repeat(10_000);
        body.extend([0xa4, 0x06].repeat(10_000));
        let answer = refused(&wire, CREATE, body).await;
        assert_eq!(answer.code, Code::InvalidArgument, "{answer:?}");
    });
}

#[test]
fn a_message_past_its_limit_is_refused_before_it_is_read() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let mut request = sound();
        let parcel = request.offers[0].deposits[0].parcel.as_mut().unwrap();
        parcel.fields[0] = vec![0; 2 * 1024 * 1024].into();
        let answer = refused(&wire, CREATE, request.encode_to_vec()).await;
        let codes = [
            Code::InvalidArgument,
            Code::OutOfRange,
            Code::ResourceExhausted,
        ];
        assert!(codes.contains(&answer.code), "{answer:?}");
        // The connection goes on.
        wire.raw("AuditService/GetCheckpoint", Vec::new())
            .await
            .unwrap();
    });
}
