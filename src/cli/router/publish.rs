//! The settings of `[publication]`, put to use.

use super::address;
use crate::cli::exit::Failure;
use crate::cli::home::mended;
use crate::config::{self, Publication};
use crate::exchange::Exchange;
use crate::exchange::publication::{WhenMissing, WitnessLine, WitnessRules};
use crate::grpc::publication::{Publishing, Readers};
use crate::grpc::witness_line::{HttpWitness, WitnessRoots};
use std::sync::Arc;
use tokio::net::TcpListener;

fn wrong(setting: &str, mend: impl std::fmt::Display) -> Failure {
    Failure::Settings(mended(&format!("publication.{setting}: {mend}")))
}

/// Binds the address for readers, if there is one.
pub(super) async fn bind(settings: &Publication) -> Result<Option<Publishing>, Failure> {
    let Some(at) = settings.address else {
        return Ok(None);
    };
    let listener = TcpListener::bind(at)
        .await
        .map_err(|error| address("publication.address", at, &error))?;
    let readers = match settings.checkpoints_and_tiles {
        config::Readers::Members => Readers::Members,
        config::Readers::Public => Readers::Public,
    };
    Ok(Some(Publishing { listener, readers }))
}

/// Under whose eyes it is published, and the ways to them.
pub(in crate::cli) fn under(
    settings: &Publication,
) -> Result<(WitnessRules, Vec<Arc<dyn WitnessLine>>), Failure> {
    let missing = match settings.when_missing {
        config::WhenMissing::Open => WhenMissing::Open,
        config::WhenMissing::Closed => WhenMissing::Closed,
    };
    let vkeys: Vec<String> = settings
        .witnesses
        .iter()
        .map(|witness| witness.vkey.clone())
        .collect();
    let rules = WitnessRules::new(&vkeys, settings.witnesses_required, missing)
        .map_err(|error| wrong("witnesses", error))?;
    let roots = settings.witness_roots_file.as_deref();
    let roots = roots
        .map(WitnessRoots::read)
        .transpose()
        .map_err(|error| wrong("witness_roots_file", error))?;
    let mut lines: Vec<Arc<dyn WitnessLine>> = Vec::new();
    for witness in &settings.witnesses {
        let line = HttpWitness::new(&witness.url, roots.as_ref())
            .map_err(|error| wrong("witnesses", error))?;
        lines.push(Arc::new(line));
    }
    Ok((rules, lines))
}

/// Tells the exchange under whose eyes it publishes, and gives the ways to them.
pub(super) fn witnesses(
    settings: &Publication,
    exchange: &Exchange,
) -> Result<Vec<Arc<dyn WitnessLine>>, Failure> {
    let (rules, lines) = under(settings)?;
    if !lines.is_empty() {
        exchange.publish_under(rules);
    }
    Ok(lines)
}
