//! Services as the matcher takes them, and their file: what `directory import` writes and `directory match` reads.

use crate::cli::facts::Written;
use crate::domain::directory::AgencyFacts;
use crate::domain::id::AgencyId;
use crate::domain::matching::{Candidate, Declared, Party};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Longest file, in bytes: 100,000 services with everything that facts can say.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One service at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) organisation: String,
    pub(super) location: String,
    /// The member that gives it, if it is one: then it can be sent a referral.
    pub(super) member: Option<AgencyId>,
    /// Whether its duties are known; HSDS does not know them.
    pub(super) duties_stated: bool,
    pub(super) facts: AgencyFacts,
}

/// Who is ranked by the command: a member of the directory, or a service of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked {
    /// An agency's id, or a service's.
    pub(super) id: String,
    pub(super) member: Option<AgencyId>,
    /// For people.
    pub(super) name: String,
    pub(super) phone: String,
}

impl Party for Ranked {
    fn member(&self) -> Option<&AgencyId> {
        self.member.as_ref()
    }
}

impl Service {
    /// As the matcher takes it; a service says nothing of its places.
    pub(super) fn candidate(self) -> Candidate<Ranked> {
        let mut name = self.name;
        for more in [self.organisation, self.location] {
            if !more.is_empty() {
                name = format!("{name}, {more}");
            }
        }
        Candidate {
            agency: Ranked {
                id: self.id,
                member: self.member,
                name,
                phone: self.facts.intake_phone.clone(),
            },
            parent: None,
            facts: self.facts,
            duties_stated: self.duties_stated,
            capacity: None::<Declared>,
        }
    }
}

/// Why the file of services cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServicesError {
    #[error("{file}: {cause}")]
    Io {
        file: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} is longer than 256 MiB")]
    Long(PathBuf),
    #[error("{file}: {cause}; write it again with `safeconduct directory import --out`")]
    Json {
        file: PathBuf,
        cause: serde_json::Error,
    },
    #[error("{file}: service {number}: {cause}")]
    Service {
        file: PathBuf,
        number: usize,
        cause: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    services: Vec<WrittenService>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenService {
    id: String,
    name: String,
    organisation: String,
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    duties_stated: bool,
    facts: Written,
}

/// The file's text.
pub(super) fn written(services: &[Service]) -> Result<Vec<u8>, serde_json::Error> {
    let services = services.iter().map(|service| WrittenService {
        id: service.id.clone(),
        name: service.name.clone(),
        organisation: service.organisation.clone(),
        location: service.location.clone(),
        member: service.member.as_ref().map(ToString::to_string),
        duties_stated: service.duties_stated,
        facts: Written::of(&service.facts),
    });
    let mut text = serde_json::to_vec_pretty(&File {
        services: services.collect(),
    })?;
    text.push(b'\n');
    Ok(text)
}

/// Reads the file, strictly.
pub(super) fn read(file: &Path) -> Result<Vec<Service>, ServicesError> {
    let io = |cause| ServicesError::Io {
        file: file.to_owned(),
        cause,
    };
    if std::fs::metadata(file).map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(ServicesError::Long(file.to_owned()));
    }
    parse(&std::fs::read(file).map_err(io)?, file)
}

pub(super) fn parse(text: &[u8], file: &Path) -> Result<Vec<Service>, ServicesError> {
    let read: File = serde_json::from_slice(text).map_err(|cause| ServicesError::Json {
        file: file.to_owned(),
        cause,
    })?;
    let services = read.services.into_iter().enumerate().map(|(at, service)| {
        let bad = |cause: String| ServicesError::Service {
            file: file.to_owned(),
            number: at + 1,
            cause,
        };
        let member = service.member.map(|member| member.parse()).transpose();
        Ok(Service {
            id: service.id,
            name: service.name,
            organisation: service.organisation,
            location: service.location,
            member: member.map_err(|error: crate::domain::id::BadId| bad(error.to_string()))?,
            duties_stated: service.duties_stated,
            facts: service
                .facts
                .parse(file)
                .map_err(|error| bad(error.to_string()))?,
        })
    });
    services.collect()
}
