//! The yardstick: a bare tonic echo behind the same listener, TLS settings and limits as the router's.
//!
//! With `verify_signature` it checks one ES256 signature a call, which is the least that any router must do.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::task::{Context, Poll};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use http::{Request, Response};
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic_prost::ProstCodec;

use crate::grpc::limits;
use crate::grpc::listener::Listener;
use crate::grpc::tls::{ReloadingTls, TlsFiles, system_now};

/// Path of the one method.
pub const PATH: &str = "/safeconduct.bench.Echo/Call";

/// As long a message as the call it stands for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EchoRequest {
    /// Filling.
    #[prost(bytes = "bytes", tag = "1")]
    pub payload: Bytes,
    /// How long the reply's filling shall be, in bytes.
    #[prost(uint32, tag = "2")]
    pub reply_bytes: u32,
}

/// As long a reply as the call's it stands for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EchoReply {
    /// Filling.
    #[prost(bytes = "bytes", tag = "1")]
    pub payload: Bytes,
}

/// Serves the echo, for `bench` alone.
#[derive(Debug, clap::Args)]
pub struct EchoServerCommand {
    /// Server certificate chain (PEM).
    #[arg(long)]
    chain: PathBuf,
    /// Server key (PEM).
    #[arg(long)]
    key: PathBuf,
    /// Roots of the agencies (PEM).
    #[arg(long)]
    roots: PathBuf,
    /// Revocation lists (PEM); repeat for each file.
    #[arg(long)]
    lists: Vec<PathBuf>,
    /// Trust domain of the agencies' certificates.
    #[arg(long)]
    trust_domain: String,
    /// Verify one ES256 signature a call.
    #[arg(long)]
    verify_signature: bool,
}

impl EchoServerCommand {
    /// Serves until it is killed. Prints `listening on ADDRESS` when it is ready.
    pub async fn run(self) -> ExitCode {
        match self.serve().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bench echo: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(self) -> Result<(), Box<dyn std::error::Error>> {
        let files = TlsFiles {
            chain: self.chain,
            key: self.key,
            roots: self.roots,
            lists: self.lists,
        };
        let tls = ReloadingTls::from_files(files, &self.trust_domain, system_now())?;
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), tls).await?;
        println!("listening on {}", listener.local_addr()?);
        let check = if self.verify_signature {
            Some(Check::new()?)
        } else {
            None
        };
        limits::configure(Server::builder())
            .add_service(EchoServer { check })
            .serve_with_incoming(listener.incoming())
            .await?;
        Ok(())
    }
}

/// A signature to verify again and again.
#[derive(Clone)]
struct Check {
    public: std::sync::Arc<[u8]>,
    message: std::sync::Arc<[u8]>,
    signature: std::sync::Arc<[u8]>,
}

impl Check {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        // About as long as a parcel's statement.
        let message = vec![0x5a; 1500];
        let signature = key.sign(&random, &message)?;
        Ok(Self {
            public: key.public_key().as_ref().into(),
            message: message.into(),
            signature: signature.as_ref().into(),
        })
    }

    fn holds(&self) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public)
            .verify(&self.message, &self.signature)
            .is_ok()
    }
}

#[derive(Clone)]
struct EchoServer {
    check: Option<Check>,
}

impl NamedService for EchoServer {
    const NAME: &'static str = "safeconduct.bench.Echo";
}

impl UnaryService<EchoRequest> for EchoServer {
    type Response = EchoReply;
    type Future = BoxFuture<tonic::Response<EchoReply>, tonic::Status>;

    fn call(&mut self, request: tonic::Request<EchoRequest>) -> Self::Future {
        let check = self.check.clone();
        Box::pin(async move {
            if check.is_some_and(|check| !check.holds()) {
                return Err(tonic::Status::internal("the signature does not verify"));
            }
            let request = request.into_inner();
            let length = (request.reply_bytes as usize).min(request.payload.len().max(64 * 1024));
            let payload = vec![0x5a; length].into();
            Ok(tonic::Response::new(EchoReply { payload }))
        })
    }
}

impl Service<Request<Body>> for EchoServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            let codec = ProstCodec::<EchoReply, EchoRequest>::default();
            let mut grpc = Grpc::new(codec)
                .apply_max_message_size_config(Some(limits::MESSAGE_BYTES_MAX), None);
            Ok(grpc.unary(echo, request).await)
        })
    }
}
