//! The router process: made once, started, stopped, killed, started again on the same store and address.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::connect::RouterAddress;

use super::authority::TownAuthority;
use super::files::{administrator_file, io, make_folder, write, write_private};
use super::{ORIGIN, Reachable, TownError, TownOptions};

/// The name that the router's certificate carries.
const SERVER_NAME: &str = "localhost";
/// How long a router may take to say that it listens.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a stopped router may take to drain.
const STOP_MAX: Duration = Duration::from_secs(30);

/// One router over one store.
#[derive(Debug)]
pub struct RouterProcess {
    binary: PathBuf,
    folder: PathBuf,
    lists: PathBuf,
    root: PathBuf,
    log_filter: String,
    log_key: String,
    listening: SocketAddr,
    admin: SocketAddr,
    publication: Option<String>,
    published: SocketAddr,
    child: Option<Child>,
    wrapper: Vec<String>,
    limits: String,
    log_origin: Option<String>,
}

impl RouterProcess {
    /// Writes the settings, runs `router init`, and starts the router.
    pub(super) fn create(
        options: &TownOptions,
        authority: &TownAuthority,
    ) -> Result<Self, TownError> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let router = Self {
            binary: options.binary.clone(),
            folder: options.folder.join("router"),
            lists: authority.lists_file(),
            root: authority.root_file(),
            log_filter: options.log_filter.clone(),
            log_key: String::new(),
            listening: any,
            admin: any,
            publication: options.publication.clone(),
            published: any,
            child: None,
            wrapper: Vec::new(),
            limits: options.limits.clone(),
            log_origin: None,
        };
        make_folder(&router.folder)?;
        router.write_settings()?;
        Ok(router)
    }

    /// Issues the certificate and begins the log.
    pub(super) fn initialise(
        &mut self,
        authority: &mut TownAuthority,
        town: &Path,
    ) -> Result<(), TownError> {
        issue_certificate(authority, &self.folder)?;
        let output = Command::new(&self.binary)
            .args(["router", "init", "--config"])
            .arg(self.settings_file())
            .arg("--administrator")
            .arg(administrator_file(town, 1))
            .arg("--administrator")
            .arg(administrator_file(town, 2))
            .args(["--operator", super::OPERATOR])
            .output()
            .map_err(|cause| io(&self.binary, cause))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let key = said.lines().find_map(|line| line.strip_prefix("vkey "));
        match key {
            Some(key) if output.status.success() => key.clone_into(&mut self.log_key),
            _ => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(TownError::Router(format!("init: {why}")));
            }
        }
        self.start()
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join("router.toml")
    }

    fn write_settings(&self) -> Result<(), TownError> {
        let publication = match &self.publication {
            Some(settings) => format!(
                "[publication]\naddress = \"{}\"\n{settings}",
                self.published
            ),
            None => String::new(),
        };
        let text = format!(
            "origin = \"{ORIGIN}\"\n\
             data_directory = \"store\"\n\
             [listener]\n\
             address = \"{}\"\n\
             certificate_file = \"router.pem\"\n\
             private_key_file = \"router.key\"\n\
             agency_roots_file = {:?}\n\
             revocation_list_files = [{:?}]\n\
             reload_seconds = 1\n\
             [ledger]\n\
             signing_key_file = \"log.key\"\n\
             {}\
             [admin]\n\
             address = \"{}\"\n\
             [log]\n\
             filter = {:?}\n\
             [limits]\n\
             {}\n\
             {publication}",
            self.listening,
            self.root,
            self.lists,
            self.log_origin
                .as_ref()
                .map(|origin| format!("origin = {origin:?}\n"))
                .unwrap_or_default(),
            self.admin,
            self.log_filter,
            self.limits
        );
        write(&self.settings_file(), text.as_bytes())
    }

    /// Starts the process and waits until it listens. The first start takes any free port, later ones the same.
    ///
    /// # Errors
    ///
    /// [`TownError::Router`] when it ends or does not listen in time.
    pub fn start(&mut self) -> Result<(), TownError> {
        let mut child = self.spawn()?;
        let out = child
            .stdout
            .take()
            .ok_or_else(|| TownError::Router("no output".into()))?;
        self.child = Some(child);
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        let until = Instant::now() + START_MAX;
        let (mut listening, mut admin) = (None, None);
        let mut published = self.publication.is_none().then_some(self.published);
        while listening.is_none() || admin.is_none() || published.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = heard.recv_timeout(left) else {
                self.kill();
                return Err(TownError::Router(self.last_words()));
            };
            if let Some(address) = line.strip_prefix("listening on ") {
                listening = address.parse().ok();
            } else if let Some(address) = line.strip_prefix("admin on ") {
                admin = address.parse().ok();
            } else if let Some(address) = line.strip_prefix("publication on ") {
                published = address.parse().ok();
            }
        }
        self.published = published.unwrap_or(self.published);
        if let (Some(listening), Some(admin)) = (listening, admin) {
            (self.listening, self.admin) = (listening, admin);
        }
        self.write_settings()
    }

    fn spawn(&self) -> Result<Child, TownError> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .map_err(|cause| io(&self.log_file(), cause))?;
        let mut words = self.wrapper.iter();
        let mut command = match words.next() {
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command
            .args(["router", "run", "--until-stdin-closes", "--config"])
            .arg(self.settings_file())
            // Held open by the child's handle: a router never outlives the program that plays the town.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|cause| io(&self.binary, cause))
    }

    /// Names the log anew in the settings, for a succession; the trust domain stays.
    ///
    /// # Errors
    ///
    /// [`TownError::File`] when the settings cannot be written.
    pub fn rename_log(&mut self, origin: &str) -> Result<(), TownError> {
        self.log_origin = Some(origin.to_owned());
        self.write_settings()
    }

    /// Starts the process and ends it again after so long, whether it listens by then or not.
    ///
    /// # Errors
    ///
    /// [`TownError::Router`] when it cannot be started.
    pub fn start_and_kill(&mut self, after: Duration) -> Result<(), TownError> {
        self.child = Some(self.spawn()?);
        std::thread::sleep(after);
        self.kill();
        Ok(())
    }

    /// Starts the process under another program from now on, such as `strace` with its arguments. That must end with
    /// the router, and with its exit code.
    pub fn run_under(&mut self, wrapper: Vec<String>) {
        self.wrapper = wrapper;
    }

    /// Ends the process at once, as a power cut or `kill -9` would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to drain and end.
    ///
    /// # Errors
    ///
    /// [`TownError::Router`] when it does not end by itself.
    pub fn stop(&mut self) -> Result<(), TownError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + STOP_MAX;
        while Instant::now() < until {
            match child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(TownError::Router("it did not end when asked".into()))
    }

    /// Waits until the process ends by itself; its exit code, if it does in time.
    pub async fn wait_for_exit(&mut self, at_most: Duration) -> Option<i32> {
        let until = Instant::now() + at_most;
        while Instant::now() < until {
            match self.child.as_mut()?.try_wait() {
                Ok(Some(status)) => {
                    self.child = None;
                    return status.code();
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        None
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The log's verifier key, as `router init` printed it.
    #[must_use]
    pub fn log_key(&self) -> &str {
        &self.log_key
    }

    /// Where metrics and health are read.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where the log is published, if it is.
    #[must_use]
    pub const fn published(&self) -> SocketAddr {
        self.published
    }

    /// Changes what stands under `[publication]`, for the next start.
    ///
    /// # Errors
    ///
    /// [`TownError::Io`].
    pub fn publish(&mut self, settings: &str) -> Result<(), TownError> {
        self.publication = Some(settings.to_owned());
        self.write_settings()
    }

    /// Its folder: settings, certificate, log key, store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// What the process wrote to standard error.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("router.log")
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        if last.is_empty() {
            return "it does not listen, and said nothing".into();
        }
        last.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Reachable for RouterProcess {
    fn address(&self) -> RouterAddress {
        address(self.listening)
    }
}

/// The router that listens here, under the name in its certificate.
pub(super) fn address(listening: SocketAddr) -> RouterAddress {
    RouterAddress {
        host: listening.ip().to_string(),
        port: listening.port(),
        server_name: SERVER_NAME.into(),
    }
}

/// Issues the router's certificate into its folder.
pub(super) fn issue_certificate(
    authority: &mut TownAuthority,
    folder: &Path,
) -> Result<(), TownError> {
    let names = [SERVER_NAME.to_owned(), "127.0.0.1".to_owned()];
    let leaf = authority.issue_router(&names)?;
    write(&folder.join("router.pem"), leaf.chain_pem.as_bytes())?;
    write_private(&folder.join("router.key"), leaf.key_pem.as_bytes())
}

impl Drop for RouterProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
