//! `safeconduct carried`, as a source and a stranger use it: make, request, release, open, each from its own folder
//! (R21).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::{World, assert_replays, own, run};

const BINARY: &str = env!("CARGO_BIN_EXE_safeconduct");

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder);
    command
}

/// The words that say which agency calls, and which router.
fn caller(world: &World, agency: &str) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let router = format!("https://{}:{}", world.address.host, world.address.port);
    let words = [
        ("--router", router),
        ("--server-name", world.address.server_name.clone()),
        ("--identity", text(&world.home(agency))),
        ("--trust", text(&world.folder.join("trust"))),
    ];
    let words = words.into_iter();
    words
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

fn why(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ran(mut command: Command) -> Output {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}{}", said(&output), why(&output));
    output
}

/// `carried open`, with a code on its standard input.
fn opened(folder: &Path, roots: &Path, domain: &str, key: &str, code: &str) -> Output {
    let roots = roots.to_str().unwrap();
    let mut child = program(folder, &["carried", "open", "file", "--release", "release"])
        .args(["--key", key, "--roots", roots, "--domain", domain])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{code}").unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

#[test]
fn a_file_a_code_and_a_release_from_three_folders_open_what_was_carried() {
    run(async {
        let own = own(&["alpha", "beta", "ombud"], "warn").await;
        let world = &own.world;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = folder.path();
        let draft = include_str!("../../deploy/carried.toml");
        std::fs::write(folder.join("draft.toml"), draft).unwrap();

        let mut make = program(folder, &["carried", "make", "--draft", "draft.toml"]);
        make.args(["--out", "file"]).args(caller(world, "alpha"));
        let made = said(&ran(make));
        let (_, code) = made.split_once("keep in mind: ").expect("the code");
        let (code, _) = code.split_once(" file is what").expect("what is carried");
        let bytes = std::fs::read(folder.join("file")).unwrap();
        let leaks = |needle: &str| {
            bytes
                .windows(needle.len())
                .any(|it| it == needle.as_bytes())
        };
        assert!(!leaks("Yusuf") && !leaks("alpha"), "the file says nothing");

        // A stranger, without an account and without a line.
        let request = [
            "carried", "request", "file", "--out", "request", "--key", "key",
        ];
        let asked = said(&ran(program(folder, &request)));
        let (_, words) = asked.split_once("read out: ").expect("the words");
        let release = |agency: &str, heard: &str| {
            let mut release = program(folder, &["carried", "release", "--request", "request"]);
            release.args(["--heard", heard, "--out", "release"]);
            release.args(caller(world, agency));
            release
        };
        let misheard = release("alpha", "babab babab babab babab babab")
            .output()
            .unwrap();
        assert!(!misheard.status.success(), "other words release nothing");
        let elsewhere = release("beta", words).output().unwrap();
        let text = why(&elsewhere);
        assert!(
            !elsewhere.status.success() && text.contains("no such file"),
            "{text}"
        );
        assert!(!folder.join("release").exists());
        ran(release("alpha", words));

        let roots = world.folder.join("trust").join("roots.pem");
        let domain = world.trust.origin.as_str();
        let read = opened(folder, &roots, domain, "key", code);
        let text = said(&read);
        assert!(read.status.success(), "{text}{}", why(&read));
        assert!(
            text.contains("from alpha") && text.contains("[IDENTITY/ALIAS]: Yusuf"),
            "{text}"
        );
        assert!(
            text.contains("answer to duty desk, +381 11 000 0000"),
            "{text}"
        );
        // Each of the three is needed.
        let guessed = opened(folder, &roots, domain, "key", "abandon ability able");
        assert!(!guessed.status.success() && !said(&guessed).contains("Yusuf"));
        let request = [
            "carried", "request", "file", "--out", "other", "--key", "key2",
        ];
        ran(program(folder, &request));
        let stolen = opened(folder, &roots, domain, "key2", code);
        assert!(!stolen.status.success(), "a release is for one key");
        let foreign = opened(folder, &roots, "elsewhere.example", "key", code);
        assert!(
            !foreign.status.success(),
            "another domain's roots vouch for nothing"
        );
        assert_replays(world);
    });
}
