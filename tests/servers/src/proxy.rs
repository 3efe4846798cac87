//! A bad network between a client and a server: a TCP proxy on loopback that delays, chokes, swallows, resets or refuses
//! what it is given, as a test tells it to at any time.
//!
//! Like a network it loses no byte of a connection that lives: what a silent way has swallowed comes late, once the way
//! is heard again, unless the connection was reset meanwhile.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// Connections at once. Further ones wait until one has ended.
const CONNECTIONS_MAX: usize = 1024;
/// Bytes that are forwarded at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks on one way of a connection. At the limit its sender is not read from.
const CHUNKS_MAX: usize = 64;
/// How long a port that was given up may stay taken.
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The way from the client to the server.
    pub up: Way,
    /// The way back.
    pub down: Way,
    /// Nobody listens: new connections are refused. Those that there are stay.
    pub refuses: bool,
}

/// One of the two ways of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// How much later everything arrives.
    pub latency: Duration,
    /// How much goes through in a second, in each connection; without it, as much as there is.
    pub bytes_per_s: Option<u32>,
    /// Nothing arrives, and nobody is told.
    pub is_silent: bool,
}

impl Way {
    /// Everything arrives so much later.
    pub const fn late(latency: Duration) -> Self {
        Self { latency, bytes_per_s: None, is_silent: false }
    }

    /// Nothing arrives.
    pub const SILENT: Self = Self { latency: Duration::ZERO, bytes_per_s: None, is_silent: true };
}

impl Faults {
    /// A link without any.
    pub const NONE: Self =
        Self { up: Way::late(Duration::ZERO), down: Way::late(Duration::ZERO), refuses: false };
    /// Connections are accepted, and nothing goes through in either direction.
    pub const BLACK_HOLE: Self = Self { up: Way::SILENT, down: Way::SILENT, refuses: false };
    /// Nobody listens.
    pub const REFUSES: Self = Self { refuses: true, ..Self::NONE };

    /// Both ways so much slower.
    pub const fn latency(each_way: Duration) -> Self {
        Self { up: Way::late(each_way), down: Way::late(each_way), refuses: false }
    }
}

/// One link. It is cut when it is dropped, and when its runtime ends.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: watch::Sender<Faults>,
    /// Counts resets.
    resets: watch::Sender<u64>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a port of loopback, and passes everything on to `server`.
    ///
    /// # Panics
    /// If the port is taken, or outside a runtime.
    pub async fn start(port: u16, server: SocketAddr) -> Self {
        let (faults, heard) = watch::channel(Faults::NONE);
        let (resets, reset) = watch::channel(0);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let link = Link { server, faults: heard, resets: reset };
        let serving = serve(port, listener.expect("the port is free"), link);
        #[expect(clippy::disallowed_methods, reason = "it is aborted when the proxy is dropped")]
        let serving = tokio::spawn(serving);
        Self { port, faults, resets, serving }
    }

    /// Where clients connect to.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Makes the link as bad as this, from now on.
    pub fn set(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }

    /// Ends every connection that there is, with a reset to both sides; what was on its way is lost.
    pub fn reset(&self) {
        self.resets.send_modify(|resets| *resets += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a connection is passed on by.
#[derive(Clone, Debug)]
struct Link {
    server: SocketAddr,
    faults: watch::Receiver<Faults>,
    resets: watch::Receiver<u64>,
}

async fn serve(port: u16, listener: TcpListener, mut link: Link) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let refuses = link.faults.borrow_and_update().refuses;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok();
        }
        tokio::select! {
            client = accept(listener.as_ref()), if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(carry(client, link.clone()));
            }
            Some(_ended) = connections.join_next() => {}
            changed = link.faults.changed() => if changed.is_err() { return },
            () = sleep(BIND_PAUSE), if listener.is_none() && !refuses => {}
        }
    }
}

/// The next client; never, while nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            None => std::future::pending().await,
            Some(listener) => match listener.accept().await {
                Ok((client, _)) => return client,
                // It was gone before it was accepted, or this process has too many files open.
                Err(_) => sleep(BIND_PAUSE).await,
            },
        }
    }
}

/// Carries one connection until both sides have closed it, or it is reset. A side that breaks off breaks the other off.
async fn carry(mut client: TcpStream, mut link: Link) {
    link.resets.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(link.server).await else {
        return break_off(&client);
    };
    let in_order = async {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pump(from_client, to_server, (link.faults.clone(), |faults| faults.up));
        let down = pump(from_server, to_client, (link.faults.clone(), |faults| faults.down));
        tokio::try_join!(up, down)
    };
    let ended = tokio::select! {
        ended = in_order => ended.is_ok(),
        _reset_or_gone = link.resets.changed() => false,
    };
    if !ended {
        break_off(&client);
        break_off(&server);
    }
}

/// What is dropped after this sends a reset. A socket that is closed already has nobody to tell.
fn break_off(socket: &TcpStream) {
    drop(socket.set_zero_linger());
}

/// The faults of a link, and which of its ways is meant.
type OneWay = (watch::Receiver<Faults>, fn(&Faults) -> Way);

/// Passes on what is read until its end, and then the end.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, one_way: OneWay) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
    let (mut faults, way) = one_way;
    let read = async move {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let bytes = from.read(&mut chunk).await?;
            chunk.truncate(bytes);
            if bytes == 0 || sender.send((Instant::now(), chunk)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((read_at, chunk)) = chunks.recv().await {
            let Way { latency, bytes_per_s, .. } = way(&faults.borrow());
            sleep_until(read_at + latency).await;
            if let Some(bytes_per_s) = bytes_per_s {
                let share = chunk.len() as f64 / f64::from(bytes_per_s.max(1));
                sleep(Duration::from_secs_f64(share)).await;
            }
            is_heard(&mut faults, way).await;
            to.write_all(&chunk).await?;
        }
        // An end is as little heard as anything else.
        is_heard(&mut faults, way).await;
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

/// Waits while a way is silent.
async fn is_heard(faults: &mut watch::Receiver<Faults>, way: fn(&Faults) -> Way) {
    if faults.wait_for(|faults| !way(faults).is_silent).await.is_err() {
        // Nobody can heal the link any more.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::time::timeout;

    use super::*;
    use crate::free_ports;

    /// Long enough for a loaded machine.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// How long nothing is waited for.
    const SILENCE: Duration = Duration::from_millis(300);

    /// A server that says back what it hears, behind a proxy.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                clients.spawn(async move {
                    let (mut read, mut write) = client.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        let [port] = free_ports();
        (Proxy::start(port, server).await, tasks)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        timeout(PATIENCE, TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())))
            .await
            .unwrap()
            .unwrap()
    }

    async fn hear(client: &mut TcpStream, bytes: usize) -> io::Result<Vec<u8>> {
        let mut heard = vec![0; bytes];
        timeout(PATIENCE, client.read_exact(&mut heard)).await.expect("an answer")?;
        Ok(heard)
    }

    #[tokio::test]
    async fn a_healthy_link_carries_everything_and_its_end() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;
        let said: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut read, mut write) = client.split();
        let mut heard = Vec::new();
        let both = async {
            let say = async {
                write.write_all(&said).await.unwrap();
                write.shutdown().await.unwrap();
            };
            tokio::join!(say, async { read.read_to_end(&mut heard).await.unwrap() })
        };
        timeout(PATIENCE, both).await.unwrap();
        assert_eq!(heard, said);
    }

    #[tokio::test]
    async fn latency_and_a_narrow_link_take_their_time() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;
        proxy.set(Faults::latency(Duration::from_millis(100)));
        let begun = Instant::now();
        client.write_all(b"hello").await.unwrap();
        assert_eq!(hear(&mut client, 5).await.unwrap(), b"hello");
        assert!(begun.elapsed() >= Duration::from_millis(200), "100 ms there and 100 ms back");

        let narrow = Way { bytes_per_s: Some(10_000), ..Way::default() };
        proxy.set(Faults { down: narrow, ..Faults::NONE });
        let begun = Instant::now();
        client.write_all(&[7; 3000]).await.unwrap();
        hear(&mut client, 3000).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(300), "3,000 bytes at 10,000 a second");
    }

    #[tokio::test]
    async fn a_silent_way_is_heard_late_and_the_other_way_goes_on() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;
        proxy.set(Faults { up: Way::SILENT, ..Faults::NONE });
        client.write_all(b"hello").await.unwrap();
        assert!(timeout(SILENCE, hear(&mut client, 5)).await.is_err());
        proxy.set(Faults { down: Way::SILENT, ..Faults::NONE });
        assert!(timeout(SILENCE, hear(&mut client, 5)).await.is_err(), "now the answer is held up");
        proxy.set(Faults::NONE);
        assert_eq!(hear(&mut client, 5).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_black_hole_accepts_whoever_comes_and_says_nothing() {
        let (proxy, _server) = echo().await;
        proxy.set(Faults::BLACK_HOLE);
        let mut client = connect(&proxy).await;
        client.write_all(b"hello").await.unwrap();
        assert!(timeout(SILENCE, hear(&mut client, 5)).await.is_err());
        proxy.reset();
        let error = hear(&mut client, 5).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        proxy.set(Faults::NONE);
        let mut client = connect(&proxy).await;
        client.write_all(b"again").await.unwrap();
        assert_eq!(hear(&mut client, 5).await.unwrap(), b"again");
    }

    #[tokio::test]
    async fn a_reset_ends_what_there_is_and_harms_no_later_connection() {
        let (proxy, _server) = echo().await;
        let mut old = connect(&proxy).await;
        old.write_all(b"hello").await.unwrap();
        hear(&mut old, 5).await.unwrap();
        proxy.reset();
        assert_eq!(hear(&mut old, 1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let mut new = connect(&proxy).await;
        new.write_all(b"hello").await.unwrap();
        assert_eq!(hear(&mut new, 5).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_link_that_refuses_does_so_until_it_is_healed() {
        let (proxy, _server) = echo().await;
        let mut old = connect(&proxy).await;
        old.write_all(b"hello").await.unwrap();
        hear(&mut old, 5).await.unwrap();
        proxy.set(Faults::REFUSES);
        let refused = async {
            loop {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                    // It came before the listener had gone.
                    Ok(_) | Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        timeout(PATIENCE, refused).await.unwrap();
        old.write_all(b"hello").await.unwrap();
        assert_eq!(hear(&mut old, 5).await.unwrap(), b"hello", "what there was stays");
        proxy.set(Faults::NONE);
        let healed = async {
            loop {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await {
                    Ok(client) => return client,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let mut new = timeout(PATIENCE, healed).await.unwrap();
        new.write_all(b"hello").await.unwrap();
        assert_eq!(hear(&mut new, 5).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_server_that_is_away_resets_its_clients() {
        let [port, nobody] = free_ports();
        let proxy = Proxy::start(port, (Ipv4Addr::LOCALHOST, nobody).into()).await;
        let mut client = connect(&proxy).await;
        assert_eq!(hear(&mut client, 1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
