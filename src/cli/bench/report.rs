//! The figures as a table of 80 columns, and for machines.

use serde::Serialize;

use super::load::{Measured, median};

/// One kind of call at one number in flight: a figure per round.
#[derive(Debug, Default)]
pub struct Series {
    rates: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Series {
    /// Adds a round.
    pub fn add(&mut self, measured: &Measured) {
        self.rates.push(measured.rate());
        self.p50_ms.push(measured.quantile_ms(0.5));
        self.p99_ms.push(measured.quantile_ms(0.99));
    }

    /// Medians over the rounds.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            calls_per_second: median(self.rates.clone()),
            p50_ms: median(self.p50_ms.clone()),
            p99_ms: median(self.p99_ms.clone()),
        }
    }

    /// Median of the rates, round by round, as a share of another series' rates.
    #[must_use]
    pub fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.rates.iter().zip(&other.rates);
        median(
            pairs
                .map(|(own, others)| own / others.max(f64::EPSILON))
                .collect(),
        )
    }
}

/// Medians.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Calls a second.
    pub calls_per_second: f64,
    /// Median latency, milliseconds.
    pub p50_ms: f64,
    /// Latency that 99 of 100 calls did not exceed, milliseconds.
    pub p99_ms: f64,
}

/// One row: all four calls at one number in flight.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Calls in flight.
    pub in_flight: usize,
    /// Bare echo with messages as long as `CreateReferral`'s.
    pub echo: Figures,
    /// The same echo with one ES256 verification.
    pub echo_verifying: Figures,
    /// Durable `CreateReferral`.
    pub create: Figures,
    /// Rate of `CreateReferral` as a share of the bare echo's.
    pub create_to_echo: f64,
    /// Rate of `CreateReferral` as a share of the verifying echo's.
    pub create_to_echo_verifying: f64,
    /// Durable `OpenParcel`.
    pub open: Figures,
    /// Rate of `OpenParcel` as a share of an echo of its own message sizes, estimated by the bare echo's.
    pub open_to_echo: f64,
    /// Router processor time, microseconds a `CreateReferral`.
    pub router_us_per_create: f64,
    /// Bytes of the journal, a `CreateReferral`.
    pub journal_bytes_per_create: f64,
}

/// All of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Referrals in the store before the first measured call.
    pub filled: usize,
    /// Bytes of a `CreateReferral` request and of its reply.
    pub request_bytes: usize,
    /// Bytes of the reply.
    pub reply_bytes: usize,
    /// 4 KiB write and `fdatasync` in the same folder, median in milliseconds.
    pub fdatasync_ms: f64,
    /// Rounds that each figure is the median of.
    pub rounds: usize,
    /// Resident memory of the router with no load yet, KiB.
    pub idle_resident_kib: u64,
    /// Resident memory of the router after the load, KiB.
    pub loaded_resident_kib: u64,
    /// By calls in flight.
    pub rows: Vec<Row>,
}

impl Report {
    /// Prints the table.
    pub fn print(&self) {
        println!(
            "\n{} rounds, medians; request {} B, reply {} B; {} referrals in the store before",
            self.rounds, self.request_bytes, self.reply_bytes, self.filled
        );
        println!(
            "4 KiB + fdatasync {:.2} ms; router {} MiB idle, {} MiB after the load\n",
            self.fdatasync_ms,
            self.idle_resident_kib / 1024,
            self.loaded_resident_kib / 1024
        );
        println!(
            "{:>9}  {:<22}{:>9}{:>10}{:>10}{:>9}",
            "in flight", "call", "per s", "p50 ms", "p99 ms", "of echo"
        );
        for row in &self.rows {
            let line = |label: &str, figures: &Figures, share: Option<f64>, first: bool| {
                let in_flight = if first {
                    row.in_flight.to_string()
                } else {
                    String::new()
                };
                let share = share.map_or(String::new(), |share| format!("{share:.2}"));
                println!(
                    "{in_flight:>9}  {label:<22}{:>9.0}{:>10.2}{:>10.2}{share:>9}",
                    figures.calls_per_second, figures.p50_ms, figures.p99_ms
                );
            };
            let verifying =
                row.echo_verifying.calls_per_second / row.echo.calls_per_second.max(f64::EPSILON);
            line("echo", &row.echo, None, true);
            line(
                "echo + ES256 check",
                &row.echo_verifying,
                Some(verifying),
                false,
            );
            line(
                "CreateReferral",
                &row.create,
                Some(row.create_to_echo),
                false,
            );
            line("OpenParcel", &row.open, Some(row.open_to_echo), false);
            println!(
                "           CreateReferral: {:.2} of the checking echo; router {:.0} us, journal {:.0} B",
                row.create_to_echo_verifying,
                row.router_us_per_create,
                row.journal_bytes_per_create
            );
        }
    }
}
