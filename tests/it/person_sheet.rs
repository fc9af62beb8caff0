//! The sheet that an agency's program prints for a person who asks who was told what (R22).

use std::process::Command;

use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::vocabulary::Stage;

use crate::harness::liar::copy_folder;
use crate::harness::scene::{new_case, one_bed, open};
use crate::harness::{Own, World, own, run};

async fn town() -> Own {
    own(&["alpha", "house1", "ombud"], "error").await
}

/// The program's exit code, and all that it says.
fn sheet(world: &World, case: &str) -> (Option<i32>, String) {
    let router = format!("https://{}:{}", world.address.host, world.address.port);
    let output = Command::new(env!("CARGO_BIN_EXE_safeconduct"))
        .args(["agency", "disclosures", "--case", case])
        .args(["--router", &router])
        .args(["--server-name", &world.address.server_name])
        .arg("--identity")
        .arg(world.home("alpha"))
        .arg("--trust")
        .arg(world.folder.join("trust"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said + &why)
}

#[test]
fn the_sheet_says_when_somebody_took_it_back_and_knows_no_case_but_its_own() {
    run(async {
        let own = town().await;
        let world = &own.world;
        let bed = one_bed(&world.source("alpha"), "house1").await;
        let house = world.intake("house1");
        open(&house, bed.offer, Stage::Triage).await.unwrap();
        let case = bed.case.to_string();
        let (code, said) = sheet(world, &case);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("house1 read what we sent"), "{said}");
        assert!(!said.contains("took this back"), "{said}");

        let also = AlsoAsked {
            erase: false,
            leave: false,
        };
        let source = world.source("alpha");
        source.withdraw_basis(&bed.basis, also).await.unwrap();
        let (code, said) = sheet(world, &case);
        assert_eq!(code, Some(0), "{said}");
        let day = safeconduct::cli::text::day(source.now());
        let wanted = format!("You took this back on {day}.");
        assert!(said.contains(&wanted), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= 80));

        let (code, said) = sheet(world, &new_case().to_string());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("No case of ours has this handle"), "{said}");
    });
}

#[test]
fn no_sheet_is_printed_of_a_log_that_does_not_continue_the_one_seen_before() {
    run(async {
        let mut own = town().await;
        let store = own.town.router().store();
        let backup = own.folder.path().join("backup");
        own.town.router().stop().unwrap();
        copy_folder(&store, &backup);
        own.town.router().start().unwrap();
        let bed = one_bed(&own.world.source("alpha"), "house1").await;
        own.town.router().stop().unwrap();
        std::fs::remove_dir_all(&store).unwrap();
        copy_folder(&backup, &store);
        own.town.router().start().unwrap();

        let (code, said) = sheet(&own.world, &bed.case.to_string());
        assert_eq!(code, Some(1), "{said}");
        let said = said.replace("\n             ", " ");
        assert!(said.contains("call the auditors"), "{said}");
        assert!(!said.contains("Nobody was told"), "{said}");
    });
}
