//! PostgreSQL, from Debian's package. It refuses to run as root, so a process of root's runs it as the package's user
//! `postgres`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::free_ports;
use crate::keeper::Keeper;

/// Where Debian puts each version of PostgreSQL.
const VERSIONS: &str = "/usr/lib/postgresql";

/// What a test needs, in MiB (`shared_buffers`).
const TEST_BUFFERS_MB: u32 = 32;

/// A running server.
#[derive(Debug)]
pub struct PostgresServer {
    keeper: Keeper,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

impl PostgresServer {
    /// The server that everybody in this process shares; it is started if it is not running.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    pub fn shared() -> &'static Self {
        Self::shared_with(TEST_BUFFERS_MB)
    }

    /// The server that everybody in this process shares; if it is not running, it is started with so much memory for its
    /// pages.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    pub fn shared_with(buffers_mb: u32) -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| Self::start_with(buffers_mb))
    }

    /// Starts a server with no database of ours.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(TEST_BUFFERS_MB)
    }

    fn start_with(buffers_mb: u32) -> Self {
        let [port] = free_ports();
        let programs = programs();
        let as_root = fs::metadata("/proc/self").expect("proc").uid() == 0;
        #[expect(clippy::disallowed_methods, reason = "the server is a process")]
        let mut command = Command::new(if as_root { "setpriv" } else { "sh" });
        if as_root {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
        }
        command
            .args(["-c", include_str!("postgres.sh"), "postgres.sh"])
            .arg(&programs)
            .args([port.to_string(), buffers_mb.to_string()]);
        let (keeper, folder) = Keeper::start(&mut command);
        assert!(!folder.is_empty(), "PostgreSQL did not start; what it said is above");
        Self { keeper, programs, folder: folder.into(), port, databases: AtomicU32::new(0) }
    }

    /// Where it listens, beside its socket.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The process that everything of this server is below.
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Kills it, as in a crash.
    pub fn crash(&self) {
        self.keeper.tell("stop");
    }

    /// Starts it again over what is left, on the same port.
    pub fn start_again(&self) {
        self.keeper.tell("start");
    }

    /// The URL of a new database, by the socket in the server's folder.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        #[expect(clippy::disallowed_methods, reason = "the server's own tool")]
        let made = Command::new(self.programs.join("createdb"))
            .args(["--username=postgres", "--port", &self.port.to_string(), "--host"])
            .args([self.folder.as_os_str(), name.as_ref()])
            .output()
            .expect("createdb is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://postgres@localhost:{}/{name}?host={}", self.port, self.folder.display())
    }

    /// What a query answers, as text.
    ///
    /// # Panics
    /// If it fails.
    pub fn query(&self, url: &str, query: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "the server's own tool")]
        let asked = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", query, url])
            .output()
            .expect("psql is there");
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    }

    /// The same database by TCP, and the certificate that the server shows there.
    ///
    /// # Panics
    /// If the URL is not one of [`PostgresServer::create_database`].
    pub fn by_tcp(&self, url: &str) -> (String, PathBuf) {
        let (url, _socket) = url.split_once('?').expect("a URL with a socket");
        (url.to_owned(), self.folder.join("tls.crt"))
    }
}

/// The programs of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("postgres").exists())
        .max_by_key(|programs| version_of(programs))
        .expect("PostgreSQL is missing; install Debian's package `postgresql`, or run ./dev test")
}

fn version_of(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}
