//! Certificates are renewed while referrals are on their way; nobody is accused for it, and nothing is lost by it.

use safeconduct::client::directory::DirectoryError;
use safeconduct::demo::town::members;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::envelope::keys::AgencySigner as _;

use crate::harness::scene::{one_bed, open};
use crate::harness::{assert_replays, own, run};

#[test]
fn a_parcel_sealed_before_its_source_renewed_its_certificate_opens_all_the_same() {
    run(async {
        let mut own = own(&["alpha", "house1", "ombud"], "error").await;
        let house = own.world.intake("house1");
        let before = own.world.source("alpha");
        let bed = one_bed(&before, "house1").await;
        let late = one_bed(&before, "house1").await;
        let earlier = before.agency().keys().signer().certificate_chain()[0].clone();
        let alpha = members::all()
            .into_iter()
            .find(|member| member.id == "alpha")
            .unwrap();
        own.town.join(&alpha).await.unwrap();

        // By a mirror from before the renewal, and by one from after it, in which the earlier certificate still stands.
        assert!(open(&house, bed.offer, Stage::Triage).await.is_ok());
        let mirrored = house.mirror().await.unwrap();
        let member = mirrored.member(before.agency().id()).unwrap();
        assert_eq!(member.earlier[0][0], earlier);
        assert!(open(&house, late.offer, Stage::Triage).await.is_ok());

        // Sealed under the present certificate, a recipient whose mirror is older opens it as well.
        let after = own.town.desk("alpha", "w1", StaffRole::Caseworker).unwrap();
        after.mirror().await.unwrap();
        let again = one_bed(&after, "house1").await;
        assert!(open(&house, again.offer, Stage::Triage).await.is_ok());
        // What was recorded under the earlier certificate can still be read by its own agency.
        let bases = after.bases(Some(bed.case)).await.unwrap();
        assert!(bases.iter().all(|basis| basis.basis.is_some()));

        // Who left its key folder in an old backup is told that its own entry is not its own.
        let error = before.mirror().await.unwrap_err();
        assert_eq!(error.to_string(), DirectoryError::NotOurs.to_string());
        assert_replays(&own.world);
    });
}
