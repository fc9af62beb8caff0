//! Well-formed requests of every method, made wrong at random (invariant 26).

use std::collections::BTreeMap;

use safeconduct::domain::vocabulary::{StaffRole, Stage};
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::forge::{self, Draft};
use crate::harness::requests::About;
use crate::harness::scene::{BED, TRIAGE, facts, one_bed};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, own, run};

/// Mutations in all; every method gets its share. `SAFECONDUCT_FUZZ` sets another number.
const MUTATIONS: usize = 2_000;
/// Of these at a time.
const TOGETHER: usize = 16;
/// Where the numbers begin; printed with a failure by way of the case number.
const SEED: u64 = 0x5afe_c0de;

/// A small generator: fixed seed, no dependency, good enough to pick bytes.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let below = u64::try_from(below.max(1)).unwrap();
        usize::try_from((self.0 >> 33) % below).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }

    /// One to four changes of any kind.
    fn mutate(&mut self, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(body.len());
            match self.roll(8) {
                0 if !body.is_empty() => body[at] ^= 1 << self.roll(8),
                1 if !body.is_empty() => body[at] = self.byte(),
                2 => body.truncate(at),
                3 => {
                    let byte = self.byte();
                    body.insert(at, byte);
                }
                4 if !body.is_empty() => drop(body.remove(at)),
                5 => {
                    let until = at + self.roll(body.len() - at);
                    let part = body[at..until].to_vec();
                    body.extend(part);
                }
                6 => {
                    // A field of any number and wire type, with something or other in it.
                    let tail: Vec<u8> = (0..self.roll(12)).map(|_| self.byte()).collect();
                    body.extend(tail);
                }
                _ => {
                    // Low bytes are tags and lengths: most likely to still parse.
                    let at = self.roll(body.len().min(8));
                    if let Some(byte) = body.get_mut(at) {
                        *byte = byte.wrapping_add(1);
                    }
                }
            }
        }
        body
    }
}

async fn about(world: &World) -> About {
    let source = world.source("alpha");
    let bed = one_bed(&source, "alpha-house").await;
    let draft = Draft::new(
        "alpha-house",
        bed.basis.chain,
        BED,
        Stage::Triage,
        facts(TRIAGE),
    );
    let deposit = forge::seal(&source, draft, source.agency().keys().signer()).deposit();
    About {
        agency: "alpha".into(),
        recipient: "alpha-house".into(),
        offer: bed.offer.to_string(),
        referral: bed.sent.referral.to_string(),
        basis: bed.basis.chain.to_string(),
        pool: "beds".into(),
        case: bed.case.to_string(),
        statement: deposit.parcel.as_ref().unwrap().statement.to_vec(),
        deposit,
    }
}

/// Who gets past the door with which method.
fn callers(world: &World, method: &str) -> Wire {
    match method.split('/').next().unwrap() {
        "OfferService" | "PlaceService" => world.wire("alpha-house", StaffRole::Intake),
        "AdministrationService" => world.wire("operator", StaffRole::Administrator),
        "DirectoryService" if method.ends_with("PublishKeyBundle") => {
            world.wire("alpha", StaffRole::Administrator)
        }
        "DirectoryService" if method.ends_with("DeclareCapacity") => {
            world.wire("alpha", StaffRole::Supervisor)
        }
        "AuditService" if !method.contains("/Prove") && !method.ends_with("GetCheckpoint") => {
            world.wire("ombud", StaffRole::Auditor)
        }
        _ => world.wire("alpha", StaffRole::Supervisor),
    }
}

#[test]
fn no_bytes_make_the_router_fail() {
    run(async {
        let mut own = own(&["alpha", "alpha-house", "ombud"], "warn").await;
        let count = std::env::var("SAFECONDUCT_FUZZ").ok();
        let count = count
            .and_then(|count| count.parse().ok())
            .unwrap_or(MUTATIONS);
        let about = about(&own.world).await;
        let house = About {
            agency: "alpha-house".into(),
            ..about.clone()
        };
        let mut calls = about.all();
        calls.retain(|(method, _)| !method.starts_with("OfferService"));
        calls.extend(house.offers());
        let wires: Vec<Wire> = calls
            .iter()
            .map(|(method, _)| callers(&own.world, method))
            .collect();
        let mut dice = Dice(SEED);
        let mut running = JoinSet::new();
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for case in 0..count {
            let at = case % calls.len();
            let (method, body) = &calls[at];
            let (method, body, wire) = (*method, dice.mutate(body), wires[at].clone());
            if running.len() >= TOGETHER {
                let code: String = running.join_next().await.unwrap().unwrap();
                *codes.entry(code).or_default() += 1;
            }
            running.spawn(async move {
                match wire.raw(method, body).await {
                    Ok(_) => "OK".to_owned(),
                    Err(status) => {
                        let refused = Refused::read(&status);
                        let ours = [
                            Code::Internal,
                            Code::Unknown,
                            Code::Unavailable,
                            Code::DataLoss,
                        ];
                        assert!(
                            !ours.contains(&refused.code),
                            "case {case}, {method}: {refused:?}"
                        );
                        refused.reason
                    }
                }
            });
        }
        while let Some(code) = running.join_next().await {
            *codes.entry(code.unwrap()).or_default() += 1;
        }
        assert!(own.town.router().is_running(), "{codes:?}");
        let log = std::fs::read_to_string(own.town.router().log_file()).unwrap();
        assert!(!log.contains("panic"), "{log}");
        assert!(
            codes.len() > 3,
            "the mutations reach past the first check: {codes:?}"
        );
    });
}
