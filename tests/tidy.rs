//! Keeps the promises that the compiler does not: which room may import which, line widths, no leftovers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and what of ours it may import. The programs `cli`, `demo` and `main` may import anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ledger", &["domain"]),
    ("envelope", &["domain"]),
    ("identity", &["domain"]),
    ("audit", &["domain", "ledger", "envelope", "identity"]),
    ("storage", &["domain", "ledger"]),
    (
        "exchange",
        &["domain", "ledger", "identity", "storage", "envelope"],
    ),
    ("grpc", &["proto", "domain", "identity", "exchange"]),
    (
        "client",
        &["proto", "domain", "ledger", "envelope", "audit", "identity"],
    ),
];

/// Modules of `envelope` that hold or use an opening key: out of reach of the router's rooms.
const OPENING_MODULES: &[&str] = &[
    "seal", "open", "keys", "hpke", "record", "stream", "carried",
];

/// Rooms that must read no clock.
const PURE: &[&str] = &["domain", "ledger", "envelope", "identity", "audit"];

const LINE_WIDTH_MAX: usize = 120;

#[test]
fn rooms_import_only_along_the_arrows() {
    let rooms: BTreeSet<&str> = ARROWS
        .iter()
        .map(|(room, _)| *room)
        .chain(["proto", "cli", "demo", "desk"])
        .collect();
    let mut faults = Vec::new();
    for (room, allowed) in ARROWS {
        for (file, number, line) in code_lines(&format!("src/{room}")) {
            for imported in imports(&line, &rooms) {
                if imported != *room && !allowed.contains(&imported.as_str()) {
                    faults.push(format!(
                        "{}:{number}: {room} may not import {imported}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "arrows broken:\n{}", faults.join("\n"));
}

#[test]
fn no_opening_key_is_reachable_from_the_router() {
    let mut faults = Vec::new();
    for room in ["exchange", "storage", "grpc"] {
        for (file, number, line) in code_lines(&format!("src/{room}")) {
            for module in OPENING_MODULES {
                if line.contains(&format!("envelope::{module}")) {
                    faults.push(format!("{}:{number}: envelope::{module}", file.display()));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "the router could open parcels:\n{}",
        faults.join("\n")
    );
}

#[test]
fn nothing_pure_reads_a_clock() {
    let mut faults = Vec::new();
    for room in PURE {
        for (file, number, line) in code_lines(&format!("src/{room}")) {
            if line.contains("SystemTime::now") || line.contains("Instant::now") {
                faults.push(format!("{}:{number}", file.display()));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "a clock is read in:\n{}",
        faults.join("\n")
    );
}

#[test]
fn only_grpc_knows_a_status_code() {
    let mut faults = Vec::new();
    for room in [
        "domain", "ledger", "envelope", "identity", "audit", "storage", "exchange",
    ] {
        for (file, number, line) in code_lines(&format!("src/{room}")) {
            if line.contains("tonic::") {
                faults.push(format!("{}:{number}", file.display()));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "tonic is known to:\n{}",
        faults.join("\n")
    );
}

#[test]
fn lines_are_short_and_nothing_is_left_over() {
    let leftovers = [
        concat!("db", "g!("),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
    ];
    let mut faults = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for (file, number, line) in lines(folder) {
            if line.chars().count() > LINE_WIDTH_MAX {
                faults.push(format!(
                    "{}:{number}: over {LINE_WIDTH_MAX} columns",
                    file.display()
                ));
            }
            for leftover in leftovers {
                if line.contains(leftover) {
                    faults.push(format!("{}:{number}: {leftover}", file.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The pages that people read, by their paths.
fn pages(root: &Path) -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "certs/", "deploy/"] {
        for item in fs::read_dir(root.join(folder)).expect("a folder") {
            let name = item.expect("an item").file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    pages
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let lower = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for page in &pages(root) {
        let text = fs::read_to_string(root.join(page)).expect("a page is readable");
        let folder = root.join(page).parent().expect("in a folder").to_path_buf();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => root.join(page),
                file => folder.join(file),
            };
            let there = match heading {
                "" => file.exists(),
                heading => fs::read_to_string(&file).is_ok_and(|text| {
                    let mut headings = text.lines().filter(|line| line.starts_with('#'));
                    headings.any(|line| anchor(line) == heading)
                }),
            };
            if !there {
                faults.push(format!("{page}: {target}"));
            }
        }
        for word in text.split(|c: char| c.is_whitespace() || "`(),;:|".contains(c)) {
            if word.starts_with("src/") && !root.join(word.trim_end_matches('.')).exists() {
                faults.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(faults.is_empty(), "dead links:\n{}", faults.join("\n"));
}

/// Rooms named after `crate::`, also inside one brace of a nested import on the same line.
fn imports(line: &str, rooms: &BTreeSet<&str>) -> Vec<String> {
    line.match_indices("crate::")
        .flat_map(|(at, _)| {
            let rest = &line[at + "crate::".len()..];
            let names: Vec<String> = if let Some(list) = rest.strip_prefix('{') {
                list.split(['}', ';'])
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(|item| {
                        item.trim()
                            .split("::")
                            .next()
                            .unwrap_or_default()
                            .to_owned()
                    })
                    .collect()
            } else {
                vec![
                    rest.chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect(),
                ]
            };
            names
        })
        .filter(|name| rooms.contains(name.as_str()))
        .collect()
}

/// Lines outside of comments and outside of test modules, which may use any room to set a scene.
fn code_lines(folder: &str) -> Vec<(PathBuf, usize, String)> {
    let mut in_tests: Option<PathBuf> = None;
    lines(folder)
        .into_iter()
        .filter(|(file, _, line)| {
            if file.components().any(|part| part.as_os_str() == "tests")
                || file.ends_with("tests.rs")
            {
                return false;
            }
            if line.starts_with("mod tests {") {
                in_tests = Some(file.clone());
            }
            in_tests.as_ref() != Some(file) && !line.trim_start().starts_with("//")
        })
        .collect()
}

fn lines(folder: &str) -> Vec<(PathBuf, usize, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .flat_map(|file| {
            let text = fs::read_to_string(&file).expect("a source file is readable");
            let name = file
                .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                .unwrap_or(&file)
                .to_path_buf();
            text.lines()
                .enumerate()
                .map(|(number, line)| (name.clone(), number + 1, line.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
