//! What publication costs those who refer: two routers, one of which publishes under a witness, in turn, round by
//! round.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::load::median;
use super::subject::{BenchError, Calls, Subject};
use super::{WorkFolder, create};
use crate::demo::town::{Town, TownOptions};

/// Measure how much slower referrals are while the log is published under a witness.
#[derive(Debug, clap::Args)]
pub struct PublicationCommand {
    /// Calls in flight.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Calls in each round.
    #[arg(long, default_value_t = 3000)]
    calls: usize,
    /// Rounds of each; figures are medians over them.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// One router and those who call it.
struct Side {
    // Ends with the side.
    _town: Town,
    subject: Subject,
    calls: Calls,
    rates: Vec<f64>,
}

impl Side {
    async fn new(town: Town, in_flight: usize) -> Result<Self, BenchError> {
        let subject = Subject::prepare(&town).await?;
        let calls = subject.source_calls(&town, in_flight)?;
        Ok(Self {
            _town: town,
            subject,
            calls,
            rates: Vec::new(),
        })
    }

    async fn round(&mut self, in_flight: usize, calls: usize) -> Result<f64, BenchError> {
        let requests = self.subject.sealed_many(calls)?;
        let (measured, _) = create(&self.calls, in_flight, requests).await?;
        Ok(measured.rate())
    }
}

impl PublicationCommand {
    /// Measures and prints.
    ///
    /// # Errors
    ///
    /// [`BenchError`].
    pub async fn run(&self) -> Result<(), BenchError> {
        let folder = WorkFolder::new(None)?;
        let mut options = TownOptions::new(std::env::current_exe()?, folder.path.join("off"));
        options.log_filter = "error".into();
        options
            .members
            .retain(|member| ["alpha", "house1"].contains(&member.id));
        let off = Town::start(options.clone()).await?;
        options.folder = folder.path.join("on");
        options.publication = Some(String::new());
        let mut on = Town::start(options).await?;
        let log_key = on.router().log_key().to_owned();
        let witness = WitnessProcess::start(&folder.path.join("witness"), &log_key).await?;
        on.router().publish(&witness.settings)?;
        on.restart()?;

        let (mut off, mut on) = (
            Side::new(off, self.in_flight).await?,
            Side::new(on, self.in_flight).await?,
        );
        let mut ratios = Vec::new();
        for round in 0..=self.rounds {
            // Each is first as often as it is second.
            let (slow, fast) = if round % 2 == 0 {
                let without = off.round(self.in_flight, self.calls).await?;
                (on.round(self.in_flight, self.calls).await?, without)
            } else {
                let with = on.round(self.in_flight, self.calls).await?;
                (with, off.round(self.in_flight, self.calls).await?)
            };
            // The first round warms both.
            if round > 0 {
                println!("round {round}: without {fast:.0}/s, with {slow:.0}/s");
                on.rates.push(slow);
                off.rates.push(fast);
                ratios.push(slow / fast);
            }
        }
        println!("without publication    {:.0}/s", median(off.rates));
        println!("with one witness       {:.0}/s", median(on.rates));
        println!("ratio                  {:.3}", median(ratios));
        Ok(())
    }
}

/// A witness in a process of its own.
struct WitnessProcess {
    /// For `[publication]` of the router that it knows.
    settings: String,
    // Ends with this.
    _child: Child,
}

impl WitnessProcess {
    async fn start(folder: &std::path::Path, log_key: &str) -> Result<Self, BenchError> {
        let binary = std::env::current_exe()?;
        let made = Command::new(&binary)
            .args([
                "witness",
                "init",
                "--name",
                "witness.example/bench",
                "--folder",
            ])
            .arg(folder)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        let vkey = said.trim_end().strip_prefix("vkey ");
        let vkey = vkey.ok_or_else(|| BenchError::Call("no witness was made".into()))?;
        std::fs::write(folder.join("logs/log.vkey"), format!("{log_key}\n"))?;
        let mut child = Command::new(&binary)
            .args(["witness", "run", "--listen", "127.0.0.1:0", "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take();
        let out = out.ok_or_else(|| BenchError::Call("the witness says nothing".into()))?;
        let line = BufReader::new(out).lines().next_line().await?;
        let line = line.unwrap_or_default();
        let address = line.strip_prefix("listening on ");
        let address = address.ok_or_else(|| BenchError::Call("the witness ended".into()))?;
        Ok(Self {
            settings: format!(
                "witnesses_required = 1\nwhen_missing = \"closed\"\n[[publication.witnesses]]\n\
                 vkey = \"{vkey}\"\nurl = \"http://{address}\"\n"
            ),
            _child: child,
        })
    }
}
