use super::*;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/stream.json");
const OPENER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/open_stream.py");
const KEY: [u8; 32] = [0x42; 32];

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

fn open_all(key: &[u8; 32], size: usize, sealed: &SealedFile) -> Result<Vec<u8>, StreamError> {
    let mut opener = FileOpener::new(key, size)?;
    let mut out = Vec::new();
    for chunk in sealed.bytes.chunks(SEALED_CHUNK_BYTES) {
        out.extend_from_slice(&opener.open(chunk)?);
    }
    opener.finish(&sealed.digest)?;
    Ok(out)
}

#[test]
fn what_is_sealed_opens_and_tells_only_its_number_of_chunks() {
    for size in [
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
    ] {
        let sealed = seal_file(&KEY, &content(size)).unwrap();
        assert_eq!(sealed.bytes.len(), chunks_of(size) * SEALED_CHUNK_BYTES);
        assert_eq!(open_all(&KEY, size, &sealed).unwrap(), content(size));
    }
    assert!(seal_file(&KEY, &[]).is_err());
    assert!(seal_file(&KEY, &vec![0; ATTACHMENT_BYTES_MAX + 1]).is_err());
}

/// Invariant 21: a changed, moved, missing or foreign chunk does not open.
#[test]
fn nothing_but_the_chunks_in_their_places_opens() {
    let size = 2 * CHUNK_BYTES + 5;
    let whole = || seal_file(&KEY, &content(size)).unwrap();
    for at in [0, CHUNK_BYTES, SEALED_CHUNK_BYTES + 1] {
        let mut sealed = whole();
        sealed.bytes[at] ^= 1;
        assert!(open_all(&KEY, size, &sealed).is_err());
    }
    let mut swapped = whole();
    let (first, rest) = swapped.bytes.split_at_mut(SEALED_CHUNK_BYTES);
    first.swap_with_slice(&mut rest[..SEALED_CHUNK_BYTES]);
    assert!(open_all(&KEY, size, &swapped).is_err());
    let mut cut = whole();
    cut.bytes.truncate(2 * SEALED_CHUNK_BYTES);
    assert!(open_all(&KEY, size, &cut).is_err(), "the end is missing");
    assert!(
        open_all(&KEY, 2 * CHUNK_BYTES, &cut).is_err(),
        "no last chunk"
    );
    assert!(open_all(&[1; 32], size, &whole()).is_err());
    assert!(
        open_all(&KEY, size - 1, &whole()).is_err(),
        "padding is zeros"
    );
    let mut other = whole();
    other.digest[0] ^= 1;
    assert!(open_all(&KEY, size, &other).is_err());
}

fn vector(size: usize) -> Value {
    let sealed = seal_file(&KEY, &content(size)).unwrap();
    let first = &sealed.bytes[..32];
    let last = &sealed.bytes[sealed.bytes.len() - 32..];
    json!({
        "key": data_encoding::HEXLOWER.encode(&KEY),
        "size_bytes": size,
        "content": "byte i is i mod 251",
        "first_32_bytes": data_encoding::HEXLOWER.encode(first),
        "last_32_bytes": data_encoding::HEXLOWER.encode(last),
        "digest": data_encoding::HEXLOWER.encode(&sealed.digest),
    })
}

/// `SAFECONDUCT_UPDATE_VECTORS=1` writes the vectors anew; a changed file is a changed format.
#[test]
fn the_vectors_are_reproduced() {
    let vectors = json!([vector(1), vector(CHUNK_BYTES), vector(CHUNK_BYTES + 1)]);
    if std::env::var_os("SAFECONDUCT_UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
        std::fs::write(PATH, text).unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(PATH).unwrap()).unwrap();
    assert_eq!(vectors, kept);
}

fn have_python() -> bool {
    let asked = Command::new("python3")
        .args(["-c", "import cryptography"])
        .output();
    asked.is_ok_and(|output| output.status.success())
}

#[test]
fn python_opens_what_is_sealed_here() {
    if !have_python() {
        println!("skipped: python3 with cryptography is not there");
        return;
    }
    let size = CHUNK_BYTES + 7;
    let sealed = seal_file(&KEY, &content(size)).unwrap();
    let mut child = Command::new("python3")
        .args([
            OPENER,
            &data_encoding::HEXLOWER.encode(&KEY),
            &size.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&sealed.bytes)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, content(size));
}
