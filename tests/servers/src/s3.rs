//! versitygw: an S3 server over a folder, written by others than ours.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::keeper::Keeper;
use crate::{await_port, free_ports, root};

const ACCESS_KEY: &str = "panofleet-test";
const SECRET_KEY: &str = "panofleet-test-secret";

/// A running S3 server, without a bucket at first. Its one key pair may do everything.
#[derive(Debug)]
pub struct S3Server {
    keeper: Keeper,
    folder: PathBuf,
    port: u16,
    tls: bool,
}

impl S3Server {
    /// The server that everybody in this process shares; it is started if it is not running.
    ///
    /// # Panics
    /// If versitygw is not here or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a server that speaks plain HTTP.
    ///
    /// # Panics
    /// If versitygw is not here or does not start.
    pub fn start() -> Self {
        Self::launch(false)
    }

    /// Starts a server that speaks HTTPS, with a certificate of [`S3Server::ca_file`].
    ///
    /// # Panics
    /// If versitygw is not here or does not start.
    pub fn start_with_tls() -> Self {
        Self::launch(true)
    }

    fn launch(tls: bool) -> Self {
        let program = root().join(".dev/versitygw/bin/versitygw");
        assert!(
            program.is_file(),
            "versitygw is not here: run tests/servers/versitygw/fetch.sh, or ./dev test"
        );
        let [port] = free_ports();
        #[expect(clippy::disallowed_methods, reason = "the server is a process")]
        let mut command = Command::new("sh");
        command
            .args(["-c", include_str!("s3.sh"), "s3.sh"])
            .arg(program)
            .arg(port.to_string())
            .args([ACCESS_KEY, SECRET_KEY, if tls { "tls" } else { "plain" }]);
        let (keeper, folder) = Keeper::start(&mut command);
        assert!(!folder.is_empty(), "versitygw did not start; what was said is above");
        let server = Self { keeper, folder: folder.into(), port, tls };
        server.await_port();
        server
    }

    /// Where it answers: `http://127.0.0.1:port`, or `https://…`.
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The id of its key pair.
    pub const fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret of its key pair.
    pub const fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The certificate, as PEM, of the CA that signed the server's.
    ///
    /// # Panics
    /// If the server speaks plain HTTP.
    pub fn ca_file(&self) -> PathBuf {
        assert!(self.tls, "a plain server has no certificate");
        self.folder.join("ca.crt")
    }

    /// Kills it, as in a crash.
    pub fn crash(&self) {
        self.keeper.tell("stop");
    }

    /// Starts it again over what is left, on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&self) {
        self.keeper.tell("start");
        self.await_port();
    }

    fn await_port(&self) {
        await_port(self.port, || fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }
}
