//! The statements that this agency signed: bases and withdrawals, kept so that they can be brought again to a router
//! that was restored from a backup.
//!
//! One line each, appended and synced before the statement is sent. A line that was cut by a crash is of a statement
//! that was never sent.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::{AgencyKeys, KeyFileError, write_private};
use crate::domain::basis::BASIS_MAX;
use crate::domain::id::BasisChainId;
use crate::domain::time::Timestamp;

/// Its file in the key folder.
const KEPT_FILE: &str = "statements";

/// What a kept statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptKind {
    /// A basis statement.
    Basis,
    /// A withdrawal.
    Withdrawal,
}

impl KeptKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Basis => "basis",
            Self::Withdrawal => "withdrawal",
        }
    }
}

/// A statement that this agency signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStatement {
    /// Its chain.
    pub chain: BasisChainId,
    /// Its number in the chain.
    pub sequence: u64,
    /// What it is.
    pub kind: KeptKind,
    /// When it was signed.
    pub signed: Timestamp,
    /// Compact JWS.
    pub token: Vec<u8>,
}

type Place = (String, u64);

impl AgencyKeys {
    /// Keeps a statement, before it is sent.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when it cannot be written; then it must not be sent.
    pub fn keep(&self, statement: &KeptStatement) -> Result<(), KeyFileError> {
        let token = std::str::from_utf8(&statement.token);
        let token = token.map_err(|_| KeyFileError::Damaged(KEPT_FILE))?;
        let (kind, signed) = (statement.kind.word(), statement.signed.millis());
        let (chain, sequence) = (statement.chain, statement.sequence);
        self.append(&format!("{kind} {chain} {sequence} {signed} {token}\n"))
    }

    /// Forgets a statement that the router refused: nobody may think later that it was given.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when that cannot be written.
    pub fn keep_refused(&self, chain: BasisChainId, sequence: u64) -> Result<(), KeyFileError> {
        self.append(&format!("refused {chain} {sequence}\n"))
    }

    fn append(&self, line: &str) -> Result<(), KeyFileError> {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.folder.join(KEPT_FILE))?;
        // One write: lines of several tasks never mix. A line that a crash cut ends before this one.
        file.write_all(format!("\n{line}").as_bytes())?;
        file.sync_data()?;
        Ok(())
    }

    /// Every statement that was kept and not refused, by chain and number.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when they cannot be read.
    pub fn kept(&self) -> Result<Vec<KeptStatement>, KeyFileError> {
        let text = match fs::read_to_string(self.folder.join(KEPT_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut kept: BTreeMap<Place, KeptStatement> = BTreeMap::new();
        for line in text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .filter(|line| !line.is_empty())
        {
            match parse(line) {
                Some(Line::Kept(statement)) => {
                    let place = (statement.chain.to_string(), statement.sequence);
                    kept.insert(place, statement);
                }
                Some(Line::Refused(place)) => {
                    kept.remove(&place);
                }
                // A crash cut it, and nothing was sent.
                None => tracing::warn!("a line of the kept statements cannot be read"),
            }
        }
        Ok(kept.into_values().collect())
    }

    /// Forgets the chains whose newest statement is older than any basis lasts; gives how many statements are left.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when the file cannot be read or written.
    pub fn forget_ended(&self, now: Timestamp) -> Result<usize, KeyFileError> {
        let kept = self.kept()?;
        let mut newest: BTreeMap<String, Timestamp> = BTreeMap::new();
        for statement in &kept {
            let at = newest
                .entry(statement.chain.to_string())
                .or_insert(statement.signed);
            *at = statement.signed.max(*at);
        }
        let lives = |statement: &&KeptStatement| {
            let newest = newest.get(&statement.chain.to_string());
            newest.is_some_and(|at| now < at.plus(BASIS_MAX))
        };
        let living: Vec<&KeptStatement> = kept.iter().filter(lives).collect();
        if living.len() < kept.len() {
            let mut text = Vec::new();
            for statement in &living {
                let (kind, signed) = (statement.kind.word(), statement.signed.millis());
                let (chain, sequence) = (statement.chain, statement.sequence);
                text.extend_from_slice(format!("{kind} {chain} {sequence} {signed} ").as_bytes());
                text.extend_from_slice(&statement.token);
                text.push(b'\n');
            }
            write_private(&self.folder.join(KEPT_FILE), &text)?;
        }
        Ok(living.len())
    }
}

enum Line {
    Kept(KeptStatement),
    Refused(Place),
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let chain: BasisChainId = words.next()?.parse().ok()?;
    let sequence = words.next()?.parse().ok()?;
    let kind = match kind {
        "basis" => KeptKind::Basis,
        "withdrawal" => KeptKind::Withdrawal,
        "refused" => return Some(Line::Refused((chain.to_string(), sequence))),
        _ => return None,
    };
    let signed = Timestamp::from_millis(words.next()?.parse().ok()?)?;
    let token = words.next()?.as_bytes().to_vec();
    words.next().is_none().then_some(Line::Kept(KeptStatement {
        chain,
        sequence,
        kind,
        signed,
        token,
    }))
}
