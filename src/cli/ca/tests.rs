use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Parser;

use super::CaCommand;
use crate::cli::text::COLUMNS;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    ca: CaCommand,
}

fn run(arguments: &[&str]) -> Result<String, String> {
    let arguments = std::iter::once("ca").chain(arguments.iter().copied());
    let program = Program::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let told = program.ca.execute().map_err(|error| error.to_string())?;
    // What cannot be broken, such as a path, has a line of its own.
    let fits = |line: &str| line.chars().count() <= COLUMNS || !line.trim().contains(' ');
    let command = |line: &str| line.trim_start().starts_with("safeconduct") || line.ends_with('\\');
    assert!(
        told.lines().all(|line| fits(line) || command(line)),
        "{told}"
    );
    Ok(told)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_folder_lives_from_init_over_issue_and_renewal_to_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let ca = text("ca");
    run(&[
        "--dir",
        &ca,
        "init",
        "--trust-domain",
        "safeconduct.example",
    ])
    .unwrap();
    for (name, expected) in [
        ("ca", 0o700),
        ("ca/root.key", 0o600),
        ("ca/issuing.key", 0o600),
    ] {
        assert_eq!(mode(&path(name)), expected, "{name}");
    }

    let again = run(&[
        "--dir",
        &ca,
        "init",
        "--trust-domain",
        "safeconduct.example",
    ]);
    assert!(again.unwrap_err().contains("nothing is overwritten"));

    let ngo = text("ngo");
    run(&["--dir", &ca, "issue", "agency", "ngo-a", "--out", &ngo]).unwrap();
    for name in ["ngo/tls.key", "ngo/signing.key"] {
        assert_eq!(mode(&path(name)), 0o600, "{name}");
    }
    assert!(run(&["--dir", &ca, "issue", "agency", "ngo-a", "--out", &ngo]).is_err());
    let router = text("router");
    run(&[
        "--dir",
        &ca,
        "issue",
        "router",
        "--name",
        "localhost",
        "--name",
        "127.0.0.1",
        "--out",
        &router,
    ])
    .unwrap();

    let before = std::fs::read(path("ngo/tls.pem")).unwrap();
    run(&["--dir", &ca, "renew", &ngo]).unwrap();
    assert_ne!(std::fs::read(path("ngo/tls.pem")).unwrap(), before);
    run(&["--dir", &ca, "renew", &router]).unwrap();

    // The root key may be away: the issuing CA's list is new, the root's stays.
    std::fs::rename(path("ca/root.key"), path("elsewhere")).unwrap();
    let said = run(&["--dir", &ca, "revoke", "--agency", "ngo-a"]).unwrap();
    assert!(said.contains("revoked 4"), "{said}");
    let lists = std::fs::read_to_string(path("ca/crl.pem")).unwrap();
    assert_eq!(lists.matches("BEGIN X509 CRL").count(), 2);
    let nothing = run(&["--dir", &ca, "revoke", "--agency", "ngo-a"]);
    assert!(nothing.unwrap_err().contains("index.json"));
    run(&["--dir", &ca, "crl", "--days", "1"]).unwrap();
}

#[test]
fn a_folder_without_an_authority_is_named_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let error = run(&["--dir", ca.to_str().unwrap(), "crl"]).unwrap_err();
    assert!(error.contains("init"), "{error}");
    assert!(!ca.exists());
}

#[test]
fn a_bad_trust_domain_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let bad = run(&[
        "--dir",
        ca.to_str().unwrap(),
        "init",
        "--trust-domain",
        "Not/One",
    ]);
    assert!(bad.is_err());
    assert!(!ca.exists());
}
