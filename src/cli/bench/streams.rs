//! What many open doorbell streams cost: as many agencies as it takes, each within its own limit.

use std::time::Instant;

use tonic::Streaming;

use super::WorkFolder;
use super::process::Usage;
use super::subject::BenchError;
use crate::demo::town::members::MemberSpec;
use crate::demo::town::{Town, TownOptions};
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::exchange::event::STREAMS_PER_AGENCY_MAX;
use crate::proto::v1;
use crate::proto::v1::event_service_client::EventServiceClient;

/// Measure what open doorbell streams cost the router.
#[derive(Debug, clap::Args)]
pub struct StreamsCommand {
    /// Streams, at most 16 an agency.
    #[arg(long, default_value_t = 2000)]
    count: usize,
}

impl StreamsCommand {
    /// Measures and prints.
    ///
    /// # Errors
    ///
    /// [`BenchError`].
    pub async fn run(&self) -> Result<(), BenchError> {
        let folder = WorkFolder::new(None)?;
        let mut options = TownOptions::new(std::env::current_exe()?, folder.path.clone());
        options.log_filter = "error".into();
        let agencies = self.count.div_ceil(STREAMS_PER_AGENCY_MAX);
        // A bench ends with its process: what it leaks is gone with it.
        let name = |number: usize| -> &'static str { format!("bench-{number}").leak() };
        options.members = (0..agencies)
            .map(|number| MemberSpec::new(name(number), AgencyKind::Ngo))
            .collect();
        let names: Vec<_> = options.members.iter().map(|member| member.id).collect();
        let mut town = Town::start(options).await?;
        let pid = town.router().pid().unwrap_or(0);

        let before = Usage::of(pid);
        let began = Instant::now();
        let mut streams = Vec::with_capacity(self.count);
        for number in 0..self.count {
            let name = names.get(number / STREAMS_PER_AGENCY_MAX).copied();
            streams.push(open(&town, name.unwrap_or_default()).await?);
        }
        let opened = began.elapsed();
        let after = Usage::of(pid);
        let more = after.resident_kib.saturating_sub(before.resident_kib);
        println!("agencies               {agencies}");
        println!("streams                {}", streams.len());
        println!("opened in              {} ms", opened.as_millis());
        println!("resident before        {} KiB", before.resident_kib);
        println!("resident after         {} KiB", after.resident_kib);
        println!(
            "for each stream        {} B",
            more * 1024 / self.count.max(1) as u64
        );
        Ok(())
    }
}

/// One stream, of which the first heartbeat has come.
async fn open(town: &Town, name: &str) -> Result<Streaming<v1::WatchResponse>, BenchError> {
    let desk = town.desk(name, "bench-listener", StaffRole::DutyOfficer)?;
    let session = desk.agency().session();
    let message = v1::WatchRequest {
        parent: session.name(),
        resume_token: String::new(),
    };
    let request = session.request(Some(desk.staff()), message, 0, None)?;
    let mut client = EventServiceClient::new(session.channel());
    let mut stream = client.watch(request).await?.into_inner();
    let first = stream.message().await?;
    first.ok_or_else(|| BenchError::Call("the stream ended".into()))?;
    Ok(stream)
}
