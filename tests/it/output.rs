//! What the program does when nobody reads what it says.

use std::process::{Command, Stdio};

#[test]
fn output_that_nobody_reads_ends_the_program_without_a_word() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let folder = tempfile::tempdir().unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_safeconduct"))
        .args(["witness", "init", "--name", "w.example/w", "--folder"])
        .arg(folder.path().join("witness"))
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(141));
}
