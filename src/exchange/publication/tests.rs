use super::super::tests::town::{Town, id};
use super::*;
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::cosignature::Cosigner;
use crate::ledger::hash::Hash;
use crate::ledger::note::NoteVerifier;
use crate::ledger::policy::Policy;
use crate::ledger::witness::{KnownLogs, Refused, Submission, judge};
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

/// A witness within the test: it decides as the real one, and is told when to be away.
struct Near {
    cosigner: Cosigner,
    known: KnownLogs,
    latest: Mutex<Option<Checkpoint>>,
    away: AtomicBool,
}

impl Near {
    fn new(number: u8, town: &Town) -> Arc<Self> {
        let mut known = KnownLogs::default();
        known.add(NoteVerifier::parse(town.exchange.verifier_key()).unwrap());
        let name = format!("witness.example/w{number}");
        Arc::new(Self {
            cosigner: Cosigner::ed25519(&name, &[number; 32]).unwrap(),
            known,
            latest: Mutex::default(),
            away: AtomicBool::new(false),
        })
    }

    /// As if it had cosigned this before.
    fn has_seen(&self, size: u64, root: Hash) {
        *self.latest.lock().unwrap() = Some(Checkpoint {
            origin: "safeconduct.example".into(),
            size,
            root,
        });
    }

    fn answer(&self, body: &str) -> Result<WitnessReply, String> {
        if self.away.load(Ordering::Relaxed) {
            return Err("away".into());
        }
        let asked = Submission::parse(body).unwrap();
        let signed = self.known.recognise(&asked.note).unwrap();
        let mut latest = self.latest.lock().unwrap();
        let at = Timestamp::from_seconds(1_800_000_000).unwrap();
        let (status, body) = match judge(latest.as_ref(), &asked, &signed.checkpoint) {
            Ok(()) => {
                *latest = Some(signed.checkpoint);
                (200, self.cosigner.cosign(&signed.text, at))
            }
            Err(Refused::OtherSize(size) | Refused::OtherRoot(size)) => (409, format!("{size}\n")),
            Err(Refused::Inconsistent) => (422, String::new()),
            Err(_) => (400, String::new()),
        };
        Ok(WitnessReply {
            status,
            tells_size: status == 409,
            body,
        })
    }
}

impl WitnessLine for Near {
    fn post(
        &self,
        body: String,
    ) -> Pin<Box<dyn Future<Output = Result<WitnessReply, String>> + Send + '_>> {
        Box::pin(async move { self.answer(&body) })
    }
}

fn watch(town: &Town, near: &[Arc<Near>], required: usize, missing: WhenMissing) {
    let vkeys: Vec<String> = near.iter().map(|near| near.cosigner.vkey()).collect();
    let rules = WitnessRules::new(&vkeys, required, missing).unwrap();
    town.exchange.publish_under(rules);
    let lines = near
        .iter()
        .cloned()
        .map(|near| near as Arc<dyn WitnessLine>);
    tokio::spawn(town.exchange.clone().keep_witnessed(lines.collect()));
}

fn witnesses_of(town: &Town, near: &[Arc<Near>], note: &str) -> (u64, usize) {
    let log = NoteVerifier::parse(town.exchange.verifier_key()).unwrap();
    let of = |near: &Arc<Near>| CosignatureVerifier::parse(&near.cosigner.vkey()).unwrap();
    let keys: Vec<_> = near.iter().map(|near| (of(near), None)).collect();
    let found = Policy::any_of(log, &keys, 1).unwrap().check(note).unwrap();
    (found.checkpoint.size, found.witnesses.len())
}

fn size(town: &Town) -> u64 {
    town.exchange.sequencer.published().edge.size()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gets_a_cosigned_checkpoint_that_is_never_older_than_what_it_saw() {
    // Invariant 10.
    let town = Town::begin().await;
    let near = [Near::new(1, &town), Near::new(2, &town)];
    watch(&town, &near, 2, WhenMissing::Closed);
    for _ in 0..3 {
        town.exchange.tick().await.unwrap();
        let seen = size(&town);
        let note = town.exchange.checkpoint().await.unwrap();
        let (given, witnesses) = witnesses_of(&town, &near, &note);
        assert!(
            given >= seen && witnesses == 2,
            "{given} {seen} {witnesses}"
        );
    }
    let status = town.exchange.publication_status();
    assert_eq!(
        (status.witnesses, status.cosigning, status.accusing),
        (2, 2, 0)
    );
    assert!(status.quorum && status.cosigned_size > 0);
    assert_eq!(town.exchange.shown().unwrap().size(), status.cosigned_size);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_enough_witnesses_checkpoints_are_withheld_or_handed_out_as_the_rules_say() {
    for missing in [WhenMissing::Open, WhenMissing::Closed] {
        let town = Town::begin().await;
        let near = [Near::new(1, &town), Near::new(2, &town)];
        near[1].away.store(true, Ordering::Relaxed);
        watch(&town, &near, 2, missing);
        let given = town.exchange.checkpoint().await;
        // Acts go on in either case.
        town.exchange.tick().await.unwrap();
        assert!(!town.exchange.publication_status().quorum);
        match missing {
            WhenMissing::Open => {
                let log = NoteVerifier::parse(town.exchange.verifier_key()).unwrap();
                assert!(log.verify(&given.unwrap()).is_ok());
                assert_eq!(town.exchange.shown().unwrap().size(), size(&town));
            }
            WhenMissing::Closed => {
                assert_eq!(given, Err(Refusal::Unavailable));
                assert!(town.exchange.shown().is_none());
                assert_eq!(town.exchange.hash_tile(0, 0, 1).await, Ok(None));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_saw_more_or_another_history_accuses_the_log() {
    let of_size = |more: u64| {
        move |town: &Town| {
            let near = [Near::new(1, town)];
            near[0].has_seen(size(town) + more, Hash::from_bytes([7; 32]));
            near
        }
    };
    for before in [of_size(5), of_size(0)] {
        let town = Town::begin().await;
        let near = before(&town);
        watch(&town, &near, 1, WhenMissing::Closed);
        assert_eq!(town.exchange.checkpoint().await, Err(Refusal::Unavailable));
        let status = town.exchange.publication_status();
        assert_eq!((status.accusing, status.quorum), (1, false));
    }
    // A fork that began further back.
    let town = Town::begin().await;
    let near = [Near::new(1, &town)];
    near[0].has_seen(size(&town) - 1, Hash::from_bytes([7; 32]));
    watch(&town, &near, 1, WhenMissing::Closed);
    assert_eq!(town.exchange.checkpoint().await, Err(Refusal::Unavailable));
    assert_eq!(town.exchange.publication_status().accusing, 1);
}

#[tokio::test]
async fn tiles_are_for_whom_they_are_for_and_each_bundle_has_its_entry() {
    let town = Town::begin().await;
    let count = usize::try_from(size(&town)).unwrap();
    let tile = town.exchange.hash_tile(0, 0, count).await.unwrap().unwrap();
    assert_eq!(tile.len(), 32 * count);
    for (level, index, width) in [
        (0, 0, count + 1),
        (0, 1, 1),
        (1, 0, 1),
        (63, 0, 1),
        (0, u64::MAX, 256),
    ] {
        assert_eq!(town.exchange.hash_tile(level, index, width).await, Ok(None));
    }
    assert_eq!(town.exchange.may_read_hashes(&id("north")), Ok(true));
    assert_eq!(town.exchange.may_read_hashes(&id("nobody")), Ok(false));

    let before = size(&town);
    let refused = town.exchange.entry_bundle(&id("north"), 0, 1).await;
    assert_eq!(refused, Err(Refusal::NotPermitted));
    assert_eq!(size(&town), before + 1, "the denial");
    let refused = town.exchange.entry_bundle(&id("nobody"), 0, 1).await;
    assert_eq!(refused, Err(Refusal::NotPermitted));
    let mut town = town;
    town.join("ombud", crate::domain::vocabulary::AgencyKind::Ombudsperson)
        .await;
    let before = size(&town);
    let bundle = town
        .exchange
        .entry_bundle(&id("ombud"), 0, 3)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(layout::decode_bundle(&bundle).unwrap().len(), 3);
    assert_eq!(size(&town), before + 1);
    assert_eq!(
        town.exchange.entry_bundle(&id("ombud"), 9, 3).await,
        Ok(None)
    );
    assert_eq!(size(&town), before + 1);
}

#[test]
fn rules_that_cannot_stand_are_named() {
    let vkey = |number: u8| Cosigner::ed25519("w", &[number; 32]).unwrap().vkey();
    let rules =
        |keys: &[String], required, missing| WitnessRules::new(keys, required, missing).err();
    use WhenMissing::{Closed, Open};
    assert_eq!(rules(&[vkey(1)], 1, Closed), None);
    assert_eq!(rules(&[], 0, Open), None);
    assert_eq!(rules(&["x".into()], 0, Open), Some(BadWitnesses::Key));
    assert_eq!(
        rules(&[vkey(1), vkey(1)], 1, Open),
        Some(BadWitnesses::Twice)
    );
    assert_eq!(rules(&[vkey(1)], 2, Open), Some(BadWitnesses::Required));
    assert_eq!(
        rules(&[vkey(1)], 0, Closed),
        Some(BadWitnesses::ClosedToNobody)
    );
    let many: Vec<String> = (1..=16).map(vkey).collect();
    assert_eq!(rules(&many, 1, Open), Some(BadWitnesses::TooMany));
}
