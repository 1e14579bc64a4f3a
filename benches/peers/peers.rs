//! What does the same decision cost elsewhere: as a native algorithm, as a plugin of ours, as an Extism plug-in, through
//! a child process with JSON over pipes, and through gRPC over a Unix socket?
//!
//! All of them decide by `capped-smooth-ratio` over the same looks, and have to answer alike before they are measured.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use extism::convert::Json;
use serde_json::json;
use setpoint::{AlgorithmSpec, Observation, Registry, ScalingAlgorithm, Trace};
use setpoint_benches::{Looks, metrics};
use setpoint_peers::grpc::scaling_client::ScalingClient;
use setpoint_peers_wire::{Answer, Look, METRICS, algorithm};
use setpoint_testkit::guests;
use setpoint_wasm::{Plugin, PluginHost};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

/// Where the Extism plug-in lies.
const EXTISM_GUEST: &str = "SETPOINT_EXTISM_GUEST";

/// Who decides.
trait Peer {
    fn decide(&mut self, look: &Observation<'_>) -> Answer;
}

/// In this process: natively, or as a plugin of ours.
struct Ours(Box<dyn ScalingAlgorithm>);

impl Ours {
    fn plugin() -> Self {
        let host = PluginHost::new().expect("a host");
        let plugin = Plugin::load(&host, &guests::component("capped-smooth-ratio")).expect("a good component");
        let mut registry = Registry::empty();
        registry.register_algorithm("plugin", plugin).expect("free");
        let spec = AlgorithmSpec::named("plugin", json!({}));
        Self(registry.build(&spec, &metrics(METRICS)).expect("a good configuration"))
    }
}

impl Peer for Ours {
    fn decide(&mut self, look: &Observation<'_>) -> Answer {
        Answer::of(self.0.evaluate(look, &mut Trace::off()).ok())
    }
}

struct Extism(extism::Plugin);

impl Extism {
    fn new() -> Self {
        let path = std::env::var_os(EXTISM_GUEST).map(std::path::PathBuf::from);
        let path = path.unwrap_or_else(|| panic!("{EXTISM_GUEST} names no plug-in: run `cargo xtask peers`"));
        let module = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let manifest = extism::Manifest::new([extism::Wasm::data(module)]);
        Self(extism::Plugin::new(manifest, [], false).expect("a good plug-in"))
    }
}

impl Peer for Extism {
    fn decide(&mut self, look: &Observation<'_>) -> Answer {
        let Json(answer): Json<Answer> = self.0.call("evaluate", Json(Look::of(look))).expect("an answer");
        answer
    }
}

/// Ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Pipes {
    _process: Process,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    line: Vec<u8>,
    answer: String,
}

impl Pipes {
    fn new() -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_child"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built with the bench");
        let mut process = Process(child);
        let to = process.0.stdin.take().expect("piped");
        let from = BufReader::new(process.0.stdout.take().expect("piped"));
        Self { _process: process, to, from, line: Vec::new(), answer: String::new() }
    }
}

impl Peer for Pipes {
    fn decide(&mut self, look: &Observation<'_>) -> Answer {
        self.line.clear();
        self.answer.clear();
        serde_json::to_writer(&mut self.line, &Look::of(look)).expect("plain data");
        self.line.push(b'\n');
        self.to.write_all(&self.line).expect("it reads");
        self.from.read_line(&mut self.answer).expect("it writes");
        serde_json::from_str(&self.answer).expect("an answer")
    }
}

struct Grpc {
    _process: Process,
    _folder: tempfile::TempDir,
    runtime: Runtime,
    client: ScalingClient<Channel>,
}

impl Grpc {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let child = Command::new(env!("CARGO_BIN_EXE_sidecar"))
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built with the bench");
        let mut process = Process(child);
        let mut ready = String::new();
        BufReader::new(process.0.stdout.take().expect("piped")).read_line(&mut ready).expect("it listens");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).expect("a path");
        let client = runtime.block_on(ScalingClient::connect(endpoint)).expect("it listens");
        Self { _process: process, _folder: folder, runtime, client }
    }
}

impl Peer for Grpc {
    fn decide(&mut self, look: &Observation<'_>) -> Answer {
        let answer = self.runtime.block_on(self.client.evaluate(setpoint_peers::grpc::Look::from(Look::of(look))));
        Answer { replicas: answer.expect("an answer").into_inner().replicas }
    }
}

/// How many looks have to be answered alike: each reading of [`Looks`] once.
const ALIKE: usize = 64;

fn measure(criterion: &mut Criterion, name: &str, mut peer: impl Peer) {
    let (mut native, mut looks) = (Ours(algorithm()), Looks::new(METRICS));
    for number in 0..ALIKE {
        let look = looks.look();
        assert_eq!(peer.decide(&look), native.decide(&look), "{name}, look {number}");
    }
    criterion.bench_function(name, |bencher| bencher.iter(|| black_box(peer.decide(black_box(&looks.look())))));
}

fn peers(criterion: &mut Criterion) {
    measure(criterion, "native", Ours(algorithm()));
    measure(criterion, "plugin", Ours::plugin());
    measure(criterion, "extism", Extism::new());
    measure(criterion, "child process, JSON over pipes", Pipes::new());
    measure(criterion, "sidecar, gRPC over a Unix socket", Grpc::new());
}

criterion_group!(benches, peers);
criterion_main!(benches);
