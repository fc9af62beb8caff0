//! The drill: a router is lost, its store restored from a backup that is behind, and nothing that people took back, or
//! had erased, comes back (invariants 24, 31).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safeconduct::client::agency::Agency;
use safeconduct::client::connect::RouterAddress;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::keys::AgencyKeys;
use safeconduct::client::log::{LogView, LogViolation};
use safeconduct::client::source::Answers;
use safeconduct::client::trust::TrustAnchors;
use safeconduct::demo::town::key_files;
use safeconduct::domain::directory::AgencyFacts;
use safeconduct::domain::vocabulary::{StaffRole, Stage};

use crate::harness::scene::{one_bed, open};
use crate::harness::{Own, binary, own, run};

const TOWN: &[&str] = &["alpha", "house1", "ombud"];

const STOP: Answers = Answers {
    stop: true,
    erase: false,
    leave: false,
};

fn command(words: &[&str], paths: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(binary());
    command.args(words);
    for (flag, path) in paths {
        command.arg(flag).arg(path);
    }
    command.output().expect("the program runs")
}

/// Both streams as one line: the program wraps at 80 columns.
fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    let words = String::from_utf8_lossy(&all);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

struct Drill {
    own: Own,
    backup: PathBuf,
    keys: PathBuf,
}

impl Drill {
    async fn begin() -> Self {
        let own = own(TOWN, "warn").await;
        let backup = own.folder.path().join("backup");
        let keys = own.folder.path().join("keyring");
        Self { own, backup, keys }
    }

    fn router(&mut self) -> PathBuf {
        self.own.town.router().folder().to_owned()
    }

    fn config(&mut self) -> PathBuf {
        self.router().join("router.toml")
    }

    /// While the router runs.
    fn take_backup(&mut self) {
        let config = self.config();
        let (to, keyring) = (self.backup.clone(), self.keys.clone());
        let paths = [
            ("--config", config.as_path()),
            ("--to", &to),
            ("--keyring-to", &keyring),
        ];
        let output = command(&["backup"], &paths);
        assert!(output.status.success(), "{}", said(&output));
    }

    fn restore(&mut self, words: &[&str], checkpoint: Option<&Path>) -> Output {
        let config = self.config();
        let mut paths = vec![
            ("--config", config.as_path()),
            ("--from", &self.backup),
            ("--keyring-from", &self.keys),
        ];
        paths.extend(checkpoint.map(|file| ("--checkpoint", file)));
        command(&[&["restore"], words].concat(), &paths)
    }

    /// Loses the disk: what the NGO's last checkpoint was, in a file.
    fn lose(&mut self) -> PathBuf {
        let saved = self.own.folder.path().join("last-checkpoint");
        let note = self.own.world.agency("alpha").log().note();
        fs::write(&saved, note.expect("a checkpoint")).unwrap();
        self.own.town.router().kill();
        fs::remove_dir_all(self.own.town.router().store()).unwrap();
        saved
    }

    /// The program, in the folder of agency `id` that pins what is in `trust`.
    fn program(&self, id: &str, trust: &Path, words: &[&str]) -> Output {
        let RouterAddress {
            host,
            port,
            server_name,
        } = &self.own.world.address;
        let url = format!("https://{host}:{port}");
        let more = ["--router", &url, "--server-name", server_name];
        let home = self.own.world.home(id);
        let paths = [("--identity", home.as_path()), ("--trust", trust)];
        command(&[words, &more[..]].concat(), &paths)
    }

    /// An agency that pins what is in `trust`, and keeps its receipts.
    fn agency(&self, id: &str, trust: &Path) -> Agency {
        let home = self.own.world.home(id);
        let keys = AgencyKeys::load(id.parse().unwrap(), &key_files(&home));
        let trust = TrustAnchors::read(trust).unwrap();
        let log = LogView::in_memory(&trust.log_key).unwrap();
        let log = log.keeping_receipts(home.join("receipts")).unwrap();
        Agency::connect(keys.unwrap(), &self.own.world.address, trust, log).unwrap()
    }
}

#[test]
fn a_backup_that_is_behind_only_goes_on_as_another_log_and_forgets_no_withdrawal() {
    run(async {
        let mut drill = Drill::begin().await;
        let source = drill.own.world.source("alpha");
        let house = drill.own.world.intake("house1");
        let kept = one_bed(&source, "house1").await;
        let erased = one_bed(&source, "house1").await;
        source.withdraw(&erased.basis, STOP).await.unwrap();
        let taken_back = one_bed(&source, "house1").await;
        drill.take_backup();
        // After the backup: the person takes it back, and the router forgets it with its disk.
        source.withdraw(&taken_back.basis, STOP).await.unwrap();
        let checkpoint = drill.lose();

        let refused = drill.restore(&[], Some(&checkpoint));
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            said(&refused).contains("the backup is behind"),
            "{}",
            said(&refused)
        );
        assert!(
            !drill.own.town.router().store().exists(),
            "nothing was restored"
        );

        let old_key = drill.own.town.router().log_key().to_owned();
        let old = drill.router().join("log.key");
        fs::rename(&old, drill.router().join("old-log.key")).unwrap();
        drill
            .own
            .town
            .router()
            .rename_log("2.safeconduct.example")
            .unwrap();
        let words = ["--succeed", "--log-key", &old_key];
        let output = drill.restore(&words, Some(&checkpoint));
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("entries of the old log are lost"));
        let over = drill.restore(&words, Some(&checkpoint));
        assert!(
            said(&over).contains("never restore over one"),
            "{}",
            said(&over)
        );

        let trust = drill.own.folder.path().join("trust2");
        let config = drill.config();
        let paths = [("--config", config.as_path()), ("--out", trust.as_path())];
        let output = command(&["router", "trust"], &paths);
        assert!(output.status.success(), "{}", said(&output));
        drill.own.town.router().start().unwrap();

        // Whoever pinned the old key is told what happened, and what to do.
        let stale = open(&house, kept.offer, Stage::Triage).await;
        let pending = reason(stale);
        assert_eq!(
            pending,
            Some(Reason::SuccessionPending),
            "refused before any receipt"
        );
        let stale = source.withdraw(&kept.basis, STOP).await;
        assert!(
            matches!(stale, Err(ClientError::Log(LogViolation::Succeeded))),
            "{stale:?}"
        );
    });
}

#[test]
fn after_a_succession_sources_resubmit_and_what_was_taken_back_or_erased_stays_so() {
    run(async {
        let mut drill = Drill::begin().await;
        let source = drill.own.world.source("alpha");
        let kept = one_bed(&source, "house1").await;
        let erased = one_bed(&source, "house1").await;
        source.withdraw(&erased.basis, STOP).await.unwrap();
        let taken_back = one_bed(&source, "house1").await;
        drill.take_backup();
        let old_trust = drill.own.world.folder.join("trust");
        let keeping = drill.agency("alpha", &old_trust);
        let keeping = keeping.desk("w1", StaffRole::Caseworker).unwrap();
        keeping.mirror().await.unwrap();
        keeping.withdraw(&taken_back.basis, STOP).await.unwrap();
        drill.own.world.source("alpha").mirror().await.unwrap();
        // Keys that were published since are lost with the rest.
        let desk = drill.own.world.desk("alpha", StaffRole::Administrator);
        let facts = AgencyFacts {
            hours: "day and night".into(),
            ..AgencyFacts::default()
        };
        desk.publish_keys(facts).await.unwrap();
        let checkpoint = drill.lose();
        let old_key = drill.own.town.router().log_key().to_owned();
        fs::remove_file(drill.router().join("log.key")).unwrap();
        drill
            .own
            .town
            .router()
            .rename_log("2.safeconduct.example")
            .unwrap();
        let words = ["--succeed", "--log-key", &old_key];
        let output = drill.restore(&words, Some(&checkpoint));
        assert!(output.status.success(), "{}", said(&output));
        let trust = drill.own.folder.path().join("trust2");
        let config = drill.config();
        let paths = [("--config", config.as_path()), ("--out", trust.as_path())];
        assert!(command(&["router", "trust"], &paths).status.success());
        drill.own.town.router().start().unwrap();

        let house = drill.agency("house1", &trust);
        let house = house.desk("w7", StaffRole::Intake).unwrap();
        house.mirror().await.unwrap();
        for offer in [kept.offer, taken_back.offer] {
            let frozen = reason(open(&house, offer, Stage::Triage).await);
            assert_eq!(frozen, Some(Reason::SuccessionPending));
        }
        // Invariant 31: with the old key nothing is sent, and nothing confirmed that nobody could prove.
        let home = drill.own.world.home("alpha");
        let saved = fs::read(home.join("checkpoint")).unwrap();
        let resubmit = |trust: &Path| drill.program("alpha", trust, &["agency", "resubmit"]);
        let output = resubmit(&old_trust);
        assert_eq!(output.status.code(), Some(1));
        let text = said(&output);
        assert!(
            text.contains("nothing was sent: the router names its log anew"),
            "{text}"
        );
        assert_eq!(fs::read(home.join("checkpoint")).unwrap(), saved);
        assert!(!home.join("checkpoint.before-succession").exists());
        let frozen = reason(open(&house, kept.offer, Stage::Triage).await);
        assert_eq!(frozen, Some(Reason::SuccessionPending));
        let status = drill.program("alpha", &trust, &["agency", "status"]);
        assert_eq!(status.status.code(), Some(78));
        assert!(
            said(&status).contains("`safeconduct agency resubmit`; oversight"),
            "{}",
            said(&status)
        );

        // A statement whose signature is not believed may be a sign of old keys: nothing is confirmed beside it.
        let kept_file = home.join("keys/statements");
        let statements = fs::read_to_string(&kept_file).unwrap();
        fs::write(&kept_file, with_a_forged_line(&statements)).unwrap();
        let text = said(&resubmit(&trust));
        assert!(text.contains("1 statements brought"), "{text}");
        assert!(text.contains("NOT BELIEVED: "), "{text}");
        let frozen = reason(open(&house, kept.offer, Stage::Triage).await);
        assert_eq!(frozen, Some(Reason::SuccessionPending));
        fs::write(&kept_file, statements).unwrap();

        let output = resubmit(&trust);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("0 statements brought"), "{text}");
        assert!(text.contains("confirmed; entry"), "{text}");
        assert!(text.contains("are lost"), "{text}");
        let status = said(&drill.program("alpha", &trust, &["agency", "status"]));
        assert!(status.contains("is what we published"), "{status}");
        // Again, also without the receipt: as after an answer that never came.
        for confirmed in ["has confirmed already, by entry", "confirmed; entry"] {
            let again = said(&resubmit(&trust));
            assert!(again.contains(confirmed), "{again}");
            assert!(
                again.contains("0 statements brought") && again.contains("are lost"),
                "{again}"
            );
            for file in fs::read_dir(home.join("receipts")).unwrap() {
                let path = file.unwrap().path();
                if path.to_string_lossy().contains("succession_confirmed") {
                    fs::remove_file(path).unwrap();
                }
            }
        }
        receipts_of_both_logs(&drill, &home.join("receipts"), &trust);

        open(&house, kept.offer, Stage::Triage).await.unwrap();
        for offer in [taken_back.offer, erased.offer] {
            let gone = reason(open(&house, offer, Stage::Triage).await);
            assert_eq!(gone, Some(Reason::NotFound));
        }
        // The ombudsperson replays both lives of the log.
        let output = drill.program("ombud", &trust, &["audit", "replay"]);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(
            said(&output).contains("goes on under a new origin"),
            "{}",
            said(&output)
        );
    });
}

/// The kept statements, and one of a chain that the router does not know, whose signature was changed.
fn with_a_forged_line(statements: &str) -> String {
    let line = statements
        .lines()
        .find(|line| line.starts_with("basis "))
        .unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let (signed, signature) = words[4].rsplit_once('.').unwrap();
    let other = |text: &str, (one, two): (char, char)| {
        let first = if text.starts_with(one) { two } else { one };
        format!("{first}{}", &text[1..])
    };
    let (chain, signature) = (other(words[1], ('a', 'b')), other(signature, ('A', 'B')));
    format!(
        "{statements}\nbasis {chain} 1 {} {signed}.{signature}\n",
        words[3]
    )
}

/// What was proved of the log that ended stays evidence; only a receipt of the log that goes on can be bad.
fn receipts_of_both_logs(drill: &Drill, folder: &Path, trust: &Path) {
    let shown = || drill.program("alpha", trust, &["agency", "receipts"]);
    let output = shown();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("of the log safeconduct.example that has ended: proved by its key"),
        "{text}"
    );
    assert!(text.contains("ok ") && !text.contains("bad "), "{text}");
    fs::remove_file(folder.join("logs.vkey")).unwrap();
    let output = shown();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("of another log, safeconduct.example: not checked"),
        "{text}"
    );
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let texts = files.map(|path| (fs::read_to_string(&path).unwrap(), path));
    let mut present = texts.filter(|(text, _)| text.contains("\n2.safeconduct.example\n"));
    let (text, path) = present.next().expect("a receipt of the present log");
    let index = text
        .lines()
        .find(|line| line.starts_with("index "))
        .unwrap();
    fs::write(&path, text.replace(index, "index 0")).unwrap();
    let output = shown();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("1 receipts were changed"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_whole_backup_goes_on_as_the_same_log_and_a_second_router_is_refused_by_name() {
    run(async {
        let mut drill = Drill::begin().await;
        let source = drill.own.world.source("alpha");
        let bed = one_bed(&source, "house1").await;
        // One store, one router: over processes.
        let config = drill.config();
        let second = command(&["router", "run"], &[("--config", config.as_path())]);
        assert_eq!(second.status.code(), Some(78));
        assert!(
            said(&second).contains("another process holds this store"),
            "{}",
            said(&second)
        );

        drill.own.town.router().stop().unwrap();
        drill.take_backup();
        let checkpoint = drill.lose();
        let none = drill.restore(&[], None);
        assert!(!none.status.success(), "a witness, or --unwitnessed");
        let forked = drill.own.folder.path().join("other");
        fs::write(&forked, "not a note").unwrap();
        assert!(!drill.restore(&[], Some(&forked)).status.success());
        let output = drill.restore(&[], Some(&checkpoint));
        assert!(output.status.success(), "{}", said(&output));
        drill.own.town.router().start().unwrap();
        // The same agencies with the same pins go on.
        let house = drill.own.world.intake("house1");
        open(&house, bed.offer, Stage::Triage).await.unwrap();
        source.withdraw(&bed.basis, STOP).await.unwrap();
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn two_routers_over_copies_of_one_store_are_found_out_by_whoever_talks_to_both() {
    // Invariant 10.
    run(async {
        let mut own = own(TOWN, "off").await;
        let source = own.world.source("alpha");
        let other = own.folder.path().join("other-store");
        own.town.router().stop().unwrap();
        let store = own.town.router().store();
        copy(&store, &other);
        own.town.router().start().unwrap();
        one_bed(&source, "house1").await;
        // The other one, under the same name, key and address.
        own.town.router().kill();
        fs::rename(&store, own.folder.path().join("first-store")).unwrap();
        fs::rename(&other, &store).unwrap();
        own.town.router().start().unwrap();
        let house = own.world.source("house1");
        house.mirror().await.unwrap();
        let case = crate::harness::scene::new_case();
        let draft = crate::harness::scene::consent(
            &source,
            case,
            "house1",
            crate::harness::scene::BED,
            crate::harness::scene::closed(crate::harness::scene::TRIAGE),
        );
        let found = source.record_basis(draft).await;
        assert!(matches!(found, Err(ClientError::Log(_))), "{found:?}");
    });
}
