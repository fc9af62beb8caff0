//! What stands between this agency and a silent line: certificates, keys, the router, the log.

use crate::cli::exit::Failure;
use crate::cli::home::{CallerArgs, told};
use crate::cli::protocol::opened_for;
use crate::cli::text::{day, minute, wrapped};
use crate::client::agency::Agency;
use crate::client::connect::certificates;
use crate::client::directory::{Directory, DirectoryError, Witnessed};
use crate::client::keys::{KeyFiles, KeyRotation};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;
use std::path::Path;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Days before a certificate's end at which it is time to renew it.
const CERTIFICATE_DAYS_MIN: i64 = 14;

/// Prints what was looked at, line by line; anything to mend makes it fail.
pub(super) async fn show(caller: &CallerArgs) -> Result<(), Failure> {
    let desk = super::resubmit::desk(caller, StaffRole::Administrator)?;
    let agency = desk.agency();
    let now = desk.now();
    println!("agency {} at {}", agency.id(), agency.trust().origin);
    let mut bad = 0;
    let mut note = |what: &str, found: Result<String, String>| match found {
        Ok(text) => println!("{}", wrapped(&format!("ok   {what}: "), &text)),
        Err(mend) => {
            bad += 1;
            println!("{}", wrapped(&format!("bad  {what}: "), &mend));
        }
    };
    let files = KeyFiles::in_folder(&caller.identity);
    note("TLS certificate", certificate(&files.tls_certificate, now));
    note(
        "signing certificate",
        certificate(&files.signing_certificate, now),
    );
    note("key bundle", bundle(agency, now));
    if agency.keys().published_bundle().is_none() {
        // Without keys in the directory the router knows nobody here.
        return Err(Failure::Refused(format!("{bad} to mend")));
    }
    let mirrored = desk.mirror().await;
    let reached = mirrored.is_ok();
    if let Ok(directory) = &mirrored {
        let members = directory.members().count();
        let text = format!(
            "answers; {members} members in directory {}",
            directory.number()
        );
        note("router", Ok(text));
        if let Ok(protocol) = agency.protocol() {
            let (version, opened) = (protocol.version(), opened_for(&protocol));
            note("protocol", Ok(format!("version {version}; {opened}")));
        }
        let own = directory.member(agency.id());
        let suspended = own.is_ok_and(|member| member.suspended);
        if suspended {
            note(
                "membership",
                Err("suspended: call the administrators".into()),
            );
        }
    }
    if let Ok(directory) = &mirrored {
        note(
            "own entry",
            Ok("what stands under our name is what we published".into()),
        );
        note("freshness", freshness(directory));
        match witnesses(directory) {
            Some(found) => note("witnesses", found),
            None => println!("{}", wrapped("?    witnesses: ", NONE_ASKED)),
        }
    }
    if let Some(newest) = agency.log().freshest() {
        let text = format!("newest entry proved to us {}", minute(newest));
        note("log", Ok(text));
    }
    if !reached {
        mirrored.map_err(told)?;
    }
    match bad {
        0 => Ok(()),
        bad => Err(Failure::Refused(format!("{bad} to mend"))),
    }
}

fn freshness(directory: &Directory) -> Result<String, String> {
    let made = minute(directory.proven_at());
    if directory.was_late() {
        Err(format!(
            "the newest directory digest is of {made}, and the router makes one every hour: call its operator"
        ))
    } else {
        Ok(format!("directory digest of {made}"))
    }
}

/// Nothing to mend, and nothing that is right either.
const NONE_ASKED: &str = "NONE ASKED: whether others are shown the same log is not checked; add trust/policy, or \
                          compare checkpoints (`safeconduct agency compare`)";

/// None where nobody was asked.
fn witnesses(directory: &Directory) -> Option<Result<String, String>> {
    match directory.vouched() {
        Witnessed::NotAsked => None,
        Witnessed::At(at) => {
            let said = format!("a quorum vouched for the log at {}", minute(at));
            Some(Ok(said))
        }
        Witnessed::Missing => Some(Err(DirectoryError::NotVouched.to_string())),
    }
}

fn certificate(file: &Path, now: Timestamp) -> Result<String, String> {
    let chain = certificates(file).map_err(|error| error.to_string())?;
    let leaf = chain.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| "not a certificate".to_owned())?;
    let until = leaf.validity().not_after.timestamp();
    let left = (until - now.seconds()) / 86_400;
    let ends = Timestamp::from_seconds(until).map_or_else(String::new, day);
    if left >= CERTIFICATE_DAYS_MIN {
        Ok(format!("ends {ends}, {left} days left"))
    } else {
        Err(format!(
            "ends {ends}, {left} days left: have it renewed (`safeconduct ca renew`), then run \
             `safeconduct agency join`"
        ))
    }
}

fn bundle(agency: &Agency, now: Timestamp) -> Result<String, String> {
    const JOIN: &str = "run `safeconduct agency join`";
    let keys = agency.keys();
    let bundle = keys
        .published_bundle()
        .ok_or_else(|| format!("none published: {JOIN}"))?;
    let content = bundle.content();
    if KeyRotation::is_due(keys, now) {
        return Err(format!(
            "number {} ends {}, and keys are due: {JOIN}, and daily by a timer",
            content.seq,
            day(content.expires)
        ));
    }
    Ok(format!(
        "number {}, ends {}",
        content.seq,
        day(content.expires)
    ))
}
