//! Whether a process serves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::status::Status;

/// Between two questions while the answer was no.
const SOON: Duration = Duration::from_millis(200);
/// Between two questions while the answer was yes.
const LATER: Duration = Duration::from_secs(2);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many answers of no in a row make a process that served one that doesn't.
const STRIKES: u32 = 3;

/// When a process serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadyWhen {
    /// As soon as it runs.
    #[default]
    AtOnce,
    /// Once it has been up for so long.
    After(Duration),
    /// While its port takes connections.
    Tcp,
    /// While a GET of this path on its port is answered with a status below 400.
    Http(String),
}

impl ReadyWhen {
    pub(super) const fn asks_port(&self) -> bool {
        matches!(self, Self::Tcp | Self::Http(_))
    }

    /// Waits for `end`, and keeps `status` up to date meanwhile.
    pub(super) async fn watch<T>(&self, port: Option<u16>, status: &Status, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        match self {
            Self::AtOnce => {}
            Self::After(time) => {
                if let Ok(ended) = timeout(*time, &mut end).await {
                    return ended;
                }
            }
            Self::Tcp | Self::Http(_) => {
                let port = port.expect("a pool is not made without the ports that it asks");
                return self.probe(port, status, end).await;
            }
        }
        status.set_ready(true);
        end.await
    }

    async fn probe<T>(&self, port: u16, status: &Status, mut end: Pin<&mut impl Future<Output = T>>) -> T {
        let (mut serves, mut strikes) = (false, 0);
        loop {
            let answer = timeout(PATIENCE, self.ask(port));
            let yes = tokio::select! {
                ended = &mut end => return ended,
                answer = answer => matches!(answer, Ok(Ok(true))),
            };
            strikes = if yes { 0 } else { strikes + 1 };
            serves = yes || serves && strikes < STRIKES;
            status.set_ready(serves);
            if let Ok(ended) = timeout(if yes { LATER } else { SOON }, &mut end).await {
                return ended;
            }
        }
    }

    async fn ask(&self, port: u16) -> io::Result<bool> {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let Self::Http(path) = self else { return Ok(true) };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        // `HTTP/1.1 200`: what follows isn't needed.
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        let code = std::str::from_utf8(&status).ok().filter(|line| line.starts_with("HTTP/1."));
        let code = code.and_then(|line| line.get(9..)).and_then(|code| code.parse::<u16>().ok());
        Ok(code.is_some_and(|code| (200..400).contains(&code)))
    }
}
