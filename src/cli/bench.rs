//! `safeconduct bench`: the submit path and the opening against a bare echo, in one run.
//!
//! Everything is real: a router process on the embedded store, mutual TLS, sealed parcels of twelve fields. Calls of
//! the four kinds are measured in turn, round by round, so that ratios hold while the machine's speed drifts.

pub mod audit;
pub mod doorbell;
pub mod echo;
pub mod load;
pub mod process;
pub mod publication;
pub mod report;
pub mod streams;
pub mod subject;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use self::echo::{EchoRequest, EchoServerCommand};
use self::load::{Measured, median, run};
use self::process::{Usage, journal_bytes};
use self::report::{Report, Row, Series};
use self::subject::{BenchError, Calls, Subject};
use crate::demo::town::{ORIGIN, Town, TownOptions};
use crate::proto::v1;

/// Bytes of a reply to `CreateReferral`: names and a receipt. Only the echo's reply length depends on it.
const REPLY_BYTES: usize = 1500;

/// Measure the router, beside a bare echo over the same TLS.
#[derive(Debug, clap::Args)]
pub struct BenchCommand {
    #[command(subcommand)]
    part: Option<Part>,
    /// Calls in flight, one row each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    in_flight: Vec<usize>,
    /// Calls of each kind in each round; fewer at 1 in flight.
    #[arg(long, default_value_t = 4000)]
    calls: usize,
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Referrals to put into the store before measuring.
    #[arg(long, default_value_t = 0)]
    fill: usize,
    /// Print figures for machines only.
    #[arg(long)]
    json: bool,
    /// Folder to work in, kept afterwards; a temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// How soon a recipient hears of a referral.
    Doorbell(doorbell::DoorbellCommand),
    /// What open doorbell streams cost.
    Streams(streams::StreamsCommand),
    /// How much slower referrals are while the log is published under a witness.
    Publication(publication::PublicationCommand),
    /// Serves the bare echo that `bench` compares with.
    #[command(hide = true)]
    EchoServer(EchoServerCommand),
    /// What auditors do: proofs, verify, replay.
    Audit(audit::AuditBench),
}

fn ended(result: Result<(), BenchError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

impl BenchCommand {
    /// Runs it. Exit code 1 when something failed.
    pub async fn run(self) -> ExitCode {
        match self.part {
            None => {}
            Some(Part::EchoServer(server)) => return server.run().await,
            Some(Part::Doorbell(bench)) => return ended(bench.run().await),
            Some(Part::Streams(bench)) => return ended(bench.run().await),
            Some(Part::Publication(bench)) => return ended(bench.run().await),
            Some(Part::Audit(bench)) => return ended(bench.run().await),
        }
        match self.measure().await {
            Ok(report) if self.json => match serde_json::to_string_pretty(&report) {
                Ok(text) => {
                    println!("{text}");
                    ExitCode::SUCCESS
                }
                Err(_) => ExitCode::FAILURE,
            },
            Ok(report) => {
                report.print();
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("bench: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn measure(&self) -> Result<Report, BenchError> {
        let folder = WorkFolder::new(self.dir.clone())?;
        let binary = std::env::current_exe()?;
        let mut options = TownOptions::new(binary.clone(), folder.path.clone());
        options.log_filter = "error".into();
        options
            .members
            .retain(|member| ["alpha", "house1"].contains(&member.id));
        let mut town = Town::start(options).await?;
        let pid = town.router().pid().unwrap_or(0);
        let idle = Usage::of(pid);
        let journal = town.router().store().join("journal");
        let echo = EchoProcess::start(&binary, &mut town, false).await?;
        let verifying = EchoProcess::start(&binary, &mut town, true).await?;
        let subject = Subject::prepare(&town).await?;
        self.fill(&town, &subject).await?;

        let request_bytes = subject.sealed()?.into_request().encoded_len();
        let fdatasync_ms = fdatasync_ms(&folder.path)?;
        let mut rows = Vec::new();
        for &in_flight in &self.in_flight {
            self.say(&format!("measuring at {in_flight} in flight"));
            let point = Point {
                journal: journal.clone(),
                in_flight,
                pid,
                request_bytes,
            };
            let calls = if in_flight == 1 {
                self.calls.min(2000)
            } else {
                self.calls
            };
            rows.push(
                point
                    .row(&town, &subject, &echo, &verifying, calls, self.rounds)
                    .await?,
            );
        }
        Ok(Report {
            filled: self.fill,
            request_bytes,
            reply_bytes: REPLY_BYTES,
            fdatasync_ms,
            rounds: self.rounds,
            idle_resident_kib: idle.resident_kib,
            loaded_resident_kib: Usage::of(pid).resident_kib,
            rows,
        })
    }

    async fn fill(&self, town: &Town, subject: &Subject) -> Result<(), BenchError> {
        const AT_ONCE: usize = 4000;
        let calls = subject.source_calls(town, 64)?;
        let mut left = self.fill;
        while left > 0 {
            let count = left.min(AT_ONCE);
            create(&calls, 64, subject.copies(count)?).await?;
            left -= count;
            self.say(&format!("filled {} of {}", self.fill - left, self.fill));
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }
}

/// One number in flight.
struct Point {
    journal: PathBuf,
    in_flight: usize,
    pid: u32,
    request_bytes: usize,
}

impl Point {
    async fn row(
        &self,
        town: &Town,
        subject: &Subject,
        echo: &EchoProcess,
        verifying: &EchoProcess,
        calls: usize,
        rounds: usize,
    ) -> Result<Row, BenchError> {
        let bare_calls = subject.echo_calls(town, echo.port, self.in_flight)?;
        let verifying_calls = subject.echo_calls(town, verifying.port, self.in_flight)?;
        let source = subject.source_calls(town, self.in_flight)?;
        let recipient = subject.recipient_calls(town, self.in_flight)?;
        let (mut bare, mut checked, mut created, mut opened) = (
            Series::default(),
            Series::default(),
            Series::default(),
            Series::default(),
        );
        let (mut router_us, mut written) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let requests = subject.sealed_many(calls)?;
            bare.add(&self.echo(&bare_calls, calls).await?);
            checked.add(&self.echo(&verifying_calls, calls).await?);
            let journal_before = journal_bytes(&self.journal)?;
            let before = Usage::of(self.pid);
            let (measured, names) = create(&source, self.in_flight, requests).await?;
            let after = Usage::of(self.pid);
            created.add(&measured);
            router_us.push(per(after.processor_ms - before.processor_ms, calls) * 1000.0);
            written.push(per(journal_bytes(&self.journal)? - journal_before, calls));
            let names = names
                .iter()
                .map(|name| subject.recipients_name(name))
                .collect();
            opened.add(&open(&recipient, self.in_flight, names).await?);
        }
        Ok(Row {
            in_flight: self.in_flight,
            echo: bare.figures(),
            echo_verifying: checked.figures(),
            create: created.figures(),
            create_to_echo: created.ratio_to(&bare),
            create_to_echo_verifying: created.ratio_to(&checked),
            open: opened.figures(),
            open_to_echo: opened.ratio_to(&bare),
            router_us_per_create: median(router_us),
            journal_bytes_per_create: median(written),
        })
    }

    async fn echo(&self, calls: &Calls, count: usize) -> Result<Measured, BenchError> {
        let message = EchoRequest {
            payload: vec![0x5a; self.request_bytes].into(),
            reply_bytes: u32::try_from(REPLY_BYTES).unwrap_or(u32::MAX),
        };
        let calls = calls.clone();
        run(self.in_flight, count, move |worker, _| {
            let (calls, message) = (calls.clone(), message.clone());
            async move { calls.echo(worker, message).await }
        })
        .await
    }
}

async fn create(
    calls: &Calls,
    in_flight: usize,
    requests: Vec<v1::CreateReferralRequest>,
) -> Result<(Measured, Vec<String>), BenchError> {
    let count = requests.len();
    let requests: Arc<Vec<_>> = Arc::new(
        requests
            .into_iter()
            .map(|request| std::sync::Mutex::new(Some(request)))
            .collect(),
    );
    let names = Arc::new(std::sync::Mutex::new(Vec::with_capacity(count)));
    let (calls, kept) = (calls.clone(), Arc::clone(&names));
    let measured = run(in_flight, count, move |worker, number| {
        let (calls, requests, names) = (calls.clone(), Arc::clone(&requests), Arc::clone(&kept));
        async move {
            let request = requests
                .get(number)
                .and_then(|slot| slot.lock().ok()?.take())
                .ok_or_else(|| BenchError::Call("a request was taken twice".into()))?;
            let name = calls.create(worker, request).await?;
            if let Ok(mut names) = names.lock() {
                names.push(name);
            }
            Ok::<(), BenchError>(())
        }
    })
    .await?;
    let names = names
        .lock()
        .map(|mut names| std::mem::take(&mut *names))
        .unwrap_or_default();
    Ok((measured, names))
}

async fn open(calls: &Calls, in_flight: usize, names: Vec<String>) -> Result<Measured, BenchError> {
    let (calls, names) = (calls.clone(), Arc::new(names));
    run(in_flight, names.len(), move |worker, number| {
        let (calls, names) = (calls.clone(), Arc::clone(&names));
        async move {
            calls
                .open(worker, names.get(number).cloned().unwrap_or_default())
                .await
        }
    })
    .await
}

#[allow(clippy::cast_precision_loss)]
fn per(total: u64, calls: usize) -> f64 {
    total as f64 / calls.max(1) as f64
}

/// Median time of a 4 KiB overwrite and its `fdatasync` in `folder`: what a lone caller cannot go below.
fn fdatasync_ms(folder: &Path) -> Result<f64, BenchError> {
    let path = folder.join("fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let block = vec![0x5a; 4096];
    for _ in 0..256 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let mut taken = Vec::new();
    for number in 0..200u64 {
        let begun = Instant::now();
        std::os::unix::fs::FileExt::write_all_at(&file, &block, (number % 256) * 4096)?;
        file.sync_data()?;
        taken.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(median(taken))
}

/// The echo in a process of its own; ends with this.
struct EchoProcess {
    port: u16,
    _child: Child,
}

impl EchoProcess {
    async fn start(binary: &Path, town: &mut Town, verify: bool) -> Result<Self, BenchError> {
        let router = town.router().folder().to_owned();
        let mut command = Command::new(binary);
        command.args(["bench", "echo-server", "--trust-domain", ORIGIN]);
        command.arg("--chain").arg(router.join("router.pem"));
        command.arg("--key").arg(router.join("router.key"));
        command.arg("--roots").arg(town.authority().root_file());
        command.arg("--lists").arg(town.authority().lists_file());
        if verify {
            command.arg("--verify-signature");
        }
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| std::io::Error::other("no output"))?;
        let line = BufReader::new(stdout)
            .lines()
            .next_line()
            .await?
            .unwrap_or_default();
        let port = line
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| std::io::Error::other("the echo did not say where it listens"))?;
        Ok(Self {
            port,
            _child: child,
        })
    }
}

/// Where the bench works; removed afterwards unless it was named.
struct WorkFolder {
    path: PathBuf,
    keep: bool,
}

impl WorkFolder {
    fn new(named: Option<PathBuf>) -> Result<Self, BenchError> {
        let keep = named.is_some();
        let path = named.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("safeconduct-bench-{}", uuid::Uuid::new_v4()))
        });
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, keep })
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
