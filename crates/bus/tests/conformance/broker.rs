//! One Kafka broker for the tests of this process, on loopback ports that it picks. It dies with the process,
//! however that ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

/// How long a broker may take to start on a busy machine.
const START: Duration = Duration::from_secs(90);

/// A shell that waits for its standard input to end, which it does when this process does, and then takes the broker
/// and its folder away.
const KEEPER: &str = r#"
folder=$1; shift
"$@" kafka.tools.StorageTool format -t "$(cat "$folder/id")" -c "$folder/server.properties" >"$folder/log" 2>&1
"$@" kafka.Kafka "$folder/server.properties" >>"$folder/log" 2>&1 &
broker=$!
cat >/dev/null
kill -KILL "$broker"
rm -rf "$folder"
"#;

struct Broker {
    address: String,
    /// Its standard input stays open as long as this process lives.
    _keeper: Child,
}

/// Where the broker listens; it is started if it is not running.
pub(crate) async fn address() -> String {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    BROKER.get_or_init(start).await.address.clone()
}

async fn start() -> Broker {
    let libs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.dev/kafka/libs");
    assert!(libs.is_dir(), "Kafka is not here: run tests/servers/kafka/fetch.sh, or ./dev test");
    let folder = tempfile::tempdir().unwrap().keep();
    let [broker_port, controller_port] = free_ports();
    fs::write(folder.join("id"), "cGFub2ZsZWV0LXRlc3RzMQ").unwrap();
    fs::write(folder.join("server.properties"), properties(&folder, broker_port, controller_port))
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the broker is a process")]
    let mut command = Command::new("sh");
    let keeper = command
        .args(["-c", KEEPER, "keeper"])
        .arg(&folder)
        .args(["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-cp"])
        .arg(libs.join("*"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun_at = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, broker_port)).is_err() {
        assert!(begun_at.elapsed() < START, "the broker did not start:\n{}", log(&folder));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Broker { address: format!("127.0.0.1:{broker_port}"), _keeper: keeper }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// One node that is both broker and controller, with no copies of anything, quick to notice its clients.
fn properties(folder: &Path, broker_port: u16, controller_port: u16) -> String {
    let logs = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
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
