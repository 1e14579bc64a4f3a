//! A server of HTTP/1.1 for tests: it answers as a function says, on a free port of 127.0.0.1.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Who vouches for servers over TLS: a certificate in PEM. Its key was thrown away.
pub const AUTHORITY: &str = include_str!("http/authority.pem");
const CERTIFICATE: &str = include_str!("http/server.pem");
/// Worth nothing outside of tests.
const KEY: &str = include_str!("http/server.key.pem");

/// What somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// `HTTP/1.1`.
    pub version: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// What came with it, as text.
    pub body: String,
    /// The same as it came.
    pub bytes: Vec<u8>,
}

impl Asked {
    /// The value of a header, whose name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The fields of a form that came.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    pub fn form(&self) -> BTreeMap<String, String> {
        let pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
    }
}

/// A part of a form, without its escapes.
fn decoded(part: &str) -> String {
    let mut bytes = part.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next().expect("two digits")).to_digit(16).expect("a digit");
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit() * 16 + digit()).expect("a byte"),
            other => other,
        });
    }
    String::from_utf8(out).expect("text")
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status and a body, which is taken to be JSON.
    Body(u16, String),
    /// A page in Prometheus' text format.
    Page(String),
    /// Nothing, for as long as who asked will wait.
    Silence,
}

impl Answer {
    /// `body`, with status 200.
    #[must_use]
    pub fn ok(body: impl Into<String>) -> Self {
        Self::Body(200, body.into())
    }

    /// As Prometheus answers an instant query now: a vector of `value`, or of nothing.
    ///
    /// # Panics
    ///
    /// Where the clock is before 1970.
    #[must_use]
    pub fn instant(value: Option<&str>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let result: Vec<Value> = value.iter().map(|value| json!({ "metric": {}, "value": [now, value] })).collect();
        let data = json!({ "resultType": "vector", "result": result });
        Self::ok(json!({ "status": "success", "data": data }).to_string())
    }
}

/// An address of 127.0.0.1 that nobody listens at now, and most likely nobody still when a program gets to it.
///
/// # Errors
///
/// Why there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

type Answering = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server. It ends, with all of its threads, when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    answering: Box<Answering>,
    tls: Option<Arc<ServerConfig>>,
    asked: Mutex<Vec<Asked>>,
    connections: Mutex<Vec<(TcpStream, JoinHandle<()>)>>,
    ended: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Server {
    /// Answers as `answering` says.
    ///
    /// # Panics
    ///
    /// When no port can be had: a test can't go on without.
    pub fn start(answering: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::of(Box::new(answering), None)
    }

    /// The same over TLS, with a certificate of [`AUTHORITY`] for localhost and 127.0.0.1.
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    pub fn start_tls(answering: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a key of the certificate");
        Self::of(Box::new(answering), Some(Arc::new(config)))
    }

    fn of(answering: Box<Answering>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let shared = Arc::new(Shared {
            answering,
            tls,
            asked: Mutex::default(),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where it listens: `127.0.0.1:1234`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address with the scheme: `http://127.0.0.1:1234`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// All that was asked for so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            // Who has gone again wants nothing.
            let Ok(stream) = stream else { continue };
            let Ok(known) = stream.try_clone() else { continue };
            let shared = Arc::clone(self);
            let serving = std::thread::spawn(move || shared.serve(stream));
            self.connections.lock().unwrap_or_else(PoisonError::into_inner).push((known, serving));
        }
    }

    fn serve(&self, stream: TcpStream) {
        let served = match &self.tls {
            None => self.speak(stream),
            Some(config) => ServerConnection::new(Arc::clone(config))
                .map_err(io::Error::other)
                .and_then(|connection| self.speak(StreamOwned::new(connection, stream))),
        };
        // Whoever asked sees an answer that is none, and a test that doesn't expect it fails there.
        if let Err(error) = served {
            eprintln!("a request was not answered: {error}");
        }
    }

    fn speak(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let Some(asked) = read(&mut stream)? else { return Ok(()) };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        match (self.answering)(&asked) {
            Answer::Body(status, body) => answer(stream.get_mut(), status, "application/json", &body),
            Answer::Page(body) => answer(stream.get_mut(), 200, "text/plain; version=0.0.4", &body),
            // Until the other side, or the server, ends it.
            Answer::Silence => match stream.read_to_end(&mut Vec::new()) {
                Ok(_) | Err(_) => Ok(()),
            },
        }
    }
}

fn answer(out: &mut impl Write, status: u16, kind: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        out,
        "HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    out.flush()
}

/// The request that comes; none where the other side only looked whether somebody is there.
fn read(stream: &mut impl io::BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(ToOwned::to_owned);
    let mut asked = Asked {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        version: words.next().unwrap_or_default(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    asked.bytes = body;
    Ok(Some(asked))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the one that accepts, to see that it has ended.
        drop(TcpStream::connect(self.address));
        if self.accepting.take().is_some_and(|accepting| accepting.join().is_err()) {
            eprintln!("the server's thread panicked");
        }
        let connections: Vec<_> =
            self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for (stream, serving) in connections {
            // One that the other side has ended can't be ended again.
            drop(stream.shutdown(Shutdown::Both));
            if serving.join().is_err() {
                eprintln!("a thread that answered panicked");
            }
        }
    }
}
