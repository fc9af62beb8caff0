//! Calls without the SDK's manners: any bytes, any token, and the exact answer.

use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use safeconduct::client::agency::Desk;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

/// Largest reply taken.
const REPLY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One caller's raw connection.
#[derive(Clone)]
pub struct Wire {
    channel: Channel,
    authorization: Option<String>,
}

impl Wire {
    /// The connection and token of a desk.
    pub fn of(desk: &Desk) -> Self {
        let session = desk.agency().session();
        let request = session.request(Some(desk.staff()), (), 0, None).unwrap();
        let header = request.metadata().get("authorization").unwrap();
        Self {
            channel: session.channel(),
            authorization: Some(header.to_str().unwrap().to_owned()),
        }
    }

    /// A connection without a token.
    pub const fn bare(channel: Channel) -> Self {
        Self {
            channel,
            authorization: None,
        }
    }

    /// The same connection with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            channel: self.channel.clone(),
            authorization: Some(format!("Bearer {token}")),
        }
    }

    /// The same connection with another `authorization` header, or none.
    #[must_use]
    pub fn with_authorization(&self, header: Option<&str>) -> Self {
        Self {
            channel: self.channel.clone(),
            authorization: header.map(str::to_owned),
        }
    }

    /// The token as it travels.
    pub fn token(&self) -> &str {
        let header = self.authorization.as_deref().unwrap_or_default();
        header.strip_prefix("Bearer ").unwrap_or_default()
    }

    fn request(&self, body: Vec<u8>) -> Request<Vec<u8>> {
        let mut request = Request::new(body);
        if let Some(header) = &self.authorization {
            let header = header.parse().expect("a header of visible ASCII");
            request.metadata_mut().insert("authorization", header);
        }
        request
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(REPLY_BYTES_MAX);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }

    /// Calls `service/Method` of our package with these bytes.
    pub async fn raw(&self, method: &str, body: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut grpc = self.grpc().await?;
        let mut request = self.request(body);
        request.set_timeout(PATIENCE);
        let reply = grpc.unary(request, path(method), RawCodec).await?;
        Ok(reply.into_inner())
    }

    /// Calls with a message and reads the reply.
    pub async fn ask<R: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<R, Status> {
        let reply = self.raw(method, message.encode_to_vec()).await?;
        Ok(R::decode(reply.as_slice()).expect("the reply is of the method's type"))
    }

    /// The refusal of a call that must be refused.
    pub async fn refused(&self, method: &str, message: &impl Message) -> Refused {
        match self.raw(method, message.encode_to_vec()).await {
            Ok(_) => panic!("{method} was not refused"),
            Err(status) => Refused::read(&status),
        }
    }

    /// Opens a stream.
    pub async fn stream(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<Streaming<Vec<u8>>, Status> {
        let mut grpc = self.grpc().await?;
        let request = self.request(message.encode_to_vec());
        let reply = grpc
            .server_streaming(request, path(method), RawCodec)
            .await?;
        Ok(reply.into_inner())
    }
}

fn path(method: &str) -> PathAndQuery {
    let full = if method.starts_with('/') {
        method.to_owned()
    } else {
        format!("/safeconduct.v1.{method}")
    };
    full.parse().expect("a method's path")
}

/// A refusal, read as a program would read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    pub text: String,
    pub reason: String,
    pub fields: Vec<String>,
    /// The details' exact bytes.
    pub details: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
}

impl Refused {
    /// Reads a status; it must carry exactly one `ErrorInfo` of our domain.
    pub fn read(status: &Status) -> Self {
        let rpc = RpcStatus::decode(status.details()).expect("the details are a google.rpc.Status");
        let of_type = |name: &'static str| {
            let all = rpc.details.iter();
            all.filter(move |any| any.type_url == format!("type.googleapis.com/google.rpc.{name}"))
        };
        let infos: Vec<ErrorInfo> = of_type("ErrorInfo")
            .map(|any| ErrorInfo::decode(any.value.as_slice()).unwrap())
            .collect();
        let [info] = infos.as_slice() else {
            panic!("{} ErrorInfo in {status:?}", infos.len());
        };
        assert_eq!(info.domain, "safeconduct");
        assert_eq!(rpc.code, status.code() as i32);
        assert_eq!(rpc.message, status.message());
        let violations = of_type("BadRequest").flat_map(|any| {
            BadRequest::decode(any.value.as_slice())
                .unwrap()
                .field_violations
        });
        Self {
            code: status.code(),
            text: status.message().to_owned(),
            reason: info.reason.clone(),
            fields: violations.map(|violation| violation.field).collect(),
            details: status.details().to_vec(),
        }
    }

    /// The same, asserted to be this.
    #[track_caller]
    pub fn is(self, code: Code, reason: &str) -> Self {
        assert_eq!(
            (self.code, self.reason.as_str()),
            (code, reason),
            "{self:?}"
        );
        self
    }
}

/// Hands bytes through as they are.
pub struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
