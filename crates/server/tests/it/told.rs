//! Servers that this one asks and tells, each in a thread of the test.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    /// What a header says.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Answers each request as it is told to, and keeps it.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Listening {
    /// `answer` gives status and body for the requests so far, of which the last is the one to answer; none: no answer.
    pub(crate) fn start(answer: impl Fn(&[Told]) -> Option<(u16, String)> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens");
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let shared = Arc::clone(&told);
        std::thread::spawn(move || {
            let mut unanswered = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Ok(request) = read(&mut stream) else { continue };
                let mut told = shared.lock().unwrap_or_else(PoisonError::into_inner);
                told.push(request);
                match answer(&told) {
                    Some((status, body)) => {
                        let head =
                            format!("HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {}", body.len());
                        // Whoever gave up gets none.
                        let _gone = write!(stream, "{head}\r\n\r\n{body}");
                    }
                    // Kept open: it waits.
                    None => unanswered.push(stream),
                }
            }
        });
        Self { address, told }
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(stream: &mut TcpStream) -> io::Result<Told> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut told = Told { head, body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned() };
            let length = told.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() - end - 4 >= length {
                told.body.truncate(length);
                return Ok(told);
            }
        }
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&part[..count]);
    }
}
