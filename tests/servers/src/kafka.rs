//! Apache Kafka: one node that is both broker and controller.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

mod secured;

use crate::keeper::Keeper;
use crate::{await_port, free_ports, root};

/// A running broker.
#[derive(Debug)]
pub struct KafkaServer {
    keeper: Keeper,
    folder: PathBuf,
    port: u16,
    doors: Vec<Door>,
    doors_taken: AtomicUsize,
}

/// A listener that sends its clients elsewhere: a broker tells whoever asks where it is to be found, and behind a proxy
/// that is the proxy.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Where the proxy has to listen: what clients of this door are told.
    pub proxy_port: u16,
    /// Where the broker listens.
    pub server: SocketAddr,
}

impl KafkaServer {
    /// The broker that everybody in this process shares; it is started if it is not running.
    ///
    /// # Panics
    /// If Kafka is not here or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<KafkaServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a broker with an empty log.
    ///
    /// # Panics
    /// If Kafka is not here or does not start.
    pub fn start() -> Self {
        Self::start_with_doors(0)
    }

    /// Starts a broker with an empty log that can also be reached by so many proxies.
    ///
    /// # Panics
    /// If Kafka is not here or does not start.
    pub fn start_with_doors(count: usize) -> Self {
        let doors = std::iter::repeat_with(|| {
            let [proxy_port, port] = free_ports();
            Door { proxy_port, server: (Ipv4Addr::LOCALHOST, port).into() }
        });
        let doors: Vec<_> = doors.take(count).collect();
        Self::start_in(folder(), ("CLIENTS:PLAINTEXT", doors), "", "")
    }

    /// Starts a broker with an empty log and these users, and one more, `admin`, who may do everything. It takes
    /// TLS connections only, and denies whatever no ACL allows.
    ///
    /// # Panics
    /// If Kafka or `openssl` is not here, or does not start.
    pub fn start_secured(users: &[&str]) -> Self {
        let folder = folder();
        secured::make_certificates(&folder);
        let options = secured::format_options(users);
        let properties = secured::properties(&folder);
        Self::start_in(folder, ("CLIENTS:SASL_SSL", Vec::new()), &options, &properties)
    }

    fn start_in(
        folder: PathBuf,
        (clients, doors): (&str, Vec<Door>),
        format_options: &str,
        more: &str,
    ) -> Self {
        let libs = root().join(".dev/kafka/libs");
        assert!(
            libs.is_dir(),
            "Kafka is not here: run tests/servers/kafka/fetch.sh, or ./dev test"
        );
        let ports = free_ports();
        let properties = properties(&folder, ports, clients, &doors) + more;
        fs::write(folder.join("format"), format_options).expect("a writable folder");
        fs::write(folder.join("server.properties"), properties).expect("a writable folder");
        #[expect(clippy::disallowed_methods, reason = "the broker is a process")]
        let mut command = Command::new("sh");
        command
            .args(["-c", include_str!("kafka.sh"), "kafka.sh"])
            .arg(&folder)
            .args(["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-cp"])
            .arg(libs.join("*"));
        let (keeper, said) = Keeper::start(&mut command);
        assert!(!said.is_empty(), "Kafka did not start; what it said is above");
        let doors_taken = AtomicUsize::new(0);
        let server = Self { keeper, folder, port: ports[0], doors, doors_taken };
        server.await_port();
        server
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A door that nobody else has.
    ///
    /// # Panics
    /// If all are taken.
    pub fn door(&self) -> Door {
        let door = self.doors.get(self.doors_taken.fetch_add(1, Ordering::Relaxed));
        *door.expect("the broker was started with enough doors")
    }

    /// The password of a user of a secured broker.
    pub fn password(&self, user: &str) -> String {
        secured::password(user)
    }

    /// The CA that signed a secured broker's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A CA that signed nothing.
    pub fn other_ca_file(&self) -> PathBuf {
        self.folder.join("stranger.pem")
    }

    /// The process that everything of this server is below.
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Kills it: what it had not written is lost.
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

/// A folder that the server's keeper takes away.
fn folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("panofleet-kafka.").tempdir();
    folder.expect("a folder").keep()
}

/// One node that is both broker and controller, with no copies of anything, quick to notice its clients.
fn properties(
    folder: &Path,
    [port, broker_port, controller_port]: [u16; 3],
    clients: &str,
    doors: &[Door],
) -> String {
    let logs = folder.join("data");
    let each = |say: &dyn Fn(usize, &Door) -> String| -> String {
        doors.iter().enumerate().map(|(number, door)| say(number, door)).collect()
    };
    let listeners = each(&|number, door| format!(",DOOR{number}://{}", door.server));
    let advertised = each(&|number, door| format!(",DOOR{number}://127.0.0.1:{}", door.proxy_port));
    let protocols = each(&|number, _| format!(",DOOR{number}:PLAINTEXT"));
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKERS
listeners=CLIENTS://127.0.0.1:{port},BROKERS://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}{listeners}
advertised.listeners=CLIENTS://127.0.0.1:{port},BROKERS://127.0.0.1:{broker_port}{advertised}
listener.security.protocol.map={clients},BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
log.dirs={}
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.share.min.record.lock.duration.ms=1000
group.share.min.heartbeat.interval.ms=100
group.share.heartbeat.interval.ms=200
group.share.assignment.interval.ms=0
group.share.initialize.retry.interval.ms=500
group.share.max.size=1000
group.share.max.share.sessions=2000
log.cleaner.dedupe.buffer.size=8388608
",
        logs.display()
    )
}
