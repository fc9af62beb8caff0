//! The log under the eyes of witnesses, as strangers read it: real routers, real witnesses, real TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use safeconduct::client::retry::RetryPolicy;
use safeconduct::demo::town::{Town, TownOptions};
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::ledger::checkpoint::Checkpoint;
use safeconduct::ledger::cosignature::CosignatureVerifier;
use safeconduct::ledger::hash::{Hash, leaf};
use safeconduct::ledger::layout::decode_bundle;
use safeconduct::ledger::note::{NoteSigner, NoteVerifier, unverified_text};
use safeconduct::ledger::policy::{Cosigned, Policy};
use safeconduct::ledger::proof::consistency;
use safeconduct::ledger::tree::{Edge, NoTiles};
use safeconduct::ledger::witness::Submission;
use safeconduct::proto::v1;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::harness::scene::one_bed;
use crate::harness::wire::Wire;
use crate::harness::witness::{Answer, Witness, read, submit};
use crate::harness::{Own, World, assert_replays, binary, members, run};

const CHECKPOINT: &str = "AuditService/GetCheckpoint";

/// A town that publishes its log to anybody, and two witnesses who know it, one of them over HTTPS.
struct Watched {
    own: Own,
    witnesses: [Witness; 2],
}

async fn town(publication: &str) -> Own {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut options = TownOptions::new(binary(), folder.path().join("town"));
    options.members = members();
    let here = ["alpha", "house1", "ombud"];
    options.members.retain(|member| here.contains(&member.id));
    options.publication = Some(publication.to_owned());
    let town = Town::start(options.clone()).await.unwrap();
    let world = World::of(&town, &options.members).await;
    Own {
        town,
        world,
        folder,
    }
}

impl Watched {
    async fn begin(settings: &str) -> Self {
        let mut own = town("checkpoints_and_tiles = \"public\"\n").await;
        let at = own.folder.path().to_owned();
        let log_key = own.town.router().log_key().to_owned();
        let mut witnesses = ["w1", "w2"].map(|name| {
            let witness = Witness::begin(at.join(name), &format!("witness.example/{name}"));
            witness.know(&log_key);
            witness
        });
        let leaf = own
            .town
            .authority()
            .issue_router(&["localhost".into()])
            .unwrap();
        let (certificate, key) = (at.join("witness.pem"), at.join("witness.key"));
        fs::write(&certificate, leaf.chain_pem.as_bytes()).unwrap();
        fs::write(&key, leaf.key_pem.as_bytes()).unwrap();
        Command::new("chmod").arg("600").arg(&key).status().unwrap();
        witnesses[1].serve_https(certificate, key);
        witnesses.iter_mut().for_each(Witness::start);
        let roots = own.town.authority().root_file();
        let lines: String = witnesses.iter().map(Witness::settings).collect();
        let settings = format!(
            "checkpoints_and_tiles = \"public\"\nwitness_roots_file = {roots:?}\n{settings}{lines}"
        );
        own.town.router().publish(&settings).unwrap();
        own.town.restart().unwrap();
        Self { own, witnesses }
    }

    fn policy(&mut self, at_least: usize) -> Policy {
        let log = NoteVerifier::parse(self.own.town.router().log_key()).unwrap();
        let key = |witness: &Witness| (CosignatureVerifier::parse(&witness.vkey).unwrap(), None);
        Policy::any_of(log, &self.witnesses.each_ref().map(key), at_least).unwrap()
    }

    async fn checkpoint(&self) -> Result<String, Status> {
        // A connection of its own: the router may have been started again since the last one.
        let alpha = self
            .own
            .town
            .impostor("alpha", RetryPolicy::default())
            .unwrap();
        let wire = Wire::of(&alpha.desk("w", StaffRole::Caseworker).unwrap());
        let request = v1::GetCheckpointRequest {};
        let reply: v1::GetCheckpointResponse = wire.ask(CHECKPOINT, &request).await?;
        Ok(reply.checkpoint)
    }

    async fn checked(&mut self, at_least: usize) -> Cosigned {
        let note = self.checkpoint().await.unwrap();
        self.policy(at_least).check(&note).unwrap()
    }

    async fn read(&mut self, agency: Option<&str>, path: &str) -> Answer {
        let address = self.own.town.router().published();
        let home = agency.map(|agency| self.own.world.home(agency));
        read(&self.own.world, address, home.as_deref(), path)
            .await
            .unwrap()
    }

    async fn act(&self) {
        one_bed(&self.own.world.source("alpha"), "house1").await;
    }

    fn log(&mut self) -> String {
        fs::read_to_string(self.own.town.router().log_file()).unwrap()
    }
}

#[test]
fn an_auditor_with_a_policy_in_the_trust_folder_is_told_which_witnesses_vouched_and_when() {
    run(async {
        let mut watched =
            Watched::begin("witnesses_required = 2\nwhen_missing = \"closed\"\n").await;
        watched.act().await;
        assert!(watched.checked(2).await.quorum);
        let policy = watched.policy(2).text();
        let world = &watched.own.world;
        let trust = world.folder.join("trust");
        fs::write(trust.join("policy"), policy).unwrap();
        let program = |level: &str, more: &[&str]| {
            let output = Command::new(binary())
                .args(["audit", level])
                .args([
                    "--router",
                    &format!("https://localhost:{}", world.address.port),
                ])
                .arg("--identity")
                .arg(world.home("ombud"))
                .arg("--trust")
                .arg(&trust)
                .args(more)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), said, why)
        };
        let (code, said, why) = program("verify", &["--output", "json"]);
        assert_eq!(code, Some(3), "{said}{why}");
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(json["witnesses_asked"], true);
        let names: Vec<&str> = json["witnesses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|witness| witness["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["w1", "w2"]);
        assert!(json["vouched_ms"].is_i64());

        let report = watched.own.folder.path().join("report");
        let to = report.display().to_string();
        let (code, said, why) = program("report", &["--to", &to]);
        assert_eq!(code, Some(3), "{said}{why}");
        let checked = Command::new(binary())
            .args(["audit", "report-check", &to, "--trust"])
            .arg(&trust)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert_eq!(checked.status.code(), Some(0), "{said}");
        assert!(
            said.contains("witness w1") && said.contains("witness w2"),
            "{said}"
        );
    });
}

#[test]
fn strangers_read_what_two_witnesses_have_cosigned_and_verify_it_with_a_program_of_their_own() {
    run(async {
        let mut watched =
            Watched::begin("witnesses_required = 2\nwhen_missing = \"closed\"\n").await;
        watched.act().await;
        let before = watched.checked(2).await;
        assert!(before.quorum && before.vouched.is_some());

        let answer = watched.read(None, "/checkpoint").await;
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, "text/plain; charset=utf-8")
        );
        assert_eq!(answer.caching, "no-cache");
        let note = String::from_utf8(answer.body.clone()).unwrap();
        let shown = watched.policy(2).check(&note).unwrap();
        assert!(shown.quorum && shown.checkpoint.size >= before.checkpoint.size);

        // A mirror as any other program would make it: tiles as a stranger, entry bundles as the ombudsperson.
        let size = usize::try_from(shown.checkpoint.size).unwrap();
        assert!(size < 256, "one partial tile of each kind: {size}");
        let mirror = watched.own.folder.path().join("mirror");
        let put = |path: &str, bytes: &[u8]| {
            let file = mirror.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        };
        put("checkpoint", &answer.body);
        let tile = format!("tile/0/000.p/{size}");
        let answer = watched.read(None, &format!("/{tile}")).await;
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, "application/octet-stream")
        );
        assert!(answer.caching.contains("immutable"), "{}", answer.caching);
        put(&tile, &answer.body);
        let bundle = format!("tile/entries/000.p/{size}");
        for stranger in [None, Some("alpha"), Some("house1")] {
            let answer = watched.read(stranger, &format!("/{bundle}")).await;
            assert_eq!((answer.status, answer.body.len()), (403, 0), "{stranger:?}");
        }
        let answer = watched.read(Some("ombud"), &format!("/{bundle}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(decode_bundle(&answer.body).unwrap().len(), size);
        put(&bundle, &answer.body);
        verify_in_python(&mut watched, &mirror);

        // Partial tiles of earlier sizes are there too; what the tree has not is not, nor what is written otherwise.
        let answer = watched.read(None, "/tile/0/000.p/3").await;
        assert_eq!((answer.status, answer.body.len()), (200, 96));
        for path in [
            "/tile/0/000",
            "/tile/0/000.p/255",
            "/tile/0/001.p/1",
            "/tile/1/000.p/1",
            "/tile/63/x001/000",
            "/tile/0/0",
            "/tile/entries/001.p/1",
            "/",
            "/checkpoint/",
            "/openings/000.jsonl",
            "/tile/0/x018/x446/x744/x073/x709/x551/615",
        ] {
            let answer = watched.read(Some("ombud"), path).await;
            assert_eq!(
                (answer.status, answer.caching.as_str()),
                (404, "no-store"),
                "{path}"
            );
        }
        // Who read which bundle, and who was refused one, is in the log.
        let after = watched.checked(2).await;
        assert!(
            after.checkpoint.size >= shown.checkpoint.size + 3,
            "{after:?}"
        );
        assert_replays(&watched.own.world);
    });
}

fn verify_in_python(watched: &mut Watched, mirror: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/tlog.py");
    let mut command = Command::new("python3");
    command.args(["-B", script, "folder"]).arg(mirror);
    command
        .arg("--log")
        .arg(watched.own.town.router().log_key());
    for witness in &watched.witnesses {
        command.arg("--witness").arg(&witness.vkey);
    }
    match command.args(["--required", "2"]).output() {
        Ok(output) if output.status.code() == Some(77) => {
            println!(
                "skipped: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => println!("skipped: python3 does not start: {error}"),
    }
}

#[test]
fn members_alone_read_where_the_settings_say_so() {
    run(async {
        let mut own = town("").await;
        let address = own.town.router().published();
        let home = own.world.home("house1");
        let answer = read(&own.world, address, Some(&home), "/checkpoint")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        let answer = read(&own.world, address, Some(&home), "/tile/0/000.p/1")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.caching.starts_with("private"), "{}", answer.caching);
        assert!(
            read(&own.world, address, None, "/checkpoint")
                .await
                .is_err()
        );
    });
}

#[test]
fn a_router_without_its_witnesses_goes_on_and_hands_out_what_its_settings_say() {
    run(async {
        let mut watched =
            Watched::begin("witnesses_required = 2\nwhen_missing = \"closed\"\n").await;
        assert!(watched.checked(2).await.quorum);
        watched.witnesses[0].kill();
        // Acts need no witness; their checkpoint is withheld until the witness is back.
        watched.act().await;
        let refused = watched.checkpoint().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        let note = watched.read(None, "/checkpoint").await;
        let shown = String::from_utf8(note.body).unwrap();
        assert!(
            watched.policy(2).check(&shown).unwrap().quorum,
            "the last one with both"
        );
        assert!(
            watched
                .log()
                .contains("too few witnesses cosign; checkpoints are withheld")
        );
        watched.witnesses[0].start();
        let size = watched.policy(2).check(&shown).unwrap().checkpoint.size;
        let mut attempts = 0;
        let note = loop {
            match watched.checkpoint().await {
                Ok(note) => break note,
                Err(_) if attempts < 10 => attempts += 1,
                Err(error) => panic!("{error}"),
            }
        };
        let found = watched.policy(2).check(&note).unwrap();
        assert!(found.quorum && found.checkpoint.size > size);
    });
    run(async {
        let mut watched = Watched::begin("witnesses_required = 2\nwhen_missing = \"open\"\n").await;
        assert!(watched.checked(2).await.quorum);
        watched.witnesses[1].kill();
        watched.act().await;
        let found = watched.checked(2).await;
        assert!(!found.quorum);
        // One is enough for who asks for one; and strangers see the same log grow on.
        let shown = watched.read(None, "/checkpoint").await;
        let shown = String::from_utf8(shown.body).unwrap();
        let shown = watched.policy(0).check(&shown).unwrap();
        assert!(shown.checkpoint.size >= found.checkpoint.size);
        assert!(
            watched
                .log()
                .contains("too few witnesses cosign; checkpoints are handed out")
        );
    });
}

#[test]
fn a_router_on_an_old_copy_of_its_store_is_refused_by_its_witnesses_and_told_what_to_do() {
    run(async {
        let mut watched =
            Watched::begin("witnesses_required = 1\nwhen_missing = \"closed\"\n").await;
        let saved = watched.own.folder.path().join("saved");
        watched.own.town.router().stop().unwrap();
        let store = watched.own.town.router().store();
        copy(&store, &saved);
        watched.own.town.router().start().unwrap();
        watched.act().await;
        let seen = watched.checked(2).await;
        watched.own.town.router().kill();
        fs::remove_dir_all(&store).unwrap();
        copy(&saved, &store);
        watched.own.town.router().start().unwrap();

        // The rewound log is handed to nobody, and no witness forgets what it saw.
        let refused = watched.checkpoint().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        let answer = watched.read(None, "/checkpoint").await;
        assert_eq!(answer.status, 503);
        let log = watched.log();
        let words = format!(
            "it has cosigned {} entries of this log",
            seen.checkpoint.size
        );
        for words in ["a witness accuses this log", &words, "Stop this router now"] {
            assert!(log.contains(words), "{words}: {log}");
        }
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A log with two futures, whose owner would like both to be vouched for.
struct TwoFaced {
    signer: NoteSigner,
    edges: BTreeMap<(u64, u8), Edge>,
}

/// Leaves that both faces share.
const SHARED: u64 = 4;
const LARGEST: u64 = 60;

impl TwoFaced {
    fn new() -> Self {
        let mut edges = BTreeMap::new();
        for face in 0..2u8 {
            let mut edge = Edge::new();
            for number in 0..LARGEST {
                let told = if number < SHARED { 0 } else { face };
                let _ = edge.append(leaf(&[number as u8, told]));
                edges.insert((number + 1, face), edge.clone());
            }
        }
        let signer = NoteSigner::ed25519("two-faced.example", &[9; 32]).unwrap();
        Self { signer, edges }
    }

    fn root(&self, size: u64, face: u8) -> Hash {
        self.edges[&(size, face)].root()
    }

    fn body(&self, old: u64, new: u64, face: u8) -> String {
        let edge = &self.edges[&(new, face)];
        let proof = if old == 0 || old >= new {
            Vec::new()
        } else {
            consistency(edge, &NoTiles, old, new).unwrap()
        };
        let note = self.signer.sign(&Checkpoint {
            origin: "two-faced.example".into(),
            size: new,
            root: edge.root(),
        });
        Submission { old, proof, note }.body()
    }
}

/// Invariant 10, with the specification's own race: many clients at once, forks among them, and the witness killed in
/// the middle. Whatever it cosigned is one chain, and what it says after a restart is never below it.
#[test]
fn racing_and_killed_a_witness_never_vouches_for_two_histories_nor_forgets_one() {
    run(async {
        let log = TwoFaced::new();
        let folder = TempDir::new().unwrap();
        let mut witness = Witness::begin(folder.path().join("w"), "witness.example/w");
        witness.know(&log.signer.vkey());
        let mut cosigned: BTreeSet<(u64, u8)> = BTreeSet::new();
        let mut kills = 0;
        for round in 0..12u64 {
            witness.start();
            // What it says that it cosigned last: a first question from a size that it cannot have.
            let told = match witness.submit(log.body(LARGEST, LARGEST, 0)).await.unwrap() {
                (409, size) => size.trim_end().parse::<u64>().unwrap(),
                (200, _) => LARGEST,
                other => panic!("{other:?}"),
            };
            let largest = cosigned.iter().map(|(size, _)| *size).max().unwrap_or(0);
            assert!(told >= largest, "it forgot: {told} after {largest}");
            let mut racing = JoinSet::new();
            for client in 0..16u64 {
                let new = (told + client % 5).clamp(1, LARGEST);
                let face = u8::try_from((client + round) % 2).unwrap();
                let (address, body) = (witness.address, log.body(told, new, face));
                racing.spawn(async move { (new, face, submit(address, body).await) });
            }
            let mut answers = 0;
            while let Some(answer) = racing.join_next().await {
                let (new, face, answer) = answer.unwrap();
                answers += 1;
                // Every other round the power fails while some are still waiting.
                if round % 2 == 0 && answers == 5 {
                    witness.kill();
                    kills += 1;
                }
                let Ok((200, lines)) = answer else { continue };
                let note = Submission::parse(&log.body(told, new, face)).unwrap().note;
                let verifier = CosignatureVerifier::parse(&witness.vkey).unwrap();
                assert!(
                    verifier
                        .verify(&format!("{note}{lines}"))
                        .unwrap()
                        .is_some()
                );
                assert!(unverified_text(&note).is_ok());
                cosigned.insert((new, face));
            }
            witness.kill();
        }
        assert!(kills > 0 && cosigned.len() > 3, "{kills} {cosigned:?}");
        // One root a size, and past what both faces share only one face.
        let roots: BTreeSet<_> = cosigned
            .iter()
            .map(|&(size, face)| (size, log.root(size, face)))
            .collect();
        let sizes: BTreeSet<_> = cosigned.iter().map(|(size, _)| *size).collect();
        assert_eq!(roots.len(), sizes.len(), "{cosigned:?}");
        let past = cosigned.iter().filter(|(size, _)| *size > SHARED);
        let faces: BTreeSet<u8> = past.map(|(_, face)| *face).collect();
        assert!(faces.len() <= 1, "{cosigned:?}");
    });
}
