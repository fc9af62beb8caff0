//! Uploads: files that are sent piece by piece while the router is killed, and what must be left of each.
//!
//! A stream's answer says how many pieces are kept; that many must be there after any restart. What was under way may
//! be there whole, in part or not at all: it is sent again from where the router says, and then opens to the same
//! bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::acts::{allowance, own};
use super::caller::{self, Request};
use super::check::{Checker, broken};
use super::diary::{Effect, Who};
use super::load::{Cast, Step};
use crate::cli::crash::CrashError;
use crate::cli::crash::workload::Dice;
use crate::client::attachment::{Attached, PreparedAttachment};
use crate::client::error::ClientError;
use crate::client::random::SystemRandom;
use crate::client::source::{Ask, Candidate};
use crate::client::words;
use crate::domain::basis::Basis;
use crate::domain::id::{AttachmentId, CaseHandle, OfferId};
use crate::domain::label::Label;
use crate::domain::random::Random as _;
use crate::domain::vocabulary::{Asked, Category, Form, Purpose, Stage, Urgency};
use crate::envelope::disclosure::Field;
use crate::envelope::stream::{CHUNK_BYTES, SEALED_CHUNK_BYTES};
use crate::storage::files::BLOCK_EXTRA_BYTES;
use crate::storage::records::key;
use std::time::Duration;

/// What a paper is sent for.
const PURPOSE: Purpose = Purpose::LegalAssistance;

/// Most pieces of one paper: past the number after which a router syncs by itself.
const CHUNKS_MAX: u64 = 20;

/// Most pieces of one stream.
const STREAM_MAX: u64 = 6;

/// One paper that is being sent.
#[derive(Debug, Clone)]
pub struct Paper {
    offer: OfferId,
    basis: Arc<Basis>,
    prepared: Arc<PreparedAttachment>,
    content: Arc<Vec<u8>>,
    /// Pieces that the router said it keeps.
    acknowledged: u32,
    /// The entry of the whole, once it is acknowledged.
    entry: Option<u64>,
    /// Whether its reader has had it.
    read: bool,
}

/// What became of papers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uploads {
    /// Streams acknowledged, each with so many pieces kept.
    pub streams: usize,
    /// Pieces that were acknowledged.
    pub chunks: usize,
    /// Papers that a kill cut off, with some pieces kept, and that were taken up there.
    pub resumed: usize,
    /// Of the files under way, those cut off in the middle of a piece, by the kill or by this campaign.
    pub torn: usize,
    /// Papers that opened to the bytes that were sealed.
    pub opened: usize,
}

impl std::fmt::Display for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} streams of uploads acknowledged ({} pieces); {} papers taken up where a kill had cut them off, {} \
             files cut in the middle of a piece; {} papers finished and opened",
            self.streams, self.chunks, self.resumed, self.torn, self.opened
        )
    }
}

impl Paper {
    fn id(&self) -> AttachmentId {
        self.prepared.attached().attachment
    }

    fn field(&self) -> Field {
        Field {
            path: "documents.copies".to_owned(),
            label: copies(),
            value: serde_json::Value::Array(vec![
                self.prepared.attached().copy("PASSPORT", "image/png"),
            ]),
        }
    }
}

fn copies() -> Label {
    Label::new(Category::Documents, Form::Copy).expect("the vocabulary has copies of documents")
}

fn language() -> Label {
    Label::new(Category::Language, Form::Whole).expect("the vocabulary has languages")
}

impl Cast {
    /// A lawyer is asked, and is sent a paper in a few streams. A stream that is not answered ends it for this life.
    pub(super) async fn paper(&self, dice: &mut Dice) -> Step<()> {
        let case = CaseHandle::from_random(SystemRandom.array());
        let labels = [language(), copies()].into_iter();
        let of = (PURPOSE, Asked::Specific);
        let (request, basis) = allowance(self.desk(Who::Alpha), case, "law", of, labels)?;
        let request = Request::RecordBasis(request);
        self.act(Who::Alpha, request, Effect::None).await?;
        let basis = Arc::new(basis);
        let offer = self.ask_lawyer(case, &basis).await?;
        let bytes = 1 + dice.roll(CHUNKS_MAX * CHUNK_BYTES as u64 - 1);
        let mut content = vec![0; usize::try_from(bytes).map_err(own)?];
        SystemRandom.fill(&mut content);
        let sealed = PreparedAttachment::seal(Stage::Accepted, &mut content.as_slice());
        let paper = Paper {
            offer,
            basis,
            prepared: Arc::new(sealed.map_err(own)?),
            content: Arc::new(content),
            acknowledged: 0,
            entry: None,
            read: false,
        };
        let number = {
            let mut pages = self.diary().pages();
            pages.papers.push(paper.clone());
            pages.papers.len() - 1
        };
        let mut first = 0;
        loop {
            let most = 1 + usize::try_from(dice.roll(STREAM_MAX)).map_err(own)?;
            let (kept, entry) = self.stream(&paper, first, most).await?;
            let mut pages = self.diary().pages();
            pages.uploads.streams += 1;
            pages.uploads.chunks += kept.saturating_sub(first) as usize;
            if kept <= first && entry.is_none() {
                pages.complain("a stream was acknowledged and kept nothing".to_owned());
            }
            if let Some(noted) = pages.papers.get_mut(number) {
                (noted.acknowledged, noted.entry) = (kept, entry);
            }
            if entry.is_some() {
                return Ok(());
            }
            first = kept;
        }
    }

    async fn ask_lawyer(&self, case: CaseHandle, basis: &Basis) -> Step<OfferId> {
        let alpha = self.desk(Who::Alpha);
        let ask = Ask {
            case,
            purpose: PURPOSE,
            urgency: Urgency::Emergency,
            decide_by: alpha.now().plus(Duration::from_secs(4 * 3600)),
        };
        let field = Field {
            path: "crash.field_0".to_owned(),
            label: language(),
            value: "v".into(),
        };
        let candidate = Candidate {
            basis,
            parcels: vec![(Stage::Triage, vec![field])],
        };
        let prepared = alpha.prepare_referral(&ask, &[candidate]).map_err(own)?;
        let request = Request::Create(prepared.into_request());
        let reply = self.act(Who::Alpha, request, Effect::Asked).await?;
        let name = reply.names.get(1).map(String::as_str).unwrap_or_default();
        words::own_id(name, alpha.agency().id(), "offers").map_err(own)
    }

    /// Sends some pieces from `first` on, once; gives how many are kept, and the entry of the whole.
    async fn stream(&self, paper: &Paper, first: u32, most: usize) -> Step<(u32, Option<u64>)> {
        let alpha = self.desk(Who::Alpha);
        let name = words::offer_name(alpha.agency().id(), paper.offer);
        let parts = paper.prepared.parts(name, first, most);
        let (reply, known) = caller::upload(alpha, parts).await?;
        let entry = reply.receipt.as_ref().map(|receipt| receipt.index);
        if let Some(receipt) = &reply.receipt {
            self.take(Who::Alpha, receipt, known);
        }
        Ok((reply.chunks_kept, entry))
    }
}

/// What a power cut may leave of the files under way: anything from what was acknowledged on.
pub(super) fn tear(cast: &Cast, store: &Path, dice: &mut Dice) -> Result<(), CrashError> {
    let under_way: Vec<(PathBuf, u32, usize)> = {
        let pages = cast.diary().pages();
        let unread = pages.papers.iter().filter(|paper| paper.entry.is_none());
        unread
            .map(|paper| {
                let name = HEXLOWER.encode(&key::attachment(paper.offer, paper.id()));
                let path = store.join("attachments").join(name);
                (path, paper.acknowledged, paper.prepared.chunks())
            })
            .collect()
    };
    let block = (SEALED_CHUNK_BYTES + BLOCK_EXTRA_BYTES) as u64;
    let mut torn = 0;
    for (path, acknowledged, chunks) in under_way {
        let file = match std::fs::OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && acknowledged == 0 => {
                continue;
            }
            Err(error) => return Err(broken(format!("the file of an upload: {error}"))),
        };
        let kept = u64::from(acknowledged) * block;
        let (bytes, whole) = (file.metadata()?.len(), chunks as u64 * block);
        let Some(beyond) = bytes.checked_sub(kept) else {
            return Err(broken("the file of an upload is shorter than acknowledged"));
        };
        let mut left = bytes;
        // One that is whole may be acknowledged without our having heard of it.
        if beyond > 0 && bytes < whole && dice.roll(2) == 0 {
            left = kept + dice.roll(beyond);
            file.set_len(left)?;
        }
        torn += usize::from(!left.is_multiple_of(block));
    }
    cast.diary().pages().uploads.torn += torn;
    Ok(())
}

impl Checker {
    /// Every paper that was under way has what was acknowledged of it, is finished from there, and opens; a sample of
    /// those that were opened before opens again (invariants 1, 8).
    pub(super) async fn papers(
        &self,
        cast: &Cast,
        dice: &mut Dice,
        sample: usize,
    ) -> Result<(), CrashError> {
        let papers = cast.diary().pages().papers.clone();
        for (number, paper) in papers.iter().enumerate().filter(|(_, paper)| !paper.read) {
            self.finish(cast, paper).await.map_err(broken)?;
            if let Some(noted) = cast.diary().pages().papers.get_mut(number) {
                noted.read = true;
            }
        }
        for _ in 0..sample.min(papers.len()) {
            let number = dice.roll(papers.len() as u64);
            let chosen = usize::try_from(number).ok().and_then(|at| papers.get(at));
            if let Some(paper) = chosen {
                self.read(cast, paper).await.map_err(broken)?;
            }
        }
        Ok(())
    }

    async fn finish(&self, cast: &Cast, paper: &Paper) -> Result<(), String> {
        let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let alpha = cast.desk(Who::Alpha);
        let kept = alpha.kept_of_attachment(paper.offer, &paper.prepared).await;
        let kept = kept.map_err(|error| failed("an upload", &error))?;
        if kept < paper.acknowledged {
            let said = paper.acknowledged;
            return Err(format!(
                "{kept} pieces of an upload are kept, {said} were acknowledged"
            ));
        }
        if let Some(entry) = paper.entry {
            // Invariant 6: told the same again.
            let again = cast.stream(paper, kept, 0).await;
            let again = again.map_err(|no| failed("a finished upload", &no))?;
            if again != (kept, Some(entry)) {
                return Err("a finished upload is answered otherwise than before".to_owned());
            }
        } else {
            if kept > 0 {
                cast.diary().pages().uploads.resumed += 1;
            }
            let sent = alpha.send_attachment(paper.offer, &paper.prepared).await;
            sent.map_err(|error| failed("an upload taken up again", &error))?;
        }
        let fields = vec![paper.field()];
        let told = alpha.deposit(paper.offer, &paper.basis, PURPOSE, Stage::Accepted, fields);
        told.await
            .map_err(|error| failed("the parcel of an upload", &error))?;
        let law = cast.lawyer().ok_or("nobody reads papers")?;
        let accepted = law.accept(paper.offer, None).await;
        accepted.map_err(|error| failed("a lawyer's yes", &error))?;
        let view = law.offer(paper.offer).await;
        let view = view.map_err(|error| failed("a lawyer's offer", &error))?;
        let opened = law.open(&view, Stage::Accepted).await;
        let opened = opened.map_err(|error| failed("the parcel of an upload", &error))?;
        let told = opened.fields.first().map(|field| &field.field.value);
        let told = told
            .and_then(|value| value.get(0))
            .and_then(Attached::of_copy);
        if told.as_ref() != Some(paper.prepared.attached()) {
            return Err("a parcel tells of another paper".to_owned());
        }
        self.read(cast, paper).await?;
        cast.diary().pages().uploads.opened += 1;
        Ok(())
    }

    async fn read(&self, cast: &Cast, paper: &Paper) -> Result<(), String> {
        let mut content = Vec::new();
        let attached = paper.prepared.attached();
        let law = cast.lawyer().ok_or("nobody reads papers")?;
        let fetched = law.download_attachment(paper.offer, attached, &mut content);
        let fetched: Result<(), ClientError> = fetched.await;
        fetched.map_err(|error| format!("a paper cannot be opened: {error}"))?;
        if content == *paper.content {
            Ok(())
        } else {
            Err("a paper opens to other bytes".to_owned())
        }
    }
}
