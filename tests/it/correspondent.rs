//! Who may not see a shelter can still verify what it sends, and learns nothing else of it (R3).

use safeconduct::client::source::Candidate;
use safeconduct::domain::vocabulary::{Purpose, StaffRole, Stage};
use safeconduct::proto::v1;
use safeconduct::proto::v1::directory_service_client::DirectoryServiceClient;
use tonic::Code;

use crate::harness::scene::{basis_for, closed, facts, new_case, open, tonight};
use crate::harness::{World, run, world};

const REPORT: &[&str] = &["LANGUAGE/WHOLE", "AGE/CHILD_OR_ADULT"];

async fn asked(world: &World, by: &str, agency: &str) -> Result<v1::Agency, Code> {
    let desk = world.intake(by);
    let name = format!("agencies/{agency}");
    let session = desk.agency().session();
    let request = session.request(Some(desk.staff()), v1::GetAgencyRequest { name }, 0, None);
    let mut client = DirectoryServiceClient::new(session.channel());
    let reply = client.get_agency(request.unwrap()).await;
    reply
        .map(|reply| reply.into_inner().agency.unwrap())
        .map_err(|status| status.code())
}

#[test]
fn the_police_verify_what_a_shelter_sends_and_learn_nothing_else_of_it() {
    run(async {
        let world = world().await;
        // alpha-house has sent the police nothing: as absent as one that does not exist.
        assert_eq!(
            asked(world, "moi-atu", "alpha-house").await.unwrap_err(),
            Code::NotFound
        );
        assert_eq!(
            asked(world, "moi-atu", "nobody").await.unwrap_err(),
            Code::NotFound
        );

        let source = world.desk("house3", StaffRole::Supervisor);
        let case = new_case();
        let basis = basis_for(
            &source,
            case,
            "moi-atu",
            Purpose::CrimeReport,
            closed(REPORT),
        )
        .await;
        let candidate = Candidate {
            basis: &basis,
            parcels: vec![(Stage::Triage, facts(REPORT))],
        };
        let ask = tonight(&source, case, Purpose::CrimeReport);
        let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
        let unit = world.intake("moi-atu");
        let directory = unit.agency().directory().unwrap();
        assert!(
            directory.member(source.agency().id()).is_err(),
            "not in its directory"
        );
        let parcel = open(&unit, sent.offers[0].1, Stage::Triage).await.unwrap();
        assert!(!parcel.fields.is_empty());

        let seen = asked(world, "moi-atu", "house3").await.unwrap();
        assert!(seen.key_bundle.is_empty() && seen.capacity == 0 && seen.capacity_time.is_none());
        // Its certificates, proved in the directory's digest by the hash of what is not shown.
        assert!(!seen.signers.is_empty() && !seen.digest_proof.is_empty());
        assert_eq!(seen.bundle_digest.len(), 32);
        // Its colleagues next door have no offer of it.
        assert_eq!(
            asked(world, "moi", "house3").await.unwrap_err(),
            Code::NotFound
        );
    });
}
