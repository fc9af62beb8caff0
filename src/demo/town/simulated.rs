//! A town whose time is simulated: the real router, served within this process by a clock that the town moves.
//!
//! Everything but the clock is real: TLS, the store and its syncs, the gate, the log. The router's own housekeeping is
//! done at each step of the clock, in the order in which a process would have done it, so that days pass in moments.
//! The program offers no way to run a router like this: a served router reads the machine's clock.

mod router;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::authority::TownAuthority;
use super::files::{administrator, make_folder, pin};
use super::members::MemberSpec;
use super::{ORIGIN, PROTOCOL, Town, TownError};
use crate::client::retry::RetryPolicy;
use crate::client::session::{Clock, system_clock};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;
use crate::exchange::clock::{Clock as _, MockClock};
use crate::exchange::housekeeping::DUE_EVERY;

pub use router::SimulatedRouter;

/// How old a mirror may grow while time passes before it is taken again: as agents do at each hour's digest.
const MIRROR_EVERY: Duration = Duration::from_secs(60 * 60);

/// A longer passage than this goes by in steps of [`LONG_STEP`].
const LONG: Duration = Duration::from_secs(6 * 60 * 60);

/// The minute is the finest that anything is promised to.
const LONG_STEP: Duration = Duration::from_secs(60);

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How to build a simulated town.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Folder to build in, made if it is not there; must be empty.
    pub folder: PathBuf,
    /// The agencies, besides the operator.
    pub members: Vec<MemberSpec>,
    /// The agency whose duty officer is rung when nobody else acts; one of the members.
    pub duty_line: &'static str,
    /// When it begins.
    pub begins: Timestamp,
    /// How patient the agencies are, in real time.
    pub policy: RetryPolicy,
}

/// The next moment at which clocks in UTC show `hour`:`minute`.
///
/// Never in the past: certificates are checked by the machine's clock as well, at handshakes.
#[must_use]
pub fn next(hour: u8, minute: u8) -> Timestamp {
    let now = system_clock()().seconds();
    let wanted = (i64::from(hour) * 60 + i64::from(minute)) * 60;
    let today = now - now.rem_euclid(DAY_SECONDS) + wanted;
    let at = if today > now {
        today
    } else {
        today + DAY_SECONDS
    };
    Timestamp::from_seconds(at).unwrap_or(Timestamp::MAX)
}

/// The shipped protocol, in which the members have agreed on a duty line.
fn with_duty_line(agency: &str) -> String {
    const GROUPS: &str = "[groups.recipients]";
    let duty = format!("[duty]\nline = \"{agency}\"\n\n{GROUPS}");
    PROTOCOL.replacen(GROUPS, &duty, 1)
}

/// The simulated clock, as agencies are handed it.
fn clock_of(mock: &Arc<MockClock>) -> Clock {
    let mock = Arc::clone(mock);
    Arc::new(move || mock.wall())
}

impl Town<SimulatedRouter> {
    /// Builds the town as [`Town::start`] does, by a clock of its own.
    ///
    /// Must be called within a tokio runtime that lives as long as the town.
    ///
    /// # Errors
    ///
    /// [`TownError`] at the first thing that fails.
    pub async fn simulated(simulation: &Simulation) -> Result<Self, TownError> {
        let folder = simulation.folder.clone();
        make_folder(&folder)?;
        let mock = Arc::new(MockClock::at(simulation.begins));
        let clock = clock_of(&mock);
        // Agencies check the router's certificate by the machine's clock.
        let mut authority = TownAuthority::create(&folder.join("ca"), ORIGIN)?;
        let administrators = [administrator(&folder, 1)?, administrator(&folder, 2)?];
        let router = SimulatedRouter::begin(&folder, &mut authority, mock, &administrators).await?;
        authority.date_by(clock.clone());
        let trust = pin(&folder, &authority, &administrators, router.log_key())?;
        let mut town = Self {
            folder,
            policy: simulation.policy,
            receipts: false,
            clock,
            authority,
            router,
            trust,
            administrators,
            agencies: BTreeMap::new(),
        };
        let protocol = with_duty_line(simulation.duty_line);
        town.settle(&simulation.members, &protocol).await?;
        town.mirror().await?;
        Ok(town)
    }

    /// What the town's clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The router, to look into its folder.
    #[must_use]
    pub const fn router(&self) -> &SimulatedRouter {
        &self.router
    }

    /// Lets time pass, step by step: whatever falls due meanwhile happens in its order. Gives how much that was.
    ///
    /// While the router is stopped only the clock moves.
    ///
    /// # Errors
    ///
    /// [`TownError`] when the router could not keep house.
    pub async fn pass(&mut self, by: Duration) -> Result<usize, TownError> {
        let until = self.now().plus(by);
        let step = if by > LONG { LONG_STEP } else { DUE_EVERY };
        let mut mirrored = self.now();
        let mut done = 0;
        while self.now() < until {
            let left = millis_between(self.now(), until);
            done += self.router.step(step.min(left)).await?;
            if self.router.is_running() && self.router.lists_half_aged() {
                self.authority.publish_lists()?;
                self.router.reload().await?;
            }
            if self.router.is_running() && millis_between(mirrored, self.now()) >= MIRROR_EVERY {
                mirrored = self.now();
                // Between two acts nobody seals; the last mirror is what the next act needs.
                if millis_between(mirrored, until) < MIRROR_EVERY {
                    self.mirror().await?;
                }
            }
        }
        Ok(done)
    }

    /// Lets time pass until `at`; nothing if that is past.
    ///
    /// # Errors
    ///
    /// As [`Town::pass`].
    pub async fn pass_until(&mut self, at: Timestamp) -> Result<usize, TownError> {
        let by = millis_between(self.now(), at);
        self.pass(by).await
    }

    /// Does what is due at this moment, without moving the clock.
    ///
    /// # Errors
    ///
    /// As [`Town::pass`].
    pub async fn settle_due(&mut self) -> Result<usize, TownError> {
        self.router.step(Duration::ZERO).await
    }

    /// Stops the router, as an operator would; its store and address stay.
    ///
    /// # Errors
    ///
    /// [`TownError::Router`] when it did not end well.
    pub async fn stop_router(&mut self) -> Result<(), TownError> {
        self.router.stop().await
    }

    /// Starts the router again: first of all it does what fell due while it was away, in order.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn start_router(&mut self) -> Result<(), TownError> {
        // The authority went on meanwhile: a router does not start on stale lists.
        self.authority.publish_lists()?;
        self.router.start().await?;
        self.router.step(Duration::ZERO).await?;
        self.mirror().await
    }

    /// Has every agency mirror the directory.
    ///
    /// # Errors
    ///
    /// [`TownError::Client`].
    pub async fn mirror(&self) -> Result<(), TownError> {
        for agency in self.agencies.values() {
            agency
                .desk("mirror", StaffRole::Administrator)?
                .mirror()
                .await?;
        }
        Ok(())
    }
}

/// How long from one moment to a later one; nothing if it is not later.
fn millis_between(from: Timestamp, until: Timestamp) -> Duration {
    let millis = until.millis().saturating_sub(from.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
