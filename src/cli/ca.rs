//! `safeconduct ca`: a certificate authority in a folder, for development and small deployments.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::text::{pasted, wrapped};
use crate::domain::id::AgencyId;
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::grpc::tls::system_now;
use crate::identity::authority::{Authority, IssuedLeaf, RevocationReason};
use crate::identity::certificate::{Serial, is_trust_domain};

mod folder;

use folder::{Folder, FolderError, OutFolder};

/// Run a small certificate authority in a folder.
#[derive(Debug, Args)]
pub struct CaCommand {
    /// Folder of the authority.
    #[arg(long, global = true, default_value = "ca", value_name = "DIR")]
    dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a root and an issuing CA, and the first revocation lists.
    Init {
        /// The federation's name, which is also the log's origin, such as safeconduct.example.
        #[arg(long, value_name = "NAME")]
        trust_domain: String,
        /// Days to the next update of the revocation lists.
        #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=90))]
        crl_days: u32,
    },
    /// Issue certificates, each with a new key.
    Issue {
        #[command(subcommand)]
        what: Issue,
    },
    /// Revoke a certificate, or all of an agency's, and write new revocation lists.
    Revoke {
        /// Serial number of one certificate.
        #[arg(
            long,
            value_name = "HEX",
            conflicts_with = "agency",
            required_unless_present = "agency"
        )]
        serial: Option<String>,
        /// Agency whose certificates in force are all revoked.
        #[arg(long, value_name = "ID")]
        agency: Option<AgencyId>,
        /// Why.
        #[arg(long, value_enum, default_value_t = Reason::KeyCompromise)]
        reason: Reason,
        /// Days to the next update of the revocation lists.
        #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=90))]
        crl_days: u32,
    },
    /// Write new revocation lists; run this well before the old ones end, by a timer.
    Crl {
        /// Days to the next update.
        #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
    },
    /// Issue an agency's or a router's certificates again, with new keys, into the folder they are in.
    Renew {
        /// Folder that `issue` wrote.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// Days of validity.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
        days: u32,
    },
}

#[derive(Debug, Subcommand)]
enum Issue {
    /// An agency's TLS client certificate and its signing certificate.
    Agency {
        /// Agency id, [a-z0-9-]{1,63}.
        id: AgencyId,
        /// New folder for keys and certificates.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Days of validity.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
        days: u32,
    },
    /// A router's server certificate.
    Router {
        /// DNS name or IP address that agencies connect to; repeat for several.
        #[arg(long = "name", required = true, value_name = "NAME")]
        names: Vec<String>,
        /// New folder for key and certificate.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Days of validity.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
        days: u32,
    },
}

/// The reasons of RFC 5280 that make sense here.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

/// The operating system's randomness.
struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system's random source works before anything else does");
    }
}

impl CaCommand {
    /// Runs the command. Exit codes: 0 done, 1 refused or failed; nothing is half done.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.execute() {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{}", wrapped("error: ", &error.to_string()));
                ExitCode::FAILURE
            }
        }
    }

    fn execute(self) -> Result<String, FolderError> {
        let now = system_now()();
        let dir = self.dir;
        match self.action {
            Action::Init {
                trust_domain,
                crl_days,
            } => init(&dir, &trust_domain, crl_days, now),
            Action::Issue { what } => {
                let (folder, mut authority) = Folder::open(&dir)?;
                issue(&folder, &mut authority, what, now)
            }
            Action::Revoke {
                serial,
                agency,
                reason,
                crl_days,
            } => {
                let (folder, mut authority) = Folder::open(&dir)?;
                let serials = match (serial, agency) {
                    (Some(serial), _) => vec![serial],
                    (None, Some(agency)) => {
                        let in_force = authority.index().in_force(agency.as_str(), now);
                        in_force.map(|issued| issued.serial.clone()).collect()
                    }
                    (None, None) => Vec::new(),
                };
                if serials.is_empty() {
                    return Err(FolderError::NothingToRevoke);
                }
                for serial in &serials {
                    let serial = Serial::from_hex(serial).ok_or(FolderError::Serial)?;
                    authority.revoke(&serial, reason.into(), now)?;
                }
                let lists = authority.revocation_lists(now, days(crl_days))?;
                folder.save_index(&authority)?;
                let path = folder.save_lists(&lists)?;
                Ok(said(&[
                    &format!(
                        "revoked {} certificate(s): {}",
                        serials.len(),
                        serials.join(", ")
                    ),
                    &format!("wrote {}", path.display()),
                    "",
                    "Next: bring this file to the router; it takes effect within a minute, on open connections too.",
                ]))
            }
            Action::Crl { days: until } => {
                let (folder, mut authority) = Folder::open(&dir)?;
                let lists = authority.revocation_lists(now, days(until))?;
                folder.save_index(&authority)?;
                let path = folder.save_lists(&lists)?;
                Ok(said(&[
                    &format!("wrote {}, good for {until} day(s)", path.display()),
                    "",
                    "Next: bring this file to the router, and run this again before half of that time is over: past \
                     its end the router lets nobody in.",
                ]))
            }
            Action::Renew {
                folder: out,
                days: lifetime,
            } => {
                let (folder, mut authority) = Folder::open(&dir)?;
                renew(&folder, &mut authority, &out, lifetime, now)
            }
        }
    }
}

fn init(
    dir: &std::path::Path,
    trust_domain: &str,
    crl_days: u32,
    now: Timestamp,
) -> Result<String, FolderError> {
    if !is_trust_domain(trust_domain) {
        return Err(crate::identity::authority::AuthorityError::TrustDomain.into());
    }
    let folder = Folder::create(dir)?;
    let mut authority = Authority::create(trust_domain, now, &mut SystemRandom)?;
    let lists = authority.revocation_lists(now, days(crl_days))?;
    folder.save_all(&authority)?;
    folder.save_lists(&lists)?;
    let shown = dir.display();
    let next = [
        "issue router --name localhost --out router",
        "issue agency my-ngo --out my-ngo",
    ];
    let next = next.map(|next| pasted("  ", &format!("safeconduct ca --dir {shown} {next}")));
    let made = said(&[
        &format!("made a root and an issuing CA for {trust_domain} in {shown}"),
        "",
        "Next:",
    ]);
    let keep = said(&[&format!(
        "Keep {shown}/root.key off line: it is needed again only for a new issuing CA and for the root's list."
    )]);
    Ok(format!("{made}{}\n{keep}", next.join("\n")))
}

fn issue(
    folder: &Folder,
    authority: &mut Authority,
    what: Issue,
    now: Timestamp,
) -> Result<String, FolderError> {
    match what {
        Issue::Agency {
            id,
            out,
            days: lifetime,
        } => {
            let to = OutFolder::create(&out)?;
            let issued = issue_agency(folder, authority, &id, &to, lifetime, now)?;
            let next = format!(
                "Next: put the router's trust/ folder into {0}, give {0} to the agency over a safe channel, compare \
                 the fingerprints by phone, and delete it here.",
                out.display()
            );
            Ok(issued + &said(&["", &next]))
        }
        Issue::Router {
            names,
            out,
            days: lifetime,
        } => {
            let to = OutFolder::create(&out)?;
            let issued = issue_router(folder, authority, &names, &to, lifetime, now)?;
            let next = format!(
                "Next: name {0}/tls.pem, {0}/tls.key, {1}/root.pem and {1}/crl.pem in the router's settings, as \
                 deploy/router.toml does.",
                out.display(),
                folder.dir().display()
            );
            Ok(issued + &said(&["", &next]))
        }
    }
}

fn issue_agency(
    folder: &Folder,
    authority: &mut Authority,
    id: &AgencyId,
    to: &OutFolder,
    lifetime: u32,
    now: Timestamp,
) -> Result<String, FolderError> {
    let identity = authority.issue_agency(id, now, days(lifetime), &mut SystemRandom)?;
    // The index first: a certificate that nobody can revoke must not exist.
    folder.save_index(authority)?;
    to.write("roots.pem", authority.root_pem().as_bytes(), folder::PUBLIC)?;
    to.write_pair("signing", &identity.signing)?;
    to.write_pair("tls", &identity.tls)?;
    let head = said(&[&format!("issued for agency {id}, {lifetime} days:")]);
    Ok(format!(
        "{head}  tls      {}\n  signing  {}\n",
        describe(&identity.tls),
        describe(&identity.signing)
    ))
}

fn issue_router(
    folder: &Folder,
    authority: &mut Authority,
    names: &[String],
    to: &OutFolder,
    lifetime: u32,
    now: Timestamp,
) -> Result<String, FolderError> {
    let leaf = authority.issue_router(names, now, days(lifetime), &mut SystemRandom)?;
    folder.save_index(authority)?;
    to.write("roots.pem", authority.root_pem().as_bytes(), folder::PUBLIC)?;
    to.write_pair("tls", &leaf)?;
    let head = said(&[&format!(
        "issued for {}, {lifetime} days:",
        names.join(", ")
    )]);
    Ok(format!("{head}  tls      {}\n", describe(&leaf)))
}

fn renew(
    folder: &Folder,
    authority: &mut Authority,
    out: &std::path::Path,
    lifetime: u32,
    now: Timestamp,
) -> Result<String, FolderError> {
    let to = OutFolder::open(out)?;
    let (issued, next) = match folder::whose(out, authority.trust_domain())? {
        folder::Whose::Agency(id) => (
            issue_agency(folder, authority, &id, &to, lifetime, now)?,
            "The agency runs `safeconduct agency join` at once: its signing certificate is new, so it publishes a \
             new key bundle.",
        ),
        folder::Whose::Router(names) => (
            issue_router(folder, authority, &names, &to, lifetime, now)?,
            "The router takes the new files into use within `reload_seconds`, without a restart.",
        ),
    };
    let before = "Next: the certificates before these stay valid until they end; revoke them by serial number if a key \
                  was lost.";
    Ok(issued + &said(&["", before, next]))
}

/// Paragraphs for people, each ended.
fn said(paragraphs: &[&str]) -> String {
    let lines = paragraphs.iter().map(|text| wrapped("", text) + "\n");
    lines.collect()
}

fn describe(leaf: &IssuedLeaf) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf.certificate);
    format!(
        "serial {}\n    sha256 {}",
        leaf.serial,
        data_encoding::HEXLOWER.encode(digest.as_ref())
    )
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

#[cfg(test)]
mod tests;
