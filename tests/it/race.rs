//! Who comes first wins, and nobody wins twice: small runs of `safeconduct race`.

use std::path::Path;

use safeconduct::cli::race::{self, Kind, Plan, Tally};

use crate::harness::run;

async fn raced(kind: Kind, rounds: u32, clients: usize) -> Tally {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_safeconduct"));
    let plan = Plan {
        kind,
        rounds,
        clients,
        seed: 20_261_121,
    };
    let tally = race::run(binary, &folder.path().join("town"), plan, &|_| {}).await;
    let tally = tally.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tally.races, u64::from(rounds), "{tally}");
    tally
}

/// Invariants 5 and 7: exactly one, however many want it.
#[test]
fn of_many_clients_who_want_one_place_exactly_one_gets_it() {
    run(async {
        let tally = raced(Kind::Place, 3, 48).await;
        assert_eq!(tally.calls, 3 * 48);
    });
}

/// Invariant 13, in the order of the ledger.
#[test]
fn no_disclosure_stands_after_the_withdrawal_it_raced() {
    run(async {
        let tally = raced(Kind::Withdraw, 20, 8).await;
        assert_eq!(tally.withdrawals, 20);
    });
}

/// Invariant 7: one decision, and the others are closed in the same batch.
#[test]
fn of_three_houses_that_accept_at_once_exactly_one_does() {
    run(async {
        let tally = raced(Kind::Acceptance, 10, 8).await;
        assert_eq!(tally.calls, 30);
    });
}

/// R9, R15: places for all or for none.
#[test]
fn a_family_and_a_man_who_want_the_same_places_never_share_them() {
    run(async {
        let tally = raced(Kind::Group, 5, 8).await;
        assert_eq!(tally.calls, 10);
    });
}
