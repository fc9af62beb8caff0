//! A router that lies: everything that the real one says, over real TLS and under its own certificate, changed on the
//! way as a test wishes.
//!
//! It stands for an operator who has all that an operator can have. Each is for one agency: upstream it speaks with
//! that agency's own certificate, which a real operator would not need.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use prost::Message;
use safeconduct::client::agency::Agency;
use safeconduct::client::connect::RouterAddress;
use safeconduct::client::keys::AgencyKeys;
use safeconduct::client::log::LogView;
use safeconduct::client::retry::RetryPolicy;
use safeconduct::client::session::system_clock;
use safeconduct::client::trust::TrustAnchors;
use safeconduct::demo::town::{ORIGIN, key_files};
use safeconduct::grpc::listener::Listener;
use safeconduct::grpc::tls::{ReloadingTls, TlsFiles, system_now};
use safeconduct::ledger::policy::Policy;
use tokio::task::JoinHandle;
use tonic::client::Grpc as Upstream;
use tonic::server::{Grpc as Downstream, UnaryService};
use tonic::service::Routes;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

use super::World;
use super::wire::RawCodec;

/// Changes the reply of a method, named as `Service/Method`.
pub type Lie = Arc<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// Changes every reply of one method.
pub fn about<M: Message + Default + 'static>(
    method: &'static str,
    lie: impl Fn(&mut M) + Send + Sync + 'static,
) -> Lie {
    Arc::new(move |called, reply| {
        if called != method {
            return reply;
        }
        let mut message = M::decode(reply.as_slice()).expect("the reply is of the method's type");
        lie(&mut message);
        message.encode_to_vec()
    })
}

/// A lying router at work; ends when dropped.
pub struct Liar {
    address: RouterAddress,
    serving: JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
struct Lying {
    upstream: Channel,
    lie: Lie,
}

impl UnaryService<Vec<u8>> for Lying {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let Self { upstream, lie } = self.clone();
        Box::pin(async move {
            let (metadata, extensions, body) = request.into_parts();
            let path = extensions.get::<Called>().cloned().expect("a path");
            let mut upstream = Upstream::new(upstream).max_decoding_message_size(32 * 1024 * 1024);
            upstream
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let request = Request::from_parts(metadata, Default::default(), body);
            let reply = upstream.unary(request, path.0.clone(), RawCodec).await?;
            let called = path.0.path().trim_start_matches("/safeconduct.v1.");
            Ok(reply.map(|reply| lie(called, reply)))
        })
    }
}

/// The method called, as it stands in the request's line.
#[derive(Clone)]
struct Called(http::uri::PathAndQuery);

async fn serve(
    State(lying): State<Lying>,
    mut request: HttpRequest,
) -> http::Response<tonic::body::Body> {
    let path = request.uri().path_and_query().cloned().expect("a path");
    request.extensions_mut().insert(Called(path));
    Downstream::new(RawCodec).unary(lying, request).await
}

impl Liar {
    /// Lies to `agency`, with everything that is in the router's folder.
    pub async fn to(world: &World, agency: &str, lie: Lie) -> Self {
        let (folder, ca) = (world.folder.join("router"), world.folder.join("ca"));
        let files = TlsFiles {
            chain: folder.join("router.pem"),
            key: folder.join("router.key"),
            roots: ca.join("root.pem"),
            lists: vec![ca.join("crl.pem")],
        };
        let tls = ReloadingTls::from_files(files, ORIGIN, system_now()).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(any, tls).await.unwrap();
        let listening = listener.local_addr().unwrap();
        let upstream = world.agency(agency).session().channel();
        let router = axum::Router::new()
            .fallback(serve)
            .with_state(Lying { upstream, lie });
        let serving = tokio::spawn(async move {
            let server = Server::builder().add_routes(Routes::from(router));
            let _ = server.serve_with_incoming(listener.incoming()).await;
        });
        let address = RouterAddress {
            host: listening.ip().to_string(),
            port: listening.port(),
            server_name: "localhost".into(),
        };
        Self { address, serving }
    }

    /// Where it is.
    pub const fn address(&self) -> &RouterAddress {
        &self.address
    }

    /// The agency as it is served by the liar, with what it has seen of the log; its keys are the same.
    pub fn victim(&self, world: &World, agency: &str, log: LogView) -> Agency {
        let keys = AgencyKeys::load(agency.parse().unwrap(), &key_files(&world.home(agency)));
        Agency::connect_at(
            keys.unwrap(),
            &self.address,
            world.trust.clone(),
            log,
            system_clock(),
            RetryPolicy::default(),
        )
        .unwrap()
    }

    /// As [`Liar::newcomer`], of one that asks for witnesses as well.
    pub fn careful_newcomer(&self, world: &World, agency: &str, policy: Policy) -> Agency {
        let keys = AgencyKeys::load(agency.parse().unwrap(), &key_files(&world.home(agency)));
        let trust = TrustAnchors {
            policy: Some(policy),
            ..world.trust.clone()
        };
        let log = LogView::in_memory(&trust.log_key).unwrap();
        Agency::connect(keys.unwrap(), &self.address, trust, log).unwrap()
    }

    /// As [`Liar::victim`], of one that has seen nothing of the log yet.
    pub fn newcomer(&self, world: &World, agency: &str) -> Agency {
        let log = LogView::in_memory(&world.trust.log_key).unwrap();
        self.victim(world, agency, log)
    }
}

/// Copies a folder with everything in it, as an operator takes a backup.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_folder(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}
