//! A receiver of webhooks that answers what it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where it listens, and what it answers from now on.
pub(crate) struct Receiver {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
}

impl Receiver {
    /// It ends with the test.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(status));
        let now = Arc::clone(&status);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // Whoever hangs up early gets no answer.
                drop(answer(connection, now.load(Ordering::SeqCst)));
            }
        });
        Self { url, status }
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

fn answer(connection: TcpStream, status: u16) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut bytes = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => bytes = value.parse().unwrap_or(0),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    connection.read_exact(&mut vec![0; bytes])?;
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    connection.get_mut().write_all(head.as_bytes())
}
