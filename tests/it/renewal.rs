//! Certificates are renewed while referrals are on their way; nobody is accused for it, and nothing is lost by it.

use safeconduct::client::directory::{Directory, DirectoryError};
use safeconduct::client::keys::AgencyKeys;
use safeconduct::demo::town::{key_files, members};
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::envelope::keys::AgencySigner as _;

use crate::harness::liar::copy_folder;
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

        assert_replays(&own.world);
    });
}

#[test]
fn a_renewal_by_another_program_of_the_same_folder_is_no_alarm_and_its_new_key_opens() {
    run(async {
        let own = own(&["alpha", "house1", "ombud"], "error").await;
        let desk = own.world.intake("house1");
        let before = desk.mirror().await.unwrap();
        let key = |directory: &Directory| {
            let bundle = directory.member(desk.agency().id()).unwrap();
            let bundle = bundle.bundle.as_ref().unwrap().content().clone();
            bundle.sealing_keys[0].kid().to_owned()
        };
        // Without its seed, the timer's program makes another, as it does when the last one is old.
        let home = own.world.home("house1");
        let files = key_files(&home);
        let seed = files.own.join(format!("{}.seed", key(&before)));
        let aside = home.join("seed");
        std::fs::rename(&seed, &aside).unwrap();
        let keys = AgencyKeys::load("house1".parse().unwrap(), &files).unwrap();
        let timer = own.town.connect(keys, &home.join("checkpoint")).unwrap();
        let timer = timer.desk("timer", StaffRole::Administrator).unwrap();
        let bundle = timer.agency().keys().published_bundle().unwrap();
        timer
            .publish_keys(bundle.content().facts.clone())
            .await
            .unwrap();
        std::fs::rename(&aside, &seed).unwrap();

        let after = desk.mirror().await.unwrap();
        assert_ne!(key(&before), key(&after));
        let alpha = own.world.source("alpha");
        alpha.mirror().await.unwrap();
        let bed = one_bed(&alpha, "house1").await;
        assert!(open(&desk, bed.offer, Stage::Triage).await.is_ok());
        assert_replays(&own.world);
    });
}

#[test]
fn a_folder_from_an_old_backup_is_told_that_its_entry_is_not_its_own() {
    run(async {
        let mut own = own(&["alpha", "house1", "ombud"], "error").await;
        let old = own.folder.path().join("old");
        copy_folder(&own.world.home("alpha"), &old);
        let alpha = members::all()
            .into_iter()
            .find(|member| member.id == "alpha")
            .unwrap();
        own.town.join(&alpha).await.unwrap();
        let keys = AgencyKeys::load("alpha".parse().unwrap(), &key_files(&old)).unwrap();
        let before = own.town.connect(keys, &old.join("checkpoint")).unwrap();
        let before = before.desk("w1", StaffRole::Caseworker).unwrap();
        let error = before.mirror().await.unwrap_err();
        assert_eq!(error.to_string(), DirectoryError::NotOurs.to_string());
    });
}
