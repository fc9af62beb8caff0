use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    protocol: ProtocolCommand,
}

fn run(arguments: &[&str]) -> (Result<ExitCode, Trouble>, String) {
    let line = std::iter::once("protocol").chain(arguments.iter().copied());
    let cli = Cli::try_parse_from(line).expect("the arguments are good");
    let mut out = Vec::new();
    let code = cli.protocol.command.answer(&mut out);
    let out = String::from_utf8(out).expect("reports are text");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    (code, out)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("writable");
    file
}

#[test]
fn the_shipped_default_is_good_and_prints_its_matrix() {
    let (code, out) = run(&["check"]);
    assert_eq!(code.expect("good"), ExitCode::SUCCESS);
    assert!(out.starts_with("good: version 1,"));
    assert!(out.ends_with("\ndecisions can be opened for 1830 days\n"));
    let (code, out) = run(&["matrix"]);
    assert_eq!(code.expect("good"), ExitCode::SUCCESS);
    assert_eq!(out, Protocol::shipped().matrix());
}

#[test]
fn a_file_that_is_wrong_is_shown_with_its_line_and_how_to_mend_it() {
    let wrong = SHIPPED.replacen("\"AGE/BAND\"", "\"AGE/BOND\"", 1);
    let file = file(&wrong);
    let (code, _) = run(&["check", file.path().to_str().expect("utf-8")]);
    let shown = code.expect_err("not a protocol").to_string();
    assert!(shown.contains("\"AGE/BOND\""), "{shown}");
    assert!(shown.contains("mend:  use one of: AGE/CHILD_OR_ADULT, AGE/BAND, AGE/EXACT"));
    let (code, _) = run(&["check", "/nowhere/protocol.toml"]);
    assert!(matches!(code, Err(Trouble::Unreadable { .. })));
}

#[test]
fn a_file_that_is_not_text_says_so() {
    let mut binary = tempfile::NamedTempFile::new().expect("a temporary file");
    binary.write_all(&[0xff, 0xfe, 0]).expect("writable");
    let (code, _) = run(&["check", binary.path().to_str().expect("utf-8")]);
    let shown = code.expect_err("not a protocol").to_string();
    assert!(shown.contains("is not text"), "{shown}");
}

#[test]
fn two_files_are_compared_by_what_they_allow() {
    let old = file(SHIPPED);
    let new = file(&SHIPPED.replacen("\"CARE_NEEDS/CODED\"", "\"CARE_NEEDS/ACUITY\"", 1));
    let (old, new) = (old.path().to_str(), new.path().to_str());
    let (old, new) = (old.expect("utf-8"), new.expect("utf-8"));
    let (code, out) = run(&["diff", old, old]);
    assert_eq!(
        (code.expect("good"), out.as_str()),
        (ExitCode::SUCCESS, "no difference\n")
    );
    let (code, out) = run(&["diff", old, new]);
    assert_eq!(code.expect("good"), ExitCode::from(DIFFERENT));
    assert!(
        out.contains("NARROWED CONSENT to SHELTER at TRIAGE\n"),
        "{out}"
    );
    assert!(out.contains("  CARE_NEEDS/CODED\n  allowed -> never\n"));
    assert!(!out.contains("WIDENED"));
    let (_, out) = run(&["diff", new, old]);
    assert!(out.contains("WIDENED") && !out.contains("NARROWED"));
}

#[test]
fn an_answer_is_explained_by_its_row() {
    let police = [
        "--recipient",
        "POLICE",
        "--purpose",
        "CRIME_REPORT",
        "--stage",
        "ACCEPTED",
    ];
    let ask = |label| [&["explain"], &police[..], &["--label", label]].concat();
    let (code, out) = run(&ask("IDENTITY/ALIAS"));
    assert_eq!(code.expect("good"), ExitCode::SUCCESS);
    assert!(out.contains("Row police-accepted (line"), "{out}");
    let (code, out) = run(&ask("PLACEMENT_LOCATION/WHOLE"));
    assert_eq!(code.expect("good"), ExitCode::from(DIFFERENT));
    assert!(out.contains("Row police-never (line"), "{out}");

    let pair = "[[pair]]\nsource = \"alpha\"\nrecipient = \"atu\"\nlabels = [\"IDENTITY/ALIAS\"]\n";
    let file = file(&format!("{SHIPPED}\n{pair}"));
    let path = file.path().to_str().expect("utf-8");
    let parties = ["--from", "alpha", "--to", "atu", path];
    let (code, out) = run(&[&ask("IDENTITY/ALIAS")[..], &parties].concat());
    assert_eq!(code.expect("good"), ExitCode::from(DIFFERENT));
    assert!(
        out.contains("a pair row forbids it from alpha to atu"),
        "{out}"
    );
}
