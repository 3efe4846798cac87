//! Apache Kafka: one node that is both broker and controller.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::keeper::Keeper;
use crate::{await_port, free_ports, root};

/// A running broker.
#[derive(Debug)]
pub struct KafkaServer {
    keeper: Keeper,
    folder: PathBuf,
    port: u16,
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
        let libs = root().join(".dev/kafka/libs");
        assert!(
            libs.is_dir(),
            "Kafka is not here: run tests/servers/kafka/fetch.sh, or ./dev test"
        );
        let folder = tempfile::Builder::new().prefix("panofleet-kafka.").tempdir();
        let folder = folder.expect("a folder").keep();
        let [port, controller_port] = free_ports();
        fs::write(folder.join("id"), "cGFub2ZsZWV0LXRlc3RzMQ").expect("a writable folder");
        fs::write(folder.join("server.properties"), properties(&folder, port, controller_port))
            .expect("a writable folder");
        #[expect(clippy::disallowed_methods, reason = "the broker is a process")]
        let mut command = Command::new("sh");
        command
            .args(["-c", include_str!("kafka.sh"), "kafka.sh"])
            .arg(&folder)
            .args(["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-cp"])
            .arg(libs.join("*"));
        let (keeper, said) = Keeper::start(&mut command);
        assert!(!said.is_empty(), "Kafka did not start; what it said is above");
        let server = Self { keeper, folder, port };
        server.await_port();
        server
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
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

/// One node that is both broker and controller, with no copies of anything, quick to notice its clients.
fn properties(folder: &Path, port: u16, controller_port: u16) -> String {
    let logs = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
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
