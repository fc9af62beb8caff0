//! One request past the door, taken apart; and what its reply is built from.

use super::body_hash::body_hash;
use super::convert;
use super::door::Method;
use super::fields::Fields;
use super::status::{self, Answer};
use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::exchange::{Exchange, Receipt, Refusal, Requested};
use crate::identity::caller::Caller;
use crate::proto::v1 as proto;
use http::Extensions;
use tonic::{Request, Status};

/// Header in which a caller names the size of the log that it has verified, to get a consistency proof in receipts.
pub const KNOWN_SIZE_HEADER: &str = "safeconduct-known-size";

/// Who calls which method, and what of the log they know.
#[derive(Debug)]
pub struct Call {
    caller: Caller,
    about: About,
}

/// What of a request is not the caller: known for newcomers as well.
#[derive(Debug)]
pub struct About {
    method: &'static str,
    known_size: u64,
}

impl Call {
    /// Takes a request apart.
    ///
    /// # Errors
    ///
    /// When the header [`KNOWN_SIZE_HEADER`] is not a number; `INTERNAL` when the door was not passed.
    pub fn of<M>(request: Request<M>) -> Result<(Self, M), Status> {
        let (about, mut extensions, message) = About::of(request)?;
        let caller = extensions
            .remove()
            .ok_or_else(|| status::internal(&"a request that did not pass the door"))?;
        Ok((Self { caller, about }, message))
    }

    /// Who is calling.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The request's id and its body's hash.
    pub fn requested(
        &self,
        fields: &mut Fields,
        message: &impl prost::Message,
        id: &str,
    ) -> Option<Requested> {
        self.about.requested(fields, message, id)
    }

    /// The receipt as it travels.
    ///
    /// # Errors
    ///
    /// As [`Receipt::consistency_from`].
    pub fn receipt(&self, receipt: &Receipt) -> Result<proto::Receipt, Status> {
        self.about.receipt(receipt)
    }

    /// Several receipts as they travel.
    ///
    /// # Errors
    ///
    /// As [`Receipt::consistency_from`].
    pub fn receipts(&self, receipts: &[Receipt]) -> Result<Vec<proto::Receipt>, Status> {
        receipts
            .iter()
            .map(|receipt| self.receipt(receipt))
            .collect()
    }

    /// A read's result. Another agency's name is in the ledger before it is refused (invariant 9); operations that
    /// write have the exchange record their denials itself.
    ///
    /// # Errors
    ///
    /// The refusal, or `UNAVAILABLE` when it could not be recorded.
    pub async fn read<T>(
        &self,
        exchange: &Exchange,
        result: Result<T, Refusal>,
    ) -> Result<T, Status> {
        match result {
            Err(refusal) if refusal.is_denial() => {
                let staff = Some(self.caller.staff());
                let agency = self.caller.agency();
                Err(self.about.denied(exchange, agency, staff, refusal).await)
            }
            result => Ok(result?),
        }
    }
}

impl About {
    /// Takes a request apart, leaving who called in the extensions.
    ///
    /// # Errors
    ///
    /// As [`Call::of`].
    pub fn of<M>(request: Request<M>) -> Result<(Self, Extensions, M), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let known_size = match metadata.get(KNOWN_SIZE_HEADER) {
            None => 0,
            Some(value) => value
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| {
                    Answer::field(
                        "INVALID_FIELD",
                        KNOWN_SIZE_HEADER,
                        "must be a decimal number",
                    )
                })?,
        };
        let method = extensions
            .get()
            .map(|Method(method)| *method)
            .ok_or_else(|| status::internal(&"a request that did not pass the door"))?;
        Ok((Self { method, known_size }, extensions, message))
    }

    /// The request's id and its body's hash.
    pub fn requested(
        &self,
        fields: &mut Fields,
        message: &impl prost::Message,
        id: &str,
    ) -> Option<Requested> {
        let id = fields.request_id(id)?;
        let body = body_hash(self.method, message);
        Some(Requested { id, body })
    }

    /// The receipt as it travels.
    ///
    /// # Errors
    ///
    /// As [`Receipt::consistency_from`].
    pub fn receipt(&self, receipt: &Receipt) -> Result<proto::Receipt, Status> {
        Ok(convert::receipt(receipt, self.known_size)?)
    }

    /// Records a denial, and gives the status to answer: the refusal, or `UNAVAILABLE` when it could not be recorded.
    pub async fn denied(
        &self,
        exchange: &Exchange,
        agency: &AgencyId,
        staff: Option<&StaffPseudonym>,
        refusal: Refusal,
    ) -> Status {
        let name = short(self.method);
        match exchange.deny(agency, staff, name, refusal.reason()).await {
            Ok(()) => refusal.into(),
            Err(unrecorded) => unrecorded.into(),
        }
    }
}

/// The method's own name, as denials carry it.
#[must_use]
pub fn short(method: &str) -> &str {
    method.rsplit('/').next().unwrap_or(method)
}
