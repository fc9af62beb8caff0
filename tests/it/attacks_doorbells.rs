//! Doorbells: each agency's own, at least once, in order, and bounded (invariants 22 and 25).

use std::time::Duration;

use prost::Message as _;
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::proto::v1;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use crate::harness::scene::{Bed, one_bed};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, own, run, world};

const WATCH: &str = "EventService/Watch";
const RING_MAX: Duration = Duration::from_secs(10);

async fn watch(wire: &Wire, agency: &str, token: &str) -> Result<Streaming<Vec<u8>>, Status> {
    let request = v1::WatchRequest {
        parent: format!("agencies/{agency}"),
        resume_token: token.to_owned(),
    };
    wire.stream(WATCH, &request).await
}

async fn next(stream: &mut Streaming<Vec<u8>>) -> Result<v1::WatchResponse, Status> {
    let bell = timeout(RING_MAX, stream.message())
        .await
        .expect("a bell in time")?;
    Ok(v1::WatchResponse::decode(bell.expect("the stream goes on").as_slice()).unwrap())
}

/// The refusal of a stream, whether it comes at once or first on it.
async fn refusal(wire: &Wire, agency: &str, token: &str) -> Refused {
    let status = match watch(wire, agency, token).await {
        Err(status) => status,
        Ok(mut stream) => next(&mut stream).await.unwrap_err(),
    };
    Refused::read(&status)
}

/// The next bell that is no heartbeat.
async fn ring(stream: &mut Streaming<Vec<u8>>) -> v1::WatchResponse {
    loop {
        let bell = next(stream).await.unwrap();
        if bell.kind() != v1::EventKind::Heartbeat {
            return bell;
        }
    }
}

async fn beds(world: &World, count: usize) -> Vec<Bed> {
    let mut beds = Vec::new();
    for _ in 0..count {
        beds.push(one_bed(&world.source("alpha"), "house1").await);
    }
    beds
}

fn names(beds: &[Bed]) -> Vec<String> {
    beds.iter()
        .map(|bed| format!("agencies/house1/offers/{}", bed.offer))
        .collect()
}

#[test]
fn what_rang_while_nobody_listened_is_heard_in_order_also_after_a_kill() {
    run(async {
        let mut own = own(&["alpha", "house1"], "warn").await;
        let wire = own.world.wire("house1", StaffRole::Process);
        let mut stream = watch(&wire, "house1", "").await.unwrap();
        let start = next(&mut stream).await.unwrap();
        assert_eq!(start.kind(), v1::EventKind::Heartbeat);
        drop(stream);
        let missed = beds(&own.world, 3).await;

        let mut resumed = watch(&wire, "house1", &start.resume_token).await.unwrap();
        let mut heard = Vec::new();
        for _ in 0..missed.len() {
            heard.push(ring(&mut resumed).await);
        }
        let resources: Vec<&String> = heard.iter().map(|bell| &bell.resource).collect();
        assert_eq!(resources, names(&missed).iter().collect::<Vec<_>>());
        drop(resumed);

        own.town.restart().unwrap();
        let mut stream = loop {
            // The first attempt may meet the connection that was cut with the router.
            if let Ok(stream) = watch(&wire, "house1", &heard[0].resume_token).await {
                break stream;
            }
        };
        for bell in &heard[1..] {
            assert_eq!(ring(&mut stream).await.resource, bell.resource);
        }
    });
}

#[test]
fn a_doorbell_says_that_and_never_what() {
    run(async {
        let world = world().await;
        let wire = world.wire("house3", StaffRole::Process);
        let mut stream = watch(&wire, "house3", "").await.unwrap();
        next(&mut stream).await.unwrap();
        let bed = one_bed(&world.source("alpha"), "house3").await;
        let name = format!("agencies/house3/offers/{}", bed.offer);
        let bell = loop {
            let bell = ring(&mut stream).await;
            if bell.resource == name {
                break bell;
            }
        };
        assert_eq!(bell.kind(), v1::EventKind::OfferReceived);
        let token = bell.resume_token.clone();
        for word in ["alpha", "SAFE", "house"] {
            assert!(!token.contains(word), "{token}");
        }
    });
}

#[test]
fn a_resume_token_is_its_agencys_own_and_cannot_be_made() {
    run(async {
        let world = world().await;
        let house1 = world.wire("house1", StaffRole::Process);
        let house2 = world.wire("house2", StaffRole::Process);
        let mut stream = watch(&house1, "house1", "").await.unwrap();
        let token = next(&mut stream).await.unwrap().resume_token;
        drop(stream);
        let codes = [Code::OutOfRange, Code::InvalidArgument];
        let foreign = refusal(&house2, "house2", &token).await;
        assert!(codes.contains(&foreign.code), "{foreign:?}");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let refused = refusal(&house1, "house1", &changed).await;
            assert!(codes.contains(&refused.code), "{at}: {refused:?}");
        }
        watch(&house1, "house1", &token).await.unwrap();
    });
}

#[test]
fn an_agency_has_sixteen_streams_and_takes_nobody_elses() {
    run(async {
        let world = world().await;
        let wire = world.wire("law", StaffRole::Process);
        let mut open = Vec::new();
        for _ in 0..16 {
            let mut stream = watch(&wire, "law", "").await.unwrap();
            next(&mut stream).await.unwrap();
            open.push(stream);
        }
        let refused = refusal(&wire, "law", "").await;
        refused.is(Code::ResourceExhausted, "TOO_MANY");
        let other = world.wire("medic", StaffRole::Process);
        let mut stream = watch(&other, "medic", "").await.unwrap();
        next(&mut stream).await.unwrap();
        drop(open);
        timeout(RING_MAX, async {
            while watch(&wire, "law", "").await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("a place is free again");
    });
}
