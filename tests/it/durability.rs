//! What was acknowledged stays, whatever happens to the router: small runs of the campaigns of `safeconduct crash`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safeconduct::cli::crash::CrashError;
use safeconduct::cli::crash::router::{self, RouterCampaign};
use safeconduct::demo::town::{Town, TownOptions};

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_safeconduct"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn silent(_: &str) {}

/// Unwraps, or says why there is nothing to see on this machine.
fn unless_skipped<T>(outcome: Result<T, CrashError>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(skipped @ CrashError::Skipped(_)) => {
            println!("{skipped}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_killed_under_load_loses_nothing_that_it_acknowledged() {
    // Invariants 1, 6, 7, 8, 10, 13.
    let folder = folder();
    let campaign = RouterCampaign::new(binary(), folder.path().to_owned(), 3, 7);
    let tally = router::run(&campaign, &silent)
        .await
        .expect("nothing is lost");
    assert_eq!(tally.kills, 3);
    assert!(tally.acknowledged > 0, "{tally}");
    assert!(
        tally.uploads.chunks > 0 && tally.uploads.opened > 0,
        "{tally}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_disk_taken_after_an_acknowledgement_has_it() {
    // Invariants 1 and 2.
    let folder = folder();
    let done = router::images::run(&binary(), folder.path(), 2, 7, &silent).await;
    if let Some(tally) = unless_skipped(done) {
        assert_eq!(tally.images, 2);
        assert!(tally.acknowledged > 0, "{tally}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_byte_of_a_reply_follows_the_sync() {
    // Invariant 2.
    let folder = folder();
    let done = router::order::run(&binary(), folder.path(), 3).await;
    if let Some(seen) = unless_skipped(done) {
        assert!(seen >= 15, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_write_or_sync_nobody_is_told_yes_and_the_process_ends_with_70() {
    // Invariant 3.
    let folder = folder();
    let done = router::faults::run(&binary(), folder.path(), 1, 7).await;
    if let Some(met) = unless_skipped(done) {
        assert_eq!(met, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_cleanly_and_still_takes_a_withdrawal() {
    // Invariants 9 and 28.
    let folder = folder();
    let done = router::full::run(&binary(), folder.path()).await;
    if let Some(tally) = unless_skipped(done) {
        assert!(tally.withdrawn > 0 && tally.refused > 0, "{tally}");
    }
}

/// A router of a town that nobody else is in.
async fn lonely_town(folder: &Path) -> Town {
    let mut options = TownOptions::new(binary(), folder.join("town"));
    options.members.clear();
    Town::start(options).await.expect("a town")
}

/// Runs a second `router run` on the settings of a town, which must end by itself.
fn run_again(town: &mut Town) -> Output {
    let settings = town.router().folder().join("router.toml");
    Command::new(binary())
        .args(["router", "run", "--config"])
        .arg(settings)
        .output()
        .expect("the binary runs")
}

fn is_refused(output: &Output, naming: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    // Wrapped for a terminal.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains(naming), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_router_on_one_store_is_refused_by_name() {
    // Fault F12, invariant 10.
    let folder = folder();
    let mut town = lonely_town(folder.path()).await;
    is_refused(&run_again(&mut town), "another process holds this store");
    assert!(town.router().is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_foreign_newer_or_emptied_store_is_refused_by_name_and_never_made_anew() {
    // Invariants 29 and 30.
    let folder = folder();
    let mut town = lonely_town(folder.path()).await;
    town.router().stop().expect("it ends");
    let store = town.router().store();
    let away = folder.path().join("away");
    fs::rename(&store, &away).expect("renamed");

    is_refused(&run_again(&mut town), "holds no store, although");
    assert!(!store.exists());

    fs::create_dir(&store).expect("made");
    is_refused(&run_again(&mut town), "holds no store, although");
    assert_eq!(fs::read_dir(&store).expect("a folder").count(), 0);

    fs::write(store.join("letter"), "not a store").expect("written");
    is_refused(
        &run_again(&mut town),
        "something other than a safeconduct store",
    );
    assert_eq!(fs::read_dir(&store).expect("a folder").count(), 1);
    fs::remove_dir_all(&store).expect("removed");
    fs::rename(&away, &store).expect("renamed");

    let described = fs::read_to_string(store.join("store")).expect("there");
    let newer = described.replace("format 1\n", "format 2\n");
    fs::write(store.join("store"), newer).expect("written");
    is_refused(&run_again(&mut town), "format 2");
    fs::write(store.join("store"), described).expect("written");

    for part in ["journal", "keyring", "store"] {
        let (there, hidden) = (store.join(part), folder.path().join(part));
        fs::rename(&there, &hidden).expect("renamed");
        is_refused(&run_again(&mut town), "missing");
        assert!(!there.exists(), "{part}");
        fs::rename(&hidden, &there).expect("renamed");
    }
    town.router().start().expect("the store is as it was");
}
