//! Alerts: who was told that a human must look, and who took it.

use super::{Act, Problem};
use crate::domain::id::{AgencyId, AlertId};
use crate::domain::vocabulary::AlertKind;
use crate::ledger::entry::Actor;
use std::collections::HashMap;

/// Alerts that nobody has taken yet, by id.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    open: HashMap<AlertId, AgencyId>,
}

impl Alerts {
    pub(super) fn raised(
        &mut self,
        act: Act<'_>,
        alert: &str,
        viewer: &str,
        kind: &str,
    ) -> Result<(), Problem> {
        if *act.by != Actor::Router {
            return Err(Problem::Actor);
        }
        let _kind: AlertKind = kind.parse().map_err(|_| Problem::Decision)?;
        let alert = alert.parse().map_err(|_| Problem::Decision)?;
        let viewer = viewer.parse().map_err(|_| Problem::Decision)?;
        match self.open.insert(alert, viewer) {
            None => Ok(()),
            Some(_) => Err(Problem::Alert),
        }
    }

    pub(super) fn acknowledged(&mut self, act: Act<'_>, alert: &str) -> Result<(), Problem> {
        let alert: AlertId = alert.parse().map_err(|_| Problem::Decision)?;
        let viewer = self.open.get(&alert).ok_or(Problem::Alert)?;
        act.by(viewer)?;
        self.open.remove(&alert);
        Ok(())
    }
}
