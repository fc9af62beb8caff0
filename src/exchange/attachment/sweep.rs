//! What nobody finished, and files that nothing points at.

use super::{broken, is_erased};
use crate::domain::attachment::UNFINISHED_MAX;
use crate::exchange::offer::view::OfferView;
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::{Exchange, Refusal};
use crate::storage::engine::{Table, Write};
use crate::storage::records::attachment::AttachmentRecord;
use crate::storage::records::{self, key};
use std::sync::Arc;

/// Rows looked at in one step.
const STEP_MAX: usize = 64;

/// Forgets one upload that was not finished in time.
fn prepare_forget(snapshot: &mut Snapshot<'_>, row: &[u8]) -> Result<Prepared<()>, Refusal> {
    let parts = key::split_unfinished(row);
    let (_, at) = parts.ok_or_else(|| records::corrupt(Table::Unfinished))?;
    let (offer, attachment) =
        key::split_attachment(&at).ok_or_else(|| records::corrupt(Table::Unfinished))?;
    let record = snapshot.get::<AttachmentRecord>(at.clone())?;
    let offer = OfferView::load(snapshot, offer)?;
    let mut change = snapshot.change();
    change.writes.push(Write::Delete {
        table: Table::Unfinished,
        key: row.to_vec(),
    });
    if record.is_some_and(|record| !record.complete) {
        change.writes.push(Write::Delete {
            table: Table::Attachment,
            key: at.clone(),
        });
        change.writes.push(Write::Erase {
            table: Table::AttachmentKey,
            key: at,
        });
        if let Some(mut offer) = offer {
            let id = attachment.as_bytes();
            offer.record.attachments.retain(|other| other != id);
            change.writes.push(offer.put(snapshot.now, false));
        }
    }
    Ok(Prepared::New(change, (), Vec::new()))
}

impl Exchange {
    /// Forgets uploads that were not finished in a day, and unlinks files that have no key any more; gives how many
    /// files went.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn sweep_attachments(&self) -> Result<usize, Refusal> {
        loop {
            let due = self.read(|snapshot| {
                let rows = snapshot.scan(Table::Unfinished, b"", None, STEP_MAX)?;
                let is_due = |row: &Vec<u8>| {
                    key::split_unfinished(row)
                        .is_none_or(|(begun, _)| begun.plus(UNFINISHED_MAX) <= snapshot.now)
                };
                let rows = rows.into_iter().map(|(row, _)| row);
                Ok(rows.take_while(is_due).collect::<Vec<_>>())
            });
            let due = due.await?;
            if due.is_empty() {
                break;
            }
            for row in due {
                let step = move |snapshot: &mut Snapshot<'_>| prepare_forget(snapshot, &row);
                let _ = self.perform(step).await?;
            }
        }
        let shared = Arc::clone(&self.shared);
        let swept = tokio::task::spawn_blocking(move || {
            let attachments = &shared.attachments;
            let mut swept = 0;
            for row in attachments.files.ids().map_err(|error| broken(&error))? {
                // A file gets its name after its key is durable, so one without a key is nobody's.
                if is_erased(&shared, &row)? && !attachments.is_written(&row) {
                    attachments
                        .files
                        .remove(&row)
                        .map_err(|error| broken(&error))?;
                    swept += 1;
                }
            }
            Ok(swept)
        });
        swept.await.map_err(|_| Refusal::Internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AttachmentId;
    use crate::exchange::tests::town::Town;
    use crate::storage::records::Record as _;
    use crate::storage::records::attachment::{AttachmentKeyRecord, UnfinishedRecord};
    use std::time::Duration;

    const CHUNK: usize = 64;

    /// Invariant 25: what nobody finishes, and what nothing points at, does not stay on the disk.
    #[tokio::test]
    async fn unfinished_uploads_and_orphans_are_swept() {
        let town = Town::begin().await;
        let offer = town.refer(&["north"]).await.remove(0).offer;
        let at = key::attachment(offer, AttachmentId::from_random([4; 16]));
        let row = at.clone();
        let begin = move |snapshot: &mut Snapshot<'_>| {
            let mut offer = OfferView::load(snapshot, offer)?.ok_or(Refusal::NotFound)?;
            offer.record.attachments.push(vec![4; 16]);
            let secret = AttachmentKeyRecord { key: vec![7; 32] };
            let mut change = snapshot.change();
            change.writes = vec![
                AttachmentRecord::default().put(row.clone()),
                secret.put(row.clone()),
                UnfinishedRecord {}.put(key::unfinished(snapshot.now, &row)),
                offer.put(snapshot.now, false),
            ];
            Ok(Prepared::New(change, (), Vec::new()))
        };
        let _ = town.exchange.perform(begin).await.expect("begun");
        let files = &town.exchange.shared.attachments.files;
        for id in [at.clone(), vec![9; 32]] {
            let mut upload = files.upload(&id, &[7; 32], CHUNK).expect("a file");
            upload.append(&[1; CHUNK]).expect("written");
        }
        let swept = town.exchange.sweep_attachments().await.expect("swept");
        assert_eq!(swept, 1, "the one without a key");
        assert_eq!(files.kept(&at, &[7; 32], CHUNK).expect("readable"), 1);
        town.clock.pass(UNFINISHED_MAX - Duration::from_secs(1));
        town.exchange.sweep_attachments().await.expect("swept");
        assert_eq!(files.ids().expect("readable"), std::slice::from_ref(&at));
        town.clock.pass(Duration::from_secs(1));
        town.exchange.sweep_attachments().await.expect("swept");
        assert!(
            files.ids().expect("readable").is_empty(),
            "not finished in a day"
        );
        let left = town.exchange.read(move |snapshot| {
            let offer = OfferView::load(snapshot, offer)?.ok_or(Refusal::NotFound)?;
            let record = snapshot.peek::<AttachmentRecord>(&at)?;
            Ok((offer.record.attachments.len(), record.is_some()))
        });
        assert_eq!(left.await.expect("readable"), (0, false));
    }
}
