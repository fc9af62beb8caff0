//! `safeconduct carried`: a referral on a stick or on paper, for an agency that is no member.
//!
//! Make and release need the source's folder and the router; request and open need neither.

use super::exit::{Failure, ended};
use super::home::{CallerArgs, mended, told};
use super::in_runtime;
use super::key_file;
use super::text::{minute, wrapped};
use crate::client::carried::{CarriedDraft, KeptShare, open_carried};
use crate::client::connect::certificates;
use crate::client::error::Reason;
use crate::client::random::SystemRandom;
use crate::domain::vocabulary::StaffRole;
use crate::envelope::carried::{
    Code, Content, FILE_BYTES_MAX, Release, ReleaseRequest, Share, check_file,
};
use crate::envelope::hpke::SealingSeed;
use crate::envelope::keys::{b64u, sha256};
use clap::{Args, Subcommand};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

mod draft;

/// Folder of the shares that stay, in an agency's folder.
const FOLDER: &str = "carried";

/// The share is here, and the router has no such file.
const UNKNOWN: &str = "the router does not know this file any more, and nothing was released: it was lost when the \
                       router was restored from a backup, or erased after its time; make it again";

/// Make, request, release and open a referral that somebody carries.
///
/// Make: the source gives the person a file and a code of three words. Request: who gets them makes a request, sends
/// it, and reads its words out by phone. Release: the source hears the words and gives out its share. Open: file, code
/// and release together. deploy/carried.md tells it step by step.
#[derive(Debug, Args)]
pub struct CarriedCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Seal a referral for one who is no member, with the person's consent
    Make {
        #[command(flatten)]
        caller: CallerArgs,
        /// What is told, to whom and on which consent (deploy/carried.toml)
        #[arg(long, value_name = "FILE")]
        draft: PathBuf,
        /// Where to write the file that is carried
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Ask the source to release a file that you were given; needs no account and no line
    Request {
        /// The file that was carried
        file: PathBuf,
        /// Where to write the request, to be sent to the source
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where to keep the key that opens the release; give it to nobody
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Release a file to whoever read the request's words out to you by phone
    Release {
        #[command(flatten)]
        caller: CallerArgs,
        /// The request that they sent
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// The words, as you heard them
        #[arg(long, value_name = "WORDS")]
        heard: String,
        /// Where to write the release, to be sent back
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Open a file with its code and the release; asks for the code
    Open {
        /// The file that was carried
        file: PathBuf,
        /// The release that the source sent
        #[arg(long, value_name = "FILE")]
        release: PathBuf,
        /// The key that `carried request` made
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The certificate authorities of the source's members, as they publish them
        #[arg(long, value_name = "FILE")]
        roots: PathBuf,
        /// The members' trust domain, as they publish it
        #[arg(long, value_name = "NAME")]
        domain: String,
    },
}

impl CarriedCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.action {
            Action::Make { caller, draft, out } => {
                in_runtime(async { ended(make(&caller, &draft, &out).await) })
            }
            Action::Request { file, out, key } => ended(request(&file, &out, &key)),
            Action::Release {
                caller,
                request,
                heard,
                out,
            } => in_runtime(async { ended(release(&caller, &request, &heard, &out).await) }),
            Action::Open {
                file,
                release,
                key,
                roots,
                domain,
            } => ended(open(&file, &release, &key, &roots, &domain)),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenShare {
    carried: String,
    file: String,
    share: String,
}

fn io(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Settings(format!("{}: {error}", file.display()))
}

/// At most twice the longest file: a request and a release are far shorter.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let most = 2 * FILE_BYTES_MAX as u64;
    let opened = std::fs::File::open(file).map_err(|error| io(file, &error))?;
    let mut bytes = Vec::new();
    opened
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io(file, &error))?;
    if bytes.len() as u64 > most {
        return Err(Failure::Settings(format!(
            "{}: too long to be such a file",
            file.display()
        )));
    }
    Ok(bytes)
}

fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file);
    let mut out = opened.map_err(|error| io(file, &error))?;
    out.write_all(bytes)
        .and_then(|()| out.sync_all())
        .map_err(|error| io(file, &error))
}

fn say(text: &str) {
    println!("{}", wrapped("", text));
}

async fn make(caller: &CallerArgs, draft: &Path, out: &Path) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::Settings(format!(
            "{}: is there already",
            out.display()
        )));
    }
    let desk = caller.desk(StaffRole::Caseworker)?;
    let draft = draft::read(draft, desk.now()).map_err(Failure::settings)?;
    desk.mirror().await.map_err(told)?;
    let basis = desk.record_basis(draft.basis).await.map_err(told)?;
    let carried = CarriedDraft {
        basis: &basis,
        purpose: draft.purpose,
        answer_to: draft.answer_to,
        fields: draft.fields,
    };
    let made = desk.make_carried(carried).await.map_err(told)?;
    let kept = WrittenShare {
        carried: made.kept.carried.to_string(),
        file: b64u(&made.kept.file),
        share: b64u(made.kept.share.expose()),
    };
    let folder = caller.identity.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| io(&folder, &error))?;
    let text = Zeroizing::new(serde_json::to_vec(&kept).map_err(Failure::refused)?);
    write(&folder.join(format!("{}.json", kept.file)), &text, 0o600)?;
    write(out, &made.file, 0o600)?;
    say(&format!(
        "The code, for the person to keep in mind: {}",
        *made.code.words()
    ));
    say(&format!(
        "{} is what is carried. Neither opens anything without this agency's release.",
        out.display()
    ));
    Ok(())
}

fn request(file: &Path, out: &Path, key: &Path) -> Result<(), Failure> {
    let bytes = read(file)?;
    check_file(&bytes).map_err(Failure::refused)?;
    let seed = SealingSeed::generate(&mut SystemRandom);
    let request = ReleaseRequest::new(&bytes, &seed);
    let text = Zeroizing::new(BASE64URL_NOPAD.encode(seed.expose()) + "\n");
    write(key, text.as_bytes(), 0o600)?;
    write(out, request.to_text().as_bytes(), 0o644)?;
    say(&format!(
        "Send {} to the source. Then call it, on a number that you know, and read out:",
        out.display()
    ));
    println!("  {}", request.fingerprint());
    Ok(())
}

async fn release(
    caller: &CallerArgs,
    request: &Path,
    heard: &str,
    out: &Path,
) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::Settings(format!(
            "{}: is there already",
            out.display()
        )));
    }
    let request = ReleaseRequest::parse(&read(request)?).map_err(Failure::refused)?;
    let kept = caller
        .identity
        .join(FOLDER)
        .join(format!("{}.json", b64u(request.file())));
    if !kept.exists() {
        return Err(Failure::refused(
            "this agency made no such file, or its share was destroyed",
        ));
    }
    let kept = share(&kept)?;
    let desk = caller.desk(StaffRole::DutyOfficer)?;
    let release =
        desk.release_carried(&kept, &request, heard)
            .await
            .map_err(|error| match error.reason() {
                Some(Reason::NotFound) => Failure::Refused(mended(UNKNOWN)),
                _ => told(error),
            })?;
    write(out, release.to_text().as_bytes(), 0o644)?;
    say(&format!(
        "Released, and recorded. Send {} back; it opens nothing without file, code and their key.",
        out.display()
    ));
    Ok(())
}

fn share(file: &Path) -> Result<KeptShare, Failure> {
    key_file::refuse_open(file).map_err(Failure::settings)?;
    let text = Zeroizing::new(read(file)?);
    let bad = || {
        Failure::Settings(format!(
            "{}: not a share as `carried make` wrote it",
            file.display()
        ))
    };
    let written: WrittenShare = serde_json::from_slice(&text).map_err(|_| bad())?;
    let bytes = |text: &str| {
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
    };
    Ok(KeptShare {
        carried: written.carried.parse().map_err(|_| bad())?,
        file: bytes(&written.file).ok_or_else(bad)?,
        share: Share::from_bytes(Zeroizing::new(bytes(&written.share).ok_or_else(bad)?)),
    })
}

fn open(
    file: &Path,
    release: &Path,
    key: &Path,
    roots: &Path,
    domain: &str,
) -> Result<(), Failure> {
    let bytes = read(file)?;
    check_file(&bytes).map_err(Failure::refused)?;
    let release = Release::parse(&read(release)?).map_err(Failure::refused)?;
    key_file::refuse_open(key).map_err(Failure::settings)?;
    let text = Zeroizing::new(read(key)?);
    let seed = BASE64URL_NOPAD
        .decode(text.trim_ascii_end())
        .ok()
        .and_then(|seed| seed.try_into().ok());
    let seed = seed.ok_or_else(|| {
        Failure::Settings(format!("{}: not a key of `carried request`", key.display()))
    })?;
    let seed = SealingSeed::from_bytes(Zeroizing::new(seed));
    let roots = certificates(roots).map_err(Failure::settings)?;
    eprint!("The code: ");
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(256)
        .read_to_string(&mut line)
        .map_err(Failure::refused)?;
    let code: Code = line.parse().map_err(Failure::refused)?;
    let content =
        open_carried(&bytes, &code, &release, &seed, (&roots, domain)).map_err(Failure::refused)?;
    print(&content, &sha256(&bytes)).map_err(Failure::refused)
}

fn print(content: &Content, file: &[u8; 32]) -> std::io::Result<()> {
    let printable = |text: &str| -> String {
        text.chars()
            .map(|one| if one.is_control() { '?' } else { one })
            .collect()
    };
    let mut out = std::io::stdout().lock();
    let head = [
        ("from      ", content.source.to_string()),
        ("for       ", content.recipient.to_string()),
        ("purpose   ", content.purpose.to_string()),
        ("sealed    ", minute(content.issued)),
        ("until     ", minute(content.expires)),
        ("answer to ", printable(&content.answer_to)),
        ("file      ", b64u(file)),
    ];
    for (mark, text) in head {
        writeln!(out, "{}", wrapped(mark, &text))?;
    }
    for field in &content.fields {
        let text = match &field.value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let text = format!("{} [{}]: {}", field.path, field.label, printable(&text));
        writeln!(out, "{}", wrapped("  ", &text))?;
    }
    Ok(())
}
