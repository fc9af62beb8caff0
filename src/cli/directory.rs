//! `safeconduct directory`: takes over a directory that others publish, and ranks who fits what a person needs.
//!
//! Both run on this computer: needs are sent to nobody, the mirror is fetched whole.

use super::exit::{Failure, ended};
use super::home::{CallerArgs, told};
use super::in_runtime;
use super::text::day;
use crate::client::session::system_clock;
use crate::domain::matching::{self, Candidate};
use crate::domain::vocabulary::{Purpose, StaffRole};
use clap::{Args, Subcommand, ValueEnum};
use services::{Ranked, Service};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod hsds;
mod needs;
mod plain;
mod print;
mod read;
mod rows;
mod services;

/// Import a directory of services, and rank who fits a person's needs.
#[derive(Debug, Args)]
pub struct DirectoryCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read a directory of the Human Services Data Specification 3.0, and say what was left out and why
    Import {
        /// The folder of a CSV data package, or a .json file
        path: PathBuf,
        /// Where to write the services for `directory match`
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Purposes by taxonomy term: a TOML file of lines such as "Counselling" = ["MENTAL_HEALTH_PSYCHOSOCIAL"]
        #[arg(long, value_name = "FILE")]
        terms: Option<PathBuf>,
    },
    /// Print who fits, who is set apart and who does not fit, each with the reasons
    Match {
        /// What is needed (deploy/needs.toml)
        #[arg(long, value_name = "FILE")]
        needs: PathBuf,
        /// Services that `directory import` wrote
        #[arg(long, value_name = "FILE", required_unless_present = "router")]
        services: Option<PathBuf>,
        #[command(flatten)]
        caller: Option<CallerArgs>,
        /// For people, or for a program
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl DirectoryCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.action {
            Action::Import { path, out, terms } => {
                ended(import(&path, out.as_deref(), terms.as_deref()))
            }
            Action::Match {
                needs,
                services,
                caller,
                output,
            } => in_runtime(async {
                ended(rank(&needs, services.as_deref(), caller.as_ref(), output).await)
            }),
        }
    }
}

/// Longest file of terms, in bytes.
const TERMS_BYTES_MAX: u64 = 1024 * 1024;

fn terms(file: &Path) -> Result<BTreeMap<String, Vec<Purpose>>, Failure> {
    let bad = |why: &str| Failure::Settings(format!("{}: {why}", file.display()));
    let length = std::fs::metadata(file)
        .map_err(|error| bad(&error.to_string()))?
        .len();
    if length > TERMS_BYTES_MAX {
        return Err(bad("longer than 1 MiB: is it the file of terms?"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| bad(&error.to_string()))?;
    let read: BTreeMap<String, Vec<String>> =
        toml::from_str(&text).map_err(|error| bad(error.message()))?;
    let terms = read.into_iter().map(|(term, words)| {
        let purposes: Result<Vec<Purpose>, _> = words.iter().map(|word| word.parse()).collect();
        let purposes = purposes.map_err(|_| {
            bad("not a purpose; all are listed as Purpose in proto/safeconduct/v1/vocabulary.proto")
        })?;
        Ok((term, purposes))
    });
    terms.collect()
}

fn import(path: &Path, out: Option<&Path>, terms_file: Option<&Path>) -> Result<(), Failure> {
    let terms = terms_file.map_or_else(|| Ok(BTreeMap::new()), terms)?;
    let (tables, mut skipped) = read::read(path).map_err(Failure::settings)?;
    let today = day((system_clock())());
    let context = hsds::Context {
        today: &today,
        terms: &terms,
    };
    let (services, left_out) = hsds::services(&tables, &context);
    skipped.extend(left_out);
    let unused: Vec<(&str, usize)> = tables
        .sizes()
        .filter(|(table, _)| !read::TABLES.contains(table))
        .collect();
    let mut stdout = std::io::stdout().lock();
    print::report(&mut stdout, services.len(), &skipped, &unused).map_err(Failure::refused)?;
    if let Some(out) = out {
        let text = services::written(&services).map_err(Failure::refused)?;
        let refused = |error| Failure::refused(format!("{}: {error}", out.display()));
        std::fs::write(out, text).map_err(refused)?;
    }
    Ok(())
}

async fn rank(
    needs: &Path,
    file: Option<&Path>,
    caller: Option<&CallerArgs>,
    output: Output,
) -> Result<(), Failure> {
    let mut candidates: Vec<Candidate<Ranked>> = Vec::new();
    let mut now = (system_clock())();
    if let Some(caller) = caller {
        let desk = caller.desk(StaffRole::Caseworker)?;
        now = desk.now();
        let mirror = desk.mirror().await.map_err(told)?;
        let own = desk.agency().id().clone();
        candidates.extend(
            mirror
                .members()
                .filter(|member| member.agency != own)
                .filter_map(of_member),
        );
    }
    let needs = needs::read(needs, now).map_err(Failure::settings)?;
    if let Some(file) = file {
        let services = services::read(file).map_err(Failure::settings)?;
        candidates.extend(services.into_iter().map(Service::candidate));
    }
    let ranking = matching::rank(&needs, &candidates);
    let mut out = std::io::stdout().lock();
    match output {
        Output::Text => print::ranking(&mut out, &ranking).map_err(Failure::refused),
        Output::Json => {
            let text = print::json(&ranking).map_err(Failure::refused)?;
            writeln!(out, "{text}").map_err(Failure::refused)
        }
    }
}

/// A member that can be sent to, as the matcher takes it.
fn of_member(member: &crate::client::directory::Member) -> Option<Candidate<Ranked>> {
    let bundle = member
        .bundle
        .as_ref()
        .filter(|_| !member.suspended && !member.uncertified)?;
    let facts = bundle.content().facts.clone();
    Some(Candidate {
        agency: Ranked {
            id: member.agency.to_string(),
            member: Some(member.agency.clone()),
            name: String::new(),
            phone: facts.intake_phone.clone(),
        },
        parent: member.parent.clone(),
        facts,
        duties_stated: true,
        capacity: member.capacity,
    })
}

#[cfg(test)]
mod tests;
