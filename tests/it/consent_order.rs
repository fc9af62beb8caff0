//! The order of the ledger: what follows a withdrawal, and what never does (invariant 13).

use std::collections::{HashMap, HashSet};

use safeconduct::client::agency::Desk;
use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::ledger::decision::Decision;
use safeconduct::ledger::entry::Opening;
use safeconduct::proto::v1;
use tokio::task::JoinSet;

use crate::harness::scene::one_bed;
use crate::harness::{World, assert_replays, own, run};

const STOP: AlsoAsked = AlsoAsked {
    erase: false,
    leave: false,
};

/// How often a withdrawal races an opening.
const RACES: usize = 200;
/// How many of them at a time.
const TOGETHER: usize = 8;

/// Invariant 13, and the order of the ledger that proves it.
#[test]
fn no_opening_follows_a_withdrawal_however_they_race() {
    run(async {
        let own = own(&["alpha", "house1", "ombud"], "warn").await;
        let world = &own.world;
        let mut races = JoinSet::new();
        let mut opened = 0;
        for _ in 0..RACES {
            if races.len() >= TOGETHER {
                opened += usize::from(races.join_next().await.unwrap().unwrap());
            }
            races.spawn(race(world.source("alpha"), world.intake("house1")));
        }
        while let Some(won) = races.join_next().await {
            opened += usize::from(won.unwrap());
        }
        let decisions = decisions(world).await;
        let (withdrawals, openings) = audit(&decisions);
        assert_replays(world);
        assert_eq!(withdrawals, RACES);
        assert!(
            openings >= opened,
            "every opening that was answered is in the ledger"
        );
        // A race that one side always wins is none.
        assert!(openings > 0, "no opening was ever first");
    });
}

/// Whether an opening was answered.
async fn race(source: Desk, house1: Desk) -> bool {
    let bed = one_bed(&source, "house1").await;
    let opening = {
        let house1 = house1.clone();
        tokio::spawn(async move {
            let mut any = false;
            for _ in 0..3 {
                any |= house1.fetch(bed.offer, Stage::Triage).await.is_ok();
            }
            any
        })
    };
    source.withdraw_basis(&bed.basis, STOP).await.unwrap();
    assert!(
        house1.fetch(bed.offer, Stage::Triage).await.is_err(),
        "after the answer"
    );
    opening.await.unwrap()
}

/// Every decision in the order of the ledger.
async fn decisions(world: &World) -> Vec<Decision> {
    let ombud = world.wire("ombud", StaffRole::Auditor);
    let mut decisions = Vec::new();
    let mut start = 0;
    loop {
        let request = v1::ReadOpeningsRequest {
            start,
            page_size: 1000,
        };
        let page: v1::ReadOpeningsResponse = ombud
            .ask("AuditService/ReadOpenings", &request)
            .await
            .unwrap();
        // The reading itself adds one entry a page.
        let few = page.openings.len() < 10;
        for opening in page.openings {
            assert_eq!(opening.index, start);
            start += 1;
            if !opening.decision.is_empty() {
                decisions.push(
                    Opening::parse(&opening.nonce, &opening.decision)
                        .unwrap()
                        .decision,
                );
            }
        }
        if few {
            return decisions;
        }
    }
}

/// Counts withdrawals and openings, and that no opening under a chain follows its withdrawal.
fn audit(decisions: &[Decision]) -> (usize, usize) {
    let mut chain_of = HashMap::new();
    let mut withdrawn = HashSet::new();
    let mut openings = 0;
    for decision in decisions {
        match decision {
            Decision::Offered {
                offer, deposits, ..
            } => {
                chain_of.insert(offer.clone(), deposits[0].chain.clone());
            }
            Decision::BasisWithdrawn { statement, .. } => {
                let claims = statement.split('.').nth(1).unwrap();
                let claims = data_encoding::BASE64URL_NOPAD
                    .decode(claims.as_bytes())
                    .unwrap();
                let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
                withdrawn.insert(claims["id"].as_str().unwrap().to_owned());
            }
            Decision::Opened { offer, .. } => {
                openings += 1;
                assert!(
                    !withdrawn.contains(&chain_of[offer]),
                    "opened after its withdrawal"
                );
            }
            _ => {}
        }
    }
    (withdrawn.len(), openings)
}
