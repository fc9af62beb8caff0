//! One member, one auditor and somebody unknown each call as fast as they can: the log grows by a bounded number of
//! entries, and others go on.

use safeconduct::demo::town::{Town, TownOptions};
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::scene::{one_bed, open};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, assert_replays, binary, members, run};

/// Each of the floods.
const CALLS: usize = 40;

const LIMITS: &str = "openings_per_minute = 4\nalarms_per_minute = 3\naudits_per_minute = 60\n";

async fn log_size(wire: &Wire) -> u64 {
    let request = v1::GetCheckpointRequest {};
    let reply: v1::GetCheckpointResponse = wire
        .ask("AuditService/GetCheckpoint", &request)
        .await
        .unwrap();
    reply.checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn floods_grow_the_log_by_a_bounded_number_of_entries_and_keep_nobody_else_out() {
    run(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut options = TownOptions::new(binary(), folder.path().join("town"));
        options.members = members();
        let ids = ["alpha", "house1", "house2", "ombud"];
        options.members.retain(|member| ids.contains(&member.id));
        options.limits = LIMITS.to_owned();
        let town = Town::start(options.clone()).await.unwrap();
        let world = World::of(&town, &options.members).await;
        let source = world.source("alpha");
        let (loud, quiet) = (
            one_bed(&source, "house1").await,
            one_bed(&source, "house2").await,
        );
        let wire = world.wire("house1", StaffRole::Intake);

        // Openings and alarms: an entry each, so many and no more; the answer says when to come again.
        let name = format!("agencies/house1/offers/{}", loud.offer);
        let opening = v1::OpenParcelRequest {
            name: name.clone(),
            stage: 1,
        };
        let alarm = v1::RaiseAlarmRequest {
            name,
            request_id: safeconduct::client::session::request_id(),
            stage: 1,
            alarm: 1,
        };
        let before = log_size(&wire).await;
        let mut too_fast = 0;
        for n in 0..2 * CALLS {
            let answer = if n % 2 == 0 {
                wire.ask::<v1::OpenParcelResponse>("OfferService/OpenParcel", &opening)
                    .await
                    .err()
            } else {
                wire.ask::<v1::RaiseAlarmResponse>("OfferService/RaiseAlarm", &alarm)
                    .await
                    .err()
            };
            if let Some(status) = answer
                && status.code() == Code::ResourceExhausted
            {
                Refused::read(&status).is(Code::ResourceExhausted, "TOO_FAST");
                too_fast += 1;
            }
        }
        assert!(too_fast >= 2 * CALLS - 20, "{too_fast}");
        let grown = log_size(&wire).await - before;
        assert!(grown <= 20, "{grown} entries");

        // Bad tokens and strangers' handshakes: none at all, until they are counted.
        let before = log_size(&wire).await;
        let forged = wire.with_token("e30.e30.e30");
        for _ in 0..CALLS {
            let answer = forged.raw("AuditService/GetCheckpoint", Vec::new()).await;
            assert_eq!(answer.err().unwrap().code(), Code::Unauthenticated);
            let address = (world.address.host.as_str(), world.address.port);
            drop(tokio::net::TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(log_size(&wire).await, before);

        // R3: nobody else notices.
        let house2 = world.intake("house2");
        open(&house2, quiet.offer, Stage::Triage).await.unwrap();
        assert_replays(&world);
    });
}
