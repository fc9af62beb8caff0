//! The town is founded.

use crate::demo::narrate::{Narrator, Stop};
use crate::demo::town::{Town, TownError, TownOptions};
use crate::domain::vocabulary::StaffRole;

/// Builds the town, telling each step.
pub(super) async fn the_town(narrator: &mut Narrator, options: TownOptions) -> Result<Town, Stop> {
    narrator.act("A town is founded");
    narrator.tell("Nobody in this story is real. The router is a process of its own.");
    let mut town = narrator.need(
        "A certificate authority, two administrators, and a log that begins: router init \
         pinned their keys, router run listens with TLS 1.3 and client certificates.",
        Town::begin(&options),
    )?;
    narrator.need(
        "The operator publishes its keys. It may enrol, and may read nothing.",
        town.open_operator().await,
    )?;
    narrator.need(
        "The members' information-sharing protocol is in force, under two signatures.",
        town.publish_protocol().await,
    )?;
    let mut enrolled = Ok(());
    for member in &options.members {
        enrolled = town.enrol(member).await;
        if enrolled.is_err() {
            break;
        }
    }
    let count = options.members.len();
    narrator.need(
        &format!("{count} agencies are enrolled, each proposed by one and approved by the other."),
        enrolled,
    )?;
    narrator.tell(
        "alpha is an NGO; house1, house2 and house3 are shelters; medic is a clinic, law gives legal aid; camp is the \
         state's reception centre; moi is the ministry, with moi-atu, its police unit against trafficking, and \
         moi-asylum, the asylum office; ombud is the ombudsperson.",
    );
    let mut joined = Ok(());
    for member in &options.members {
        joined = town.join(member).await;
        if joined.is_err() {
            break;
        }
    }
    narrator.need(
        "Each publishes its keys, and what it must report or demand, where all can see if they ever change.",
        joined,
    )?;
    let mirrored = mirror_everywhere(&town, &options).await;
    let records = narrator.need(
        "Each copies the directory and checks every record: two signatures, a certificate, a proof.",
        mirrored,
    )?;
    narrator.tell(&format!("alpha sees {records} of them, with the operator."));
    Ok(town)
}

/// Every agency mirrors what it may see; gives how many records alpha has.
async fn mirror_everywhere(town: &Town, options: &TownOptions) -> Result<usize, TownError> {
    let mut records = 0;
    for member in &options.members {
        let role = match member.id {
            "ombud" => StaffRole::Auditor,
            _ => StaffRole::Process,
        };
        let directory = town.desk(member.id, "desk", role)?.mirror().await;
        let directory = directory?;
        if member.id == "alpha" {
            records = directory.members().count();
        }
    }
    Ok(records)
}
