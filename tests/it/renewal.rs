//! Certificates are renewed while referrals are on their way; nobody is accused for it.

use safeconduct::client::error::ClientError;
use safeconduct::demo::town::members;
use safeconduct::domain::vocabulary::{StaffRole, Stage};

use crate::harness::scene::{one_bed, open};
use crate::harness::{own, run};

#[test]
fn a_parcel_sealed_before_its_source_renewed_its_certificate_rings_no_alarm() {
    run(async {
        let mut own = own(&["alpha", "house1"], "error").await;
        let house = own.world.intake("house1");
        let before = own.world.source("alpha");
        let bed = one_bed(&before, "house1").await;
        let alpha = members::all().into_iter().find(|member| member.id == "alpha").unwrap();
        own.town.join(&alpha).await.unwrap();

        let error = open(&house, bed.offer, Stage::Triage).await.unwrap_err();
        assert!(
            matches!(&error, ClientError::EarlierCertificate(source) if source.as_str() == "alpha"),
            "{error}"
        );

        // Sealed anew under the present certificate, a recipient whose mirror is older opens it all the same.
        let after = own.town.desk("alpha", "w1", StaffRole::Caseworker).unwrap();
        after.mirror().await.unwrap();
        let again = one_bed(&after, "house1").await;
        assert!(open(&house, again.offer, Stage::Triage).await.is_ok());
    });
}
