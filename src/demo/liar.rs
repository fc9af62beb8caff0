//! A router that lies: the honest log with one entry missing, served over mutual TLS under the router's own name.
//!
//! It stands for an operator who has everything that an operator can have: the store, the certificate and the log's
//! signing key. What it cannot have is the checkpoint that the auditor saved yesterday.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

use crate::client::connect::RouterAddress;
use crate::grpc::listener::Listener;
use crate::grpc::tls::{ReloadingTls, TlsFiles, system_now};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::leaf;
use crate::ledger::note::NoteSigner;
use crate::ledger::proof::consistency;
use crate::ledger::tree::{Edge, FullTile, KeptTile, TileError, TileSource};
use crate::proto::v1;
use crate::proto::v1::audit_service_server::{AuditService, AuditServiceServer};

use super::town::ORIGIN;

/// How it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Shows another entry in its place, under the honest checkpoint.
    Replace,
    /// Leaves the entry out, computes the tree anew and signs it.
    Rewrite,
}

/// The honest log, copied.
#[derive(Debug, Clone)]
pub struct Copied {
    /// Every entry.
    pub entries: Vec<Vec<u8>>,
    /// Every opening, as `ReadOpenings` gave it.
    pub openings: Vec<v1::Opening>,
    /// The checkpoint.
    pub checkpoint: String,
    /// The verifier key.
    pub log_key: String,
}

/// A lying router at work; ends when dropped.
#[derive(Debug)]
pub struct LyingRouter {
    listening: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for LyingRouter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Lying {
    entries: Vec<Vec<u8>>,
    openings: Vec<v1::Opening>,
    checkpoint: String,
    log_key: String,
    edge: Edge,
    tiles: Tiles,
}

/// Full tiles in memory.
#[derive(Default)]
struct Tiles(Vec<FullTile>);

impl TileSource for Tiles {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        let found = self
            .0
            .iter()
            .find(|tile| tile.level == level && tile.index == index);
        Ok(found.map(|tile| Arc::new(tile.hashes.clone().into())))
    }
}

impl LyingRouter {
    /// Hides entry `hidden` of a copied log, with everything that is in the router's `folder`.
    ///
    /// # Errors
    ///
    /// What could not be read or bound.
    pub async fn hide(
        mut honest: Copied,
        hidden: usize,
        lie: Lie,
        folder: &Path,
        ca: &Path,
    ) -> Result<Self, String> {
        match lie {
            Lie::Replace => replace(&mut honest, hidden)?,
            Lie::Rewrite => remove(&mut honest, hidden)?,
        }
        let (mut edge, mut tiles) = (Edge::new(), Tiles::default());
        for entry in &honest.entries {
            tiles.0.extend(edge.append(leaf(entry)));
        }
        if lie == Lie::Rewrite {
            let (origin, size) = (ORIGIN.to_owned(), edge.size());
            let checkpoint = Checkpoint {
                origin,
                size,
                root: edge.root(),
            };
            honest.checkpoint = stolen_signer(folder)?.sign(&checkpoint);
        }
        let lying = Lying {
            entries: honest.entries,
            openings: honest.openings,
            checkpoint: honest.checkpoint,
            log_key: honest.log_key,
            edge,
            tiles,
        };
        let files = TlsFiles {
            chain: folder.join("router.pem"),
            key: folder.join("router.key"),
            roots: ca.join("root.pem"),
            lists: vec![ca.join("crl.pem")],
        };
        let tls = ReloadingTls::from_files(files, ORIGIN, system_now())
            .map_err(|error| error.to_string())?;
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), tls)
            .await
            .map_err(|error| error.to_string())?;
        let listening = listener.local_addr().map_err(|error| error.to_string())?;
        let serving = tokio::spawn(async move {
            let server = tonic::transport::Server::builder()
                .add_service(AuditServiceServer::new(lying))
                .serve_with_incoming(listener.incoming());
            if let Err(error) = server.await {
                tracing::warn!(%error, "the lying router failed");
            }
        });
        Ok(Self { listening, serving })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> RouterAddress {
        RouterAddress {
            host: self.listening.ip().to_string(),
            port: self.listening.port(),
            server_name: "localhost".into(),
        }
    }
}

/// Puts the entry before in the hidden one's place, with its opening.
fn replace(honest: &mut Copied, hidden: usize) -> Result<(), String> {
    let before = hidden
        .checked_sub(1)
        .ok_or("nothing is before the first entry")?;
    let entry = honest.entries.get(before).cloned().ok_or("no such entry")?;
    let opening = honest
        .openings
        .get(before)
        .cloned()
        .ok_or("no such opening")?;
    if let (Some(place), Some(opened)) = (
        honest.entries.get_mut(hidden),
        honest.openings.get_mut(hidden),
    ) {
        *place = entry;
        *opened = v1::Opening {
            index: opened.index,
            ..opening
        };
    }
    Ok(())
}

/// Leaves the hidden entry out; the later ones move up.
fn remove(honest: &mut Copied, hidden: usize) -> Result<(), String> {
    if hidden >= honest.entries.len() || hidden >= honest.openings.len() {
        return Err("no such entry".into());
    }
    honest.entries.remove(hidden);
    honest.openings.remove(hidden);
    for (index, opening) in honest.openings.iter_mut().enumerate() {
        opening.index = index as u64;
    }
    Ok(())
}

/// The log's own signing key: an operator has it.
fn stolen_signer(folder: &Path) -> Result<NoteSigner, String> {
    let text =
        std::fs::read_to_string(folder.join("log.key")).map_err(|error| error.to_string())?;
    let seed = data_encoding::BASE64
        .decode(text.trim_end().as_bytes())
        .map_err(|error| error.to_string())?;
    let seed: [u8; 32] = seed.try_into().map_err(|_| "not a seed".to_owned())?;
    NoteSigner::ed25519(ORIGIN, &seed).map_err(|error| error.to_string())
}

impl Lying {
    fn run<T: Clone>(items: &[T], start: u64, page: i32) -> Result<Vec<T>, Status> {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let count = usize::try_from(page).unwrap_or(0).clamp(1, 1000);
        match items.get(start..) {
            Some(rest) if !rest.is_empty() => Ok(rest.iter().take(count).cloned().collect()),
            _ => Err(Status::invalid_argument("start")),
        }
    }
}

#[tonic::async_trait]
impl AuditService for Lying {
    async fn get_checkpoint(
        &self,
        _: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        Ok(Response::new(v1::GetCheckpointResponse {
            checkpoint: self.checkpoint.clone(),
            verifier_key: self.log_key.clone(),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let request = request.into_inner();
        let entries = Self::run(&self.entries, request.start, request.page_size)?;
        Ok(Response::new(v1::ListEntriesResponse { entries }))
    }

    async fn read_openings(
        &self,
        request: Request<v1::ReadOpeningsRequest>,
    ) -> Result<Response<v1::ReadOpeningsResponse>, Status> {
        let request = request.into_inner();
        let openings = Self::run(&self.openings, request.start, request.page_size)?;
        Ok(Response::new(v1::ReadOpeningsResponse { openings }))
    }

    async fn prove_inclusion(
        &self,
        _: Request<v1::ProveInclusionRequest>,
    ) -> Result<Response<v1::ProveInclusionResponse>, Status> {
        Err(Status::out_of_range("no such index or size"))
    }

    async fn prove_consistency(
        &self,
        request: Request<v1::ProveConsistencyRequest>,
    ) -> Result<Response<v1::ProveConsistencyResponse>, Status> {
        let request = request.into_inner();
        let proof = consistency(&self.edge, &self.tiles, request.old_size, request.new_size)
            .map_err(|_| Status::out_of_range("no such size"))?;
        let proof = proof.iter().map(|hash| hash.as_bytes().to_vec()).collect();
        Ok(Response::new(v1::ProveConsistencyResponse { proof }))
    }

    async fn record_watermark(
        &self,
        _: Request<v1::RecordWatermarkRequest>,
    ) -> Result<Response<v1::RecordWatermarkResponse>, Status> {
        Err(Status::permission_denied("not permitted"))
    }

    type ReadActsStream = tokio_stream::Empty<Result<v1::ReadActsResponse, Status>>;

    async fn read_acts(
        &self,
        _: Request<v1::ReadActsRequest>,
    ) -> Result<Response<Self::ReadActsStream>, Status> {
        Err(Status::unimplemented("this liar answers no questions"))
    }

    async fn list_acts(
        &self,
        _: Request<v1::ListActsRequest>,
    ) -> Result<Response<v1::ListActsResponse>, Status> {
        Err(Status::unimplemented("this liar answers no questions"))
    }

    async fn record_disposition(
        &self,
        _: Request<v1::RecordDispositionRequest>,
    ) -> Result<Response<v1::RecordDispositionResponse>, Status> {
        Err(Status::unimplemented("this liar answers no questions"))
    }

    async fn confirm_disposition(
        &self,
        _: Request<v1::ConfirmDispositionRequest>,
    ) -> Result<Response<v1::ConfirmDispositionResponse>, Status> {
        Err(Status::unimplemented("this liar answers no questions"))
    }
}
