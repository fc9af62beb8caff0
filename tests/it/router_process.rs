//! The `safeconduct` binary as an operator uses it: authority, settings, `router init`, `check`, `router run`, SIGTERM.

use safeconduct::client::trust::TrustAnchors;
use safeconduct::envelope::keys::{VerifyingKey, b64u, sha256};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_safeconduct");

/// A deployment in a temporary folder.
struct Deployment {
    folder: tempfile::TempDir,
}

impl Deployment {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let deployment = Self { folder };
        let ca = deployment.path("ca");
        let router = deployment.path("router");
        let ca = ca.to_str().expect("UTF-8");
        deployment.succeeds(&[
            "ca",
            "--dir",
            ca,
            "init",
            "--trust-domain",
            "safeconduct.example",
        ]);
        let router = router.to_str().expect("UTF-8");
        deployment.succeeds(&[
            "ca",
            "--dir",
            ca,
            "issue",
            "router",
            "--name",
            "localhost",
            "--out",
            router,
        ]);
        let settings = include_str!("../../deploy/router.toml")
            .replace("/var/lib/safeconduct/store", "store")
            .replace("0.0.0.0:8443", "127.0.0.1:0")
            .replace("127.0.0.1:9464", "127.0.0.1:0");
        fs::write(deployment.path("router.toml"), settings).expect("written");
        for name in ["first", "second"] {
            let (key, _) = safeconduct::envelope::keys::KeyPairSigner::generate().expect("a key");
            let spki = safeconduct::envelope::keys::Signer::verifying_key(&key).spki();
            let pem = format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                data_encoding::BASE64.encode(&spki)
            );
            fs::write(deployment.path(&format!("{name}.pem")), pem).expect("written");
        }
        deployment
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{why}");
        text
    }

    fn init(&self) -> String {
        self.succeeds(&INIT)
    }

    fn start(&self) -> Running {
        let mut child = self
            .command(&["router", "run", "--config", "router.toml"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut address = |prefix: &str| {
            let line = lines.next().expect("a line").expect("UTF-8");
            line.strip_prefix(prefix)
                .expect("the line's form")
                .to_owned()
        };
        let (listening, admin) = (address("listening on "), address("admin on "));
        Running {
            child,
            listening,
            admin,
        }
    }
}

const INIT: [&str; 8] = [
    "router",
    "init",
    "--config",
    "router.toml",
    "--administrator",
    "first.pem",
    "--administrator",
    "second.pem",
];

struct Running {
    child: Child,
    listening: String,
    admin: String,
}

impl Running {
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).expect("the admin address answers");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("UTF-8");
        reply
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("alive");
        self.child.wait().expect("ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn a_router_is_begun_checked_run_and_stopped() {
    let deployment = Deployment::new();
    let told = deployment.init();
    assert!(told.contains("origin safeconduct.example\n"), "{told}");
    assert!(told.contains("vkey safeconduct.example+"), "{told}");
    assert_eq!(mode(&deployment.path("log.key")), 0o600);

    let checked = deployment.succeeds(&["check", "--config", "router.toml"]);
    assert!(!checked.contains("bad "), "{checked}");

    let router = deployment.start();
    assert!(!router.listening.ends_with(":0"), "{}", router.listening);
    assert!(router.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(router.get("/metrics").contains("safeconduct_serving 1"));
    assert!(TcpStream::connect(&router.listening).is_ok());
    let checked = deployment.succeeds(&["check", "--config", "router.toml"]);
    assert!(checked.contains("a router has it open"), "{checked}");
    assert_eq!(router.terminate(), Some(0));

    // The store is taken up again, not begun again.
    let router = deployment.start();
    assert_eq!(router.terminate(), Some(0));
}

/// What `audit replay` prints of the log's first entry: sorted administrators, and SHA-256 of each root's DER.
#[test]
fn what_is_pinned_is_printed_as_a_replay_prints_it() {
    let deployment = Deployment::new();
    deployment.init();
    let told = deployment.succeeds(&[
        "router",
        "trust",
        "--config",
        "router.toml",
        "--out",
        "trust",
    ]);
    let after = |mark: &str| -> Vec<String> {
        let lines = told.lines().filter_map(|line| line.strip_prefix(mark));
        lines.map(|id| id.trim().to_owned()).collect()
    };
    let trust = TrustAnchors::read(&deployment.path("trust")).expect("readable");
    let mut administrators: Vec<String> = trust
        .administrators
        .iter()
        .map(VerifyingKey::spki_kid)
        .collect();
    administrators.sort();
    assert_eq!(after("administrator "), administrators, "{told}");
    let authorities: Vec<String> = trust.roots.iter().map(|root| b64u(&sha256(root))).collect();
    assert_eq!(authorities.len(), 1);
    assert_eq!(after("authority "), authorities, "{told}");
}

#[test]
fn a_log_is_never_begun_twice_and_never_silently() {
    let deployment = Deployment::new();
    let run = ["router", "run", "--config", "router.toml"];
    let empty = deployment.run(&run);
    assert_eq!(empty.status.code(), Some(78), "{empty:?}");

    deployment.init();
    let again = deployment.run(&INIT);
    assert_eq!(again.status.code(), Some(78));
    // Nor with the key out of the way.
    fs::rename(deployment.path("log.key"), deployment.path("away")).expect("renamed");
    let again = deployment.run(&INIT);
    assert_eq!(again.status.code(), Some(78));
    fs::rename(deployment.path("away"), deployment.path("log.key")).expect("renamed");

    let alone = deployment.run(&INIT[..6]);
    assert_eq!(alone.status.code(), Some(78));
}

#[test]
fn an_init_that_fails_leaves_nothing_behind() {
    let deployment = Deployment::new();
    let second = fs::read(deployment.path("second.pem")).expect("read");
    fs::copy(deployment.path("first.pem"), deployment.path("second.pem")).expect("copied");
    let one_person = deployment.run(&INIT);
    assert_eq!(one_person.status.code(), Some(78), "{one_person:?}");
    assert!(!deployment.path("log.key").exists());
    assert!(!deployment.path("store").exists());
    fs::write(deployment.path("second.pem"), second).expect("written");
    deployment.init();
}

#[test]
fn the_command_line_is_checked_first() {
    let deployment = Deployment::new();
    let alone = deployment.run(&INIT[..6]);
    assert_eq!(alone.status.code(), Some(78));
    let nothing = deployment.run(&["router", "init"]);
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn what_is_wrong_is_named_before_anything_starts() {
    let deployment = Deployment::new();
    deployment.init();
    let key = deployment.path("router/tls.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    let run = deployment.run(&["router", "run", "--config", "router.toml"]);
    assert_eq!(run.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&run.stderr).contains("chmod 600"));
    let checked = deployment.run(&["check", "--config", "router.toml"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("bad  the server's private key"));

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
    fs::remove_file(deployment.path("ca/crl.pem")).expect("removed");
    let run = deployment.run(&["router", "run", "--config", "router.toml"]);
    assert_eq!(run.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&run.stderr).contains("crl.pem"));
}
