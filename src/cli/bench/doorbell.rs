//! How long after the receipt of a referral its recipient hears the doorbell.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::WorkFolder;
use super::subject::{BenchError, Subject};
use crate::client::watch::Doorbell;
use crate::demo::town::{Town, TownOptions};
use crate::domain::vocabulary::StaffRole;

/// How long a doorbell may take: past this something is broken.
const RING_MAX: Duration = Duration::from_secs(10);

/// Measure how soon a recipient hears of a referral.
#[derive(Debug, clap::Args)]
pub struct DoorbellCommand {
    /// Referrals, one after another.
    #[arg(long, default_value_t = 1000)]
    count: usize,
}

/// From the receipt in the source's hands to the event in the recipient's, in microseconds; sorted.
struct Heard(Vec<i64>);

impl Heard {
    fn at(&self, share: usize) -> i64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * share / 100).copied().unwrap_or_default()
    }
}

impl DoorbellCommand {
    /// Measures and prints.
    ///
    /// # Errors
    ///
    /// [`BenchError`].
    pub async fn run(&self) -> Result<(), BenchError> {
        let folder = WorkFolder::new(None)?;
        let mut options = TownOptions::new(std::env::current_exe()?, folder.path.clone());
        options.log_filter = "error".into();
        options
            .members
            .retain(|member| ["alpha", "house1"].contains(&member.id));
        let town = Town::start(options).await?;
        let heard = self.measure(&town).await?;
        let early = heard.0.iter().filter(|micros| **micros < 0).count();
        println!("doorbells              {}", heard.0.len());
        println!("before the receipt     {early}");
        println!("after it, p50          {} us", heard.at(50));
        println!("after it, p99          {} us", heard.at(99));
        Ok(())
    }

    async fn measure(&self, town: &Town) -> Result<Heard, BenchError> {
        let subject = Subject::prepare(town).await?;
        let source = subject.source_calls(town, 1)?;
        let desk = town.desk("house1", "bench-listener", StaffRole::Intake)?;
        let mut bells = desk.watch(String::new());
        // The first says that the stream stands.
        bells.next().await?;
        let (rung, mut rings) = mpsc::unbounded_channel();
        let listener = tokio::spawn(async move {
            while let Ok(bell) = bells.next().await {
                if let Doorbell::Ring { resource, .. } = bell
                    && rung.send((resource, Instant::now())).is_err()
                {
                    return;
                }
            }
        });
        let mut heard = Vec::with_capacity(self.count);
        for request in subject.sealed_many(self.count)? {
            let name = source.create(0, request).await?;
            let receipt = Instant::now();
            let name = subject.recipients_name(&name);
            let ring = tokio::time::timeout(RING_MAX, async {
                loop {
                    match rings.recv().await {
                        Some((resource, at)) if resource == name => return Some(at),
                        Some(_) => {}
                        None => return None,
                    }
                }
            });
            let at = ring.await.ok().flatten();
            let at = at.ok_or_else(|| BenchError::Call("no doorbell came".into()))?;
            let micros = |from: Instant, to: Instant| {
                i64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(i64::MAX)
            };
            heard.push(micros(receipt, at) - micros(at, receipt));
        }
        listener.abort();
        heard.sort_unstable();
        Ok(Heard(heard))
    }
}
