//! A real PostgreSQL server: started from Debian's package, in a folder and on a socket of its own.
//!
//! It is found, never installed; a machine without it fails these tests. The server refuses to run as root, so a
//! test that does runs it as the package's user `postgres`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use panofleet_job_schema::Span;
use panofleet_jobs_db::postgres::{PostgresConfig, PostgresTls, PostgresUrl};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Where Debian puts each version of PostgreSQL.
const VERSIONS: &str = "/usr/lib/postgresql";
/// How long a connection of a test is waited for.
const CONNECT_TIMEOUT: Span = Span::from_secs(20);

/// The server that all scenarios share, each with a database of its own.
static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();

pub(crate) struct PostgresServer {
    child: Child,
    /// While it is open, the server stays.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    folder: PathBuf,
    port: u16,
}

pub(crate) async fn shared() -> &'static PostgresServer {
    SHARED.get_or_init(async || PostgresServer::start()).await
}

impl PostgresServer {
    pub(crate) fn start() -> Self {
        // Nobody else is given the port while it is not in use yet, or it fails loudly.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let as_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
        let mut command = Command::new(if as_root { "setpriv" } else { "sh" });
        if as_root {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
        }
        let mut child = command
            .args(["-c", include_str!("postgres_server.sh"), "postgres_server.sh"])
            .arg(programs())
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the test process; the server goes when that has gone.
            .process_group(0)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, stdin, stdout, folder: PathBuf::new(), port };
        server.folder = PathBuf::from(server.answer());
        server
    }

    /// A line of what it says.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let line = line.trim_end();
        assert!(!line.is_empty(), "PostgreSQL did not start; what it said is above");
        line.to_owned()
    }

    /// Tells it to `stop`, as if it had crashed, or to `start` again, and waits until it has.
    pub(crate) fn tell(&mut self, word: &str) {
        let stdin = self.stdin.as_mut().expect("it is open until the drop");
        writeln!(stdin, "{word}").unwrap();
        assert_eq!(self.answer(), word);
    }

    /// The URL of a new database.
    pub(crate) async fn create_database(&self) -> String {
        let name = Uuid::new_v4().simple();
        let mut admin = admin(&self.url("postgres")).await;
        let create = AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::query(create).execute(&mut admin).await.unwrap();
        self.url(&name.to_string())
    }

    fn url(&self, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("postgres://postgres@localhost:{port}/{database}?host={folder}")
    }

    /// The same database by TCP, and the certificate that the server shows there.
    pub(crate) fn by_tcp(&self, url: &str) -> (String, PathBuf) {
        let (url, _socket) = url.split_once('?').unwrap();
        (url.to_owned(), self.folder.join("tls.crt"))
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stdin = None;
        self.child.wait().unwrap();
    }
}

/// The programs of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().map(Result::unwrap);
    versions
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("postgres").exists())
        .max_by_key(|programs| version_of(programs))
        .expect("PostgreSQL is missing; install Debian's package `postgresql`, or run ./dev test")
}

fn version_of(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

/// A connection for what only a test does.
pub(crate) async fn admin(url: &str) -> PgConnection {
    let connect = PgConnection::connect(url);
    tokio::time::timeout(Duration::from(CONNECT_TIMEOUT), connect).await.unwrap().unwrap()
}

pub(crate) fn config(url: &str) -> PostgresConfig {
    PostgresConfig {
        tls: PostgresTls::Off,
        max_connections: 8,
        connect_timeout: CONNECT_TIMEOUT,
        ..PostgresConfig::new(PostgresUrl::new(url))
    }
}
