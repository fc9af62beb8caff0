//! A witness in a process of its own, and a reader of what a router publishes.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::body::Body;
use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use safeconduct::client::connect::{ClientIdentity, tls_config};
use safeconduct::client::keys::KeyFiles;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::World;

/// One witness, running or not; gone with the test.
pub struct Witness {
    folder: PathBuf,
    pub vkey: String,
    pub address: SocketAddr,
    child: Option<Child>,
    tls: Option<(PathBuf, PathBuf)>,
}

impl Witness {
    /// `witness init` in a new folder.
    pub fn begin(folder: PathBuf, name: &str) -> Self {
        let output = Command::new(super::binary())
            .args(["witness", "init", "--name", name, "--folder"])
            .arg(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let vkey = said.trim_end().strip_prefix("vkey ").unwrap().to_owned();
        Self {
            folder,
            vkey,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child: None,
            tls: None,
        }
    }

    /// Has it vouch for a log.
    pub fn know(&self, log_key: &str) {
        let count = std::fs::read_dir(self.folder.join("logs")).unwrap().count();
        let file = self.folder.join(format!("logs/{count}.vkey"));
        std::fs::write(file, format!("{log_key}\n")).unwrap();
    }

    /// Serves HTTPS with this certificate and key from the next start on.
    pub fn serve_https(&mut self, certificate: PathBuf, key: PathBuf) {
        self.tls = Some((certificate, key));
    }

    /// `witness run`; on the same port as before, if it ran before.
    pub fn start(&mut self) {
        let mut command = Command::new(super::binary());
        command
            .args(["witness", "run", "--until-stdin-closes", "--listen"])
            .arg(self.address.to_string())
            .arg("--folder")
            .arg(&self.folder);
        if let Some((certificate, key)) = &self.tls {
            command.arg("--certificate").arg(certificate);
            command.arg("--private-key").arg(key);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ");
        self.address = address.expect("the witness listens").parse().unwrap();
        self.child = Some(child);
    }

    /// As a power cut would end it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Its lines in a router's settings.
    pub fn settings(&self) -> String {
        let (scheme, host) = match self.tls {
            Some(_) => ("https", "localhost"),
            None => ("http", "127.0.0.1"),
        };
        let (vkey, port) = (&self.vkey, self.address.port());
        format!(
            "[[publication.witnesses]]\nvkey = \"{vkey}\"\nurl = \"{scheme}://{host}:{port}\"\n"
        )
    }

    /// Submits a request body; the status and body of the answer.
    pub async fn submit(&self, body: String) -> std::io::Result<(u16, String)> {
        submit(self.address, body).await
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Submits a request body to the witness at `address`, over plain HTTP.
pub async fn submit(address: SocketAddr, body: String) -> std::io::Result<(u16, String)> {
    let tcp = TcpStream::connect(address).await?;
    let request = Request::post("/add-checkpoint").header("host", "witness");
    let answer = exchange(tcp, request.body(Body::from(body)).unwrap()).await;
    let answer = answer.map_err(std::io::Error::other)?;
    Ok((answer.status, String::from_utf8(answer.body).unwrap()))
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub caching: String,
    pub body: Vec<u8>,
}

async fn exchange<S>(stream: S, request: Request<Body>) -> Result<Answer, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let reply = sender.send_request(request).await?;
    let header = |name: &str| {
        let value = reply.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    let (kind, caching) = (header("content-type"), header("cache-control"));
    let status = reply.status().as_u16();
    let body = axum::body::to_bytes(Body::new(reply.into_body()), 1 << 24).await;
    Ok(Answer {
        status,
        kind,
        caching,
        body: body.unwrap().to_vec(),
    })
}

/// Reads `path` of what is published at `address`, as an agency or as a stranger.
///
/// # Errors
///
/// Whatever ended the connection.
pub async fn read(
    world: &World,
    address: SocketAddr,
    agency: Option<&Path>,
    path: &str,
) -> Result<Answer, String> {
    let identity = agency.map(|home| {
        let files = KeyFiles::in_folder(home);
        ClientIdentity::from_pem_files(&files.tls_certificate, &files.tls_key).unwrap()
    });
    let mut config = tls_config(&world.trust.roots, identity.as_ref()).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(world.address.server_name.clone()).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, tcp).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let request = Request::get(path).header("host", "localhost");
    let request = request.body(Body::empty()).unwrap();
    exchange(stream, request)
        .await
        .map_err(|error| error.to_string())
}
