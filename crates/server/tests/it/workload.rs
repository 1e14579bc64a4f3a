//! A workload that several instances see: a server that tells one count, and keeps who wrote which.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use setpoint::{BoxFuture, HandlerError, Instance, ReplicaCount, ResourceHandler, TargetRef, Update};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

/// One write that came, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// The process that wrote.
    pub(crate) writer: u32,
    /// Which workload.
    pub(crate) name: String,
}

/// Tells whoever asks of two replicas, whatever was written: as if somebody undid each write at once. So there is something
/// to write at each look.
pub(crate) struct Workloads {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    writes: Vec<Write>,
    /// Who is to be stopped in the middle of its next write.
    stop: Option<u32>,
}

impl Workloads {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // One after the other: that makes an order of them. One who gave up gets no answer.
                let _gone = stream.and_then(|stream| answer(&stream, &shared));
            }
        });
        Self { address, state }
    }

    pub(crate) fn writes(&self) -> Vec<Write> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).writes.clone()
    }

    /// How often `writer` wrote the count of `name`.
    pub(crate) fn count(&self, writer: u32, name: &str) -> usize {
        self.writes().iter().filter(|write| write.writer == writer && write.name == name).count()
    }

    /// Stops `writer` in the middle of its next write: that has come, and its end is not known to it.
    pub(crate) fn stop_in_its_next_write(&self, writer: u32) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stop = Some(writer);
    }
}

fn answer(stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut stream = stream;
    let &["write", writer, name] = words.as_slice() else { return stream.write_all(b"2\n") };
    let writer = writer.parse().map_err(io::Error::other)?;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.writes.push(Write { writer, name: name.to_owned() });
    if state.stop == Some(writer) {
        state.stop = None;
        signal(writer, "STOP");
    }
    stream.write_all(b"2\n")
}

/// Sends a process a signal.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{process} is gone");
}

/// Scales the workloads at an address.
#[derive(Debug)]
pub(crate) struct Remote(pub(crate) SocketAddr);

impl Remote {
    async fn ask(&self, line: &str) -> io::Result<u32> {
        let mut stream = tokio::net::TcpStream::connect(self.0).await?;
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        tokio::io::BufReader::new(stream).read_line(&mut answer).await?;
        answer.trim().parse().map_err(io::Error::other)
    }
}

fn failed(action: &'static str, target: &TargetRef, error: io::Error) -> HandlerError {
    HandlerError::Failed { action, target: Box::new(target.clone()), source: error.into() }
}

impl ResourceHandler for Remote {
    fn supports(&self, _: &TargetRef) -> bool {
        true
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        Box::pin(async move {
            let count = self.ask("read\n").await.map_err(|error| failed("reading the count", target, error))?;
            Ok(ReplicaCount::asked(count))
        })
    }

    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>> {
        Box::pin(async move {
            let line = format!("write {} {}\n", std::process::id(), target.name);
            let from = self.ask(&line).await.map_err(|error| failed("scaling", target, error))?;
            Ok(Update::Written { from, to: desired })
        })
    }

    fn instances<'a>(&'a self, _: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        Box::pin(std::future::ready(Ok(json!({ "targetRef": target }))))
    }
}
