//! The router's settings: one TOML file, parsed once. Unknown keys are errors, names carry their units, and secrets are
//! paths of files, never values.
//!
//! ```
//! let text = include_str!("../deploy/router.toml");
//! let config = safeconduct::config::RouterConfig::parse(text, std::path::Path::new("/etc/safeconduct")).unwrap();
//! assert_eq!(config.origin, "safeconduct.example");
//! ```

use crate::exchange::flood::{self, Allowance};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// All settings of `safeconduct router`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// Name of the log and of the trust domain: `spiffe://<origin>/agency/<id>` in every agency's certificate.
    ///
    /// It is in every checkpoint and every token: it must never change once the store exists.
    pub origin: String,
    /// Folder of the store. Losing it loses every referral and the log; back it up.
    pub data_directory: PathBuf,
    /// Where agencies connect.
    pub listener: Listener,
    /// What signs the log.
    pub ledger: Ledger,
    /// Where metrics and health are read.
    #[serde(default)]
    pub admin: Admin,
    /// What is written to standard error.
    #[serde(default)]
    pub log: Log,
    /// Numbers that bound what callers can use up.
    #[serde(default)]
    pub limits: Limits,
    /// Where the log is read, and who vouches for it.
    #[serde(default)]
    pub publication: Publication,
}

/// The listener for agencies: TLS 1.3 with client certificates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port; port 0 takes any free one and prints it.
    #[serde(deserialize_with = "socket_address")]
    pub address: SocketAddr,
    /// The router's own certificate and its intermediates, PEM, leaf first.
    pub certificate_file: PathBuf,
    /// The certificate's private key, PEM (PKCS #8), mode 0600.
    pub private_key_file: PathBuf,
    /// Certificate authorities of the agencies, PEM.
    pub agency_roots_file: PathBuf,
    /// Certificate revocation lists, PEM: one for each authority, intermediates included.
    ///
    /// Without one the router refuses to start; once the first of them is past its `nextUpdate` nobody can connect.
    pub revocation_list_files: Vec<PathBuf>,
    /// How often certificate, key, roots and revocation lists are looked at for changes, in seconds, 1 to 30.
    #[serde(default = "reload_seconds")]
    pub reload_seconds: u64,
}

/// The log's signing key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Ed25519 seed (base64, one line), mode 0600; made by `router init`. Losing it ends the log; whoever has it can
    /// fork it.
    pub signing_key_file: PathBuf,
    /// What the log calls itself, if that is not `origin`: only after `restore --succeed`, which gives it a new name.
    /// Certificates and tokens go on under `origin`.
    #[serde(default)]
    pub origin: Option<String>,
    /// How many days a copy of the keyring may be kept, 1 to 90: erased content can be read from it until then.
    #[serde(default = "keyring_backup_days")]
    pub keyring_backup_days: u32,
}

/// The operator's own address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Loopback address of plain HTTP `/metrics` and `/healthz`; port 0 takes any free one.
    #[serde(deserialize_with = "socket_address")]
    pub address: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

/// Logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Levels, such as `info` or `info,safeconduct=debug`. Libraries stay at `info` whatever is set here.
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests at a time over all connections, 1 to 65,536; more get `RESOURCE_EXHAUSTED`.
    pub requests_max: usize,
    /// How long a stop waits for requests in hand, in seconds, 1 to 60.
    pub drain_seconds: u64,
    /// Openings of one agency in a minute, 1 to 1,000,000; more get `RESOURCE_EXHAUSTED`. Each is an entry of the log.
    pub openings_per_minute: u32,
    /// Alarms of one agency in a minute, 1 to 1,000,000.
    pub alarms_per_minute: u32,
    /// Requests of one auditing agency in a minute, 1 to 1,000,000.
    pub audits_per_minute: u32,
}

impl Limits {
    /// How often agencies may call what writes an entry each time.
    #[must_use]
    pub const fn allowance(&self) -> Allowance {
        Allowance {
            openings: self.openings_per_minute,
            alarms: self.alarms_per_minute,
            audits: self.audits_per_minute,
        }
    }

    fn rates_fit(&self) -> bool {
        let Allowance {
            openings,
            alarms,
            audits,
        } = self.allowance();
        [openings, alarms, audits]
            .iter()
            .all(|rate| (1..=1_000_000).contains(rate))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_max: 4096,
            drain_seconds: 10,
            openings_per_minute: flood::OPENINGS_PER_MINUTE,
            alarms_per_minute: flood::ALARMS_PER_MINUTE,
            audits_per_minute: flood::AUDITS_PER_MINUTE,
        }
    }
}

const fn keyring_backup_days() -> u32 {
    7
}

/// Publication of the log, and its witnesses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publication {
    /// Address of HTTPS for checkpoints, hash tiles and entry bundles (C2SP tlog-tiles), with the listener's
    /// certificate; none if absent. Port 0 takes any free one and prints it.
    #[serde(deserialize_with = "optional_socket_address")]
    pub address: Option<SocketAddr>,
    /// Who may read checkpoints and hash tiles; entry bundles are for national oversight in any case.
    pub checkpoints_and_tiles: Readers,
    /// How many witnesses must cosign a checkpoint before it is handed out.
    pub witnesses_required: usize,
    /// What to do with checkpoints that fewer have cosigned.
    pub when_missing: WhenMissing,
    /// Authorities (PEM) of the witnesses' servers, for urls that begin with https.
    pub witness_roots_file: Option<PathBuf>,
    /// The witnesses, 15 at most.
    pub witnesses: Vec<Witness>,
}

/// Who may read what holds hashes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// Enrolled agencies, by their certificate.
    #[default]
    Members,
    /// Anybody.
    Public,
}

/// What to do without enough witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenMissing {
    /// Hand checkpoints out all the same, and alarm.
    #[default]
    Open,
    /// Withhold them, and alarm.
    Closed,
}

/// One witness.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its verifier key, as `safeconduct witness init` prints it.
    pub vkey: String,
    /// Its submission prefix, `https://…`.
    pub url: String,
}

const fn reload_seconds() -> u64 {
    10
}

fn socket_address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(
            "write an IP address and a port, such as 0.0.0.0:8443 (127.0.0.1:9464 in [admin])",
        )
    })
}

fn optional_socket_address<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    socket_address(from).map(Some)
}

/// Why the settings cannot be used, and how to mend them.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read {file}: {cause}; --config names the settings, and deploy/router.toml is what to begin with"
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not the TOML that is expected.
    #[error("{place}{reason}; deploy/router.toml shows every setting with its meaning")]
    Toml {
        /// The line, with its number, and a colon; empty if it is not known.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that cannot stand.
    #[error("{key}: {mend}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// What to write instead.
        mend: &'static str,
    },
}

/// A setting of earlier settings files, and where it is now.
const MOVED: (&str, &str) = (
    "audit_retention_days",
    "moved to the members' protocol: [audit] retention_days; take it out here",
);

/// How much of a line is shown, in characters: what is wrong stays in sight.
const SHOWN_CHARS_MAX: usize = 68;

impl ConfigError {
    /// The line and the reason. What the parser draws under the line would be wrapped with the rest of the message.
    fn of_line(error: &toml::de::Error, text: &str) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = before.map_or_else(String::new, |before| {
            let at = before.matches('\n').count();
            let written = text.lines().nth(at).unwrap_or_default().trim();
            let shown: String = written.chars().take(SHOWN_CHARS_MAX).collect();
            format!("line {} (`{shown}`): ", at + 1)
        });
        let said: Vec<&str> = error.message().split_whitespace().collect();
        let (key, mend) = MOVED;
        let reason = if said.starts_with(&["unknown", "field", &format!("`{key}`,")]) {
            mend.to_owned()
        } else {
            said.join(" ")
        };
        Self::Toml { place, reason }
    }
}

impl RouterConfig {
    /// Reads and parses `file`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], saying what to mend.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|cause| ConfigError::Unreadable {
            file: file.to_owned(),
            cause,
        })?;
        Self::parse(&text, file.parent().unwrap_or(Path::new("")))
    }

    /// Parses `text`; relative paths in it are taken from `folder`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], saying what to mend.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::of_line(&error, text))?;
        config.check()?;
        config.resolve(folder);
        Ok(config)
    }

    /// What the log calls itself in its checkpoints.
    #[must_use]
    pub fn log_origin(&self) -> &str {
        self.ledger.origin.as_deref().unwrap_or(&self.origin)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let origin = is_host_name(&self.origin);
        let rules = [
            (
                origin,
                "origin",
                "write the trust domain as a lower-case host name, such as safeconduct.example",
            ),
            (
                is_host_name(self.log_origin()),
                "ledger.origin",
                "leave it out, or write the log's new name as a lower-case host name; only `safeconduct restore \
                 --succeed` needs one",
            ),
            (
                (1..=90).contains(&self.ledger.keyring_backup_days),
                "ledger.keyring_backup_days",
                "write 1 to 90: a copy of the keyring opens what was erased since it was made",
            ),
            (
                !self.listener.revocation_list_files.is_empty(),
                "listener.revocation_list_files",
                "name at least one list; `safeconduct ca crl` writes it. Without one, nobody's certificate could be \
                 revoked",
            ),
            (
                (1..=30).contains(&self.listener.reload_seconds),
                "listener.reload_seconds",
                "write 1 to 30, so that a revocation takes effect within a minute",
            ),
            (
                self.admin.address.ip().is_loopback(),
                "admin.address",
                "write a loopback address such as 127.0.0.1:9464; the address has no authentication",
            ),
            (
                self.log
                    .filter
                    .parse::<tracing_subscriber::EnvFilter>()
                    .is_ok(),
                "log.filter",
                "write levels such as info or info,safeconduct=debug",
            ),
            (
                (1..=65_536).contains(&self.limits.requests_max),
                "limits.requests_max",
                "write 1 to 65536",
            ),
            (
                (1..=60).contains(&self.limits.drain_seconds),
                "limits.drain_seconds",
                "write 1 to 60",
            ),
            (
                self.limits.rates_fit(),
                "limits",
                "write 1 to 1000000 for openings_per_minute, alarms_per_minute and audits_per_minute",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, key, mend)) => Err(ConfigError::Setting { key, mend }),
        }
    }

    fn resolve(&mut self, folder: &Path) {
        let paths = [
            &mut self.data_directory,
            &mut self.listener.certificate_file,
            &mut self.listener.private_key_file,
            &mut self.listener.agency_roots_file,
            &mut self.ledger.signing_key_file,
        ];
        for path in paths
            .into_iter()
            .chain(&mut self.listener.revocation_list_files)
            .chain(&mut self.publication.witness_roots_file)
        {
            *path = folder.join(&*path);
        }
    }
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    !name.is_empty() && name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests;
