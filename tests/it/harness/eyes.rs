//! ∅: that an agency could observe nothing (R3, invariant 22).
//!
//! An agency's eyes are every call that it may make and that leaves nothing behind, in the role that sees most, about
//! its own name and others', with ids that it may have heard of. Before a scenario they look twice, so that looking
//! itself is no difference; after it they look again, and must see the same but for ids, times and the listed set.

use std::collections::BTreeMap;

use safeconduct::client::source::SentReferral;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::proto::v1;
use tonic::Code;

use super::World;
use super::normal::{Level, Reader};
use super::requests::{About, Call};
use super::scene::new_case;
use super::wire::{Refused, Wire};

/// Calls that leave something behind wherever they come from: nobody looks with them.
const ACTS: [&str; 3] = [
    "PlaceService/UpdatePool",
    "DirectoryService/DeclareCapacity",
    "AuditService/ReadOpenings",
];

/// What agencies saw before.
pub struct Eyes {
    before: BTreeMap<String, Vec<String>>,
}

/// Names that an agency might have heard of.
#[derive(Clone)]
pub struct Heard {
    pub offer: String,
    pub referral: String,
    pub basis: String,
    pub case: String,
}

impl Heard {
    /// Nothing true.
    pub fn nothing() -> Self {
        let random = || new_case().to_string();
        Self {
            offer: random(),
            referral: random(),
            basis: random(),
            case: random(),
        }
    }

    /// The true names of one ask.
    pub fn of(sent: &SentReferral, basis: &Basis) -> Self {
        Self {
            offer: sent.offers[0].1.to_string(),
            referral: sent.referral.to_string(),
            basis: basis.chain.to_string(),
            case: basis.case.to_string(),
        }
    }
}

impl Eyes {
    /// Has these agencies look.
    pub async fn of(world: &World, agencies: &[&str]) -> Self {
        let mut before = BTreeMap::new();
        for &agency in agencies {
            look(world, agency, &Heard::nothing()).await;
            let seen = look(world, agency, &Heard::nothing()).await;
            assert!(seen.len() > 40, "{agency} looks at {} things", seen.len());
            before.insert(agency.to_owned(), seen);
        }
        Self { before }
    }

    /// Has them look again, knowing what they should not: they see what they saw.
    pub async fn assert_saw_nothing(&self, world: &World, heard: &Heard) {
        for (agency, before) in &self.before {
            let after = look(world, agency, heard).await;
            for (before, after) in before.iter().zip(&after) {
                let mut lines = before.lines().zip(after.lines());
                let differ = lines.find(|(before, after)| before != after);
                let method = before.lines().next();
                assert_eq!(differ, None, "{agency} {method:?}");
                assert_eq!(before.len(), after.len(), "{agency} {method:?}");
            }
            assert_eq!(before.len(), after.len(), "{agency}");
        }
    }
}

async fn look(world: &World, agency: &str, heard: &Heard) -> Vec<String> {
    let wire = world.wire(agency, StaffRole::Supervisor);
    let mut reader = Reader::new(Level::Listed);
    let mut seen = vec![position(world, agency).await];
    for (method, body) in calls(agency, heard) {
        let answer = match wire.raw(method, body).await {
            Ok(reply) => without_hours(method, &reader.reply(method, &reply)),
            Err(status) => {
                assert_ne!(status.code(), Code::Unavailable, "{agency} {method}");
                format!("{:?}", Refused::read(&status))
            }
        };
        seen.push(format!("{method} {answer}"));
    }
    seen
}

/// The directory is digested every hour, whatever happens: its number tells how late it is.
fn without_hours(method: &str, reply: &str) -> String {
    if !method.starts_with("DirectoryService/") {
        return reply.to_owned();
    }
    let of_an_hour = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with("number: ") && !line.contains("\"e\":\"digest\"")
    };
    let lines: Vec<&str> = reply.lines().filter(of_an_hour).collect();
    lines.join("\n")
}

/// Where the agency's own doorbells stand: whether it ever rang.
async fn position(world: &World, agency: &str) -> String {
    let wire: Wire = world.wire(agency, StaffRole::DutyOfficer);
    let watch = v1::WatchRequest {
        parent: format!("agencies/{agency}"),
        resume_token: String::new(),
    };
    match wire.stream("EventService/Watch", &watch).await {
        Ok(mut stream) => {
            let first = stream.message().await.unwrap().unwrap();
            Reader::new(Level::Listed).reply("EventService/Watch", &first)
        }
        Err(status) => format!("{:?}", Refused::read(&status)),
    }
}

fn calls(agency: &str, heard: &Heard) -> Vec<Call> {
    let under = |name: &str| About {
        agency: name.into(),
        recipient: "house1".into(),
        offer: heard.offer.clone(),
        referral: heard.referral.clone(),
        basis: heard.basis.clone(),
        pool: "beds".into(),
        case: heard.case.clone(),
        deposit: v1::Deposit::default(),
        statement: b"not a statement".to_vec(),
    };
    let own = under(agency);
    let (alpha, house1) = (under("alpha"), under("house1"));
    let mut calls = [
        own.agencies(),
        own.offers(),
        own.sources(),
        own.open(),
        own.offices(),
        alpha.sources(),
        house1.offers(),
    ]
    .concat();
    calls.retain(|(method, _)| !ACTS.contains(method));
    calls
}
