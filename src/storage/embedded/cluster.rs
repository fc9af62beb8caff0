//! Where rows of random ids lie in the index: those made together lie together.
//!
//! Ids that the router gives out must tell nothing of their order, so rows under them are spread over the whole index,
//! and each new one would read and write a page of its own, the more the larger the store. So an id is a block cipher's
//! image of the moment at which it was made: to everybody else 128 random bits, to this store a
//! place in time. The index
//! keeps rows under what the id deciphers to; the journal and all callers know the id alone. An id
//! that was not made here
//! deciphers to a random place, which costs a page and is as right.

use std::ops::Range;
use std::time::SystemTime;

use aws_lc_rs::cipher::{
    AES_128, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};

use super::frame::sha256;
use crate::storage::engine::{StorageError, Table};

const ID_BYTES: usize = 16;

/// Bytes of milliseconds since the epoch at the front of a block: enough for 8,900 years.
const TIME_BYTES: usize = 6;

/// Turns ids into places and back.
pub(super) struct Cluster {
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
}

impl Cluster {
    /// Of one store. The key is as secret as the store's folder, where the times stand anyway.
    pub(super) fn of(store: &[u8; 16]) -> Cluster {
        let digest = sha256(&[b"safeconduct/v1/cluster\0".as_slice(), store].concat());
        let (secret, _) = digest.split_at(ID_BYTES);
        let key = || {
            UnboundCipherKey::new(&AES_128, secret).expect("a digest's half is as long as a key")
        };
        Cluster {
            encrypting: EncryptingKey::ecb(key()).expect("AES has a mode of single blocks"),
            decrypting: DecryptingKey::ecb(key()).expect("AES has a mode of single blocks"),
        }
    }

    /// An id that nobody can foresee, whose rows will lie beside those of ids made at about the same time.
    pub(super) fn fresh_id(&self) -> Result<[u8; ID_BYTES], StorageError> {
        let failed = || StorageError::Failed("no randomness".to_owned());
        let mut block = [0; ID_BYTES];
        aws_lc_rs::rand::fill(&mut block).map_err(|_| failed())?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis() as u64;
        let time = millis.to_be_bytes();
        let (_, low) = time.split_at(time.len() - TIME_BYTES);
        block
            .iter_mut()
            .zip(low)
            .for_each(|(byte, of_time)| *byte = *of_time);
        self.encrypting.encrypt(&mut block).map_err(|_| failed())?;
        Ok(block)
    }

    /// A key as callers know it, to the row that the index keeps.
    pub(super) fn inward(&self, mut row: Vec<u8>) -> Vec<u8> {
        if let Some(id) = id_of(&row).and_then(|place| row.get_mut(place)) {
            self.decrypting
                .decrypt(id, DecryptionContext::None)
                .expect("an id is one block");
        }
        row
    }

    /// A row of the index, to the key as callers know it.
    pub(super) fn outward(&self, mut row: Vec<u8>) -> Vec<u8> {
        if let Some(id) = id_of(&row).and_then(|place| row.get_mut(place)) {
            self.encrypting.encrypt(id).expect("an id is one block");
        }
        row
    }
}

/// Where the id stands in a row of a table whose ids the router makes; `None` elsewhere, and in a prefix without one.
fn id_of(row: &[u8]) -> Option<Range<usize>> {
    const OFFER: u8 = Table::Offer as u8;
    const PARCEL: u8 = Table::Parcel as u8;
    const CONTENT: u8 = Table::ParcelContent as u8;
    const REFERRAL: u8 = Table::Referral as u8;
    let begin = match *row.first()? {
        OFFER | PARCEL | CONTENT => 1,
        // After the agency, which a zero byte ends.
        REFERRAL => 1 + row.iter().skip(1).position(|&byte| byte == 0)? + 1,
        _ => return None,
    };
    let end = begin + ID_BYTES;
    (end <= row.len()).then_some(begin..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_made_one_after_the_other_lie_together_and_look_like_nothing() {
        let cluster = Cluster::of(&[7; 16]);
        let ids: Vec<_> = (0..200)
            .map(|_| cluster.fresh_id().expect("an id"))
            .collect();
        let row = |id: &[u8; 16]| [&[Table::Offer as u8], id.as_slice()].concat();
        let places: Vec<_> = ids.iter().map(|id| cluster.inward(row(id))).collect();
        // The first four bytes of a time last 65 s; a run that crosses the end of them has two.
        let mut fronts: Vec<_> = places.iter().map(|place| &place[1..5]).collect();
        fronts.dedup();
        assert!(fronts.len() <= 2);
        let mut shown: Vec<_> = ids.iter().map(|id| id[0]).collect();
        shown.sort_unstable();
        shown.dedup();
        assert!(shown.len() > 60, "ids share their first byte");
        let other = Cluster::of(&[8; 16]);
        assert_ne!(other.inward(row(&ids[0]))[1..5], places[0][1..5]);
    }

    proptest! {
        #[test]
        fn every_row_comes_back_as_it_went_in(
            table in prop::sample::select(vec![30_u8, 31, 40, 41, 42, 70]),
            rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let cluster = Cluster::of(&[3; 16]);
            let row = [&[table], rest.as_slice()].concat();
            let inward = cluster.inward(row.clone());
            prop_assert_eq!(inward.len(), row.len());
            // The agency in front stays as it is, so that scans under it find it.
            prop_assert_eq!(cluster.outward(inward), row);
        }
    }
}
