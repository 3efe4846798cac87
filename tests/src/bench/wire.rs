//! HTTP/1.1 over connections that stay open, with as little work as possible on the client's side: it shares the machine with
//! what it measures.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A connection to an API.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    read: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects to the API at `url`, such as `http://127.0.0.1:8360`.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn open(url: &str) -> Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host, read: Vec::new() })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// If there is no answer that can be read.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.ask(request.as_bytes()).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// If there is no answer that can be read.
    pub async fn post(&mut self, path: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.ask(request.as_bytes()).await
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        let head_bytes = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            if self.read.len() > HEAD_BYTES_MAX {
                bail!("the head of an answer is longer than {HEAD_BYTES_MAX} bytes");
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(self.read.get(..head_bytes).unwrap_or_default());
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer without its length")?.trim().parse()?;
        while self.read.len() < head_bytes + length {
            self.more().await?;
        }
        let rest = self.read.split_off(head_bytes + length);
        let body = std::mem::replace(&mut self.read, rest).split_off(head_bytes);
        Ok(Answer { status, body })
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            bail!("the connection was closed");
        }
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
