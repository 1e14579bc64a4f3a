//! A server as a process of its own, `curl`, and PostgreSQL.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setpoint::{Handlers, InMemoryHandler, TargetRef};
use setpoint_runtime::Source;
use setpoint_runtime::source::{Fetch, Prometheus, PrometheusServer};
use setpoint_server::{Queries, Server, Settings, Token, Webhook};
use setpoint_testkit::required::skip;
use tempfile::TempDir;

use crate::workload::{Remote, Workloads};

/// How long anything is waited for that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The workloads of the guide, and how many replicas each begins with.
pub(crate) const WORKLOADS: [(&str, &str, &str, u32); 5] = [
    ("Deployment", "default", "nginx-deployment", 2),
    ("Deployment", "ml-workloads", "ai-training-job", 1),
    ("Deployment", "production", "web-frontend", 2),
    ("Deployment", "ml", "ai-inference", 1),
    ("StatefulSet", "research", "model-training", 1),
];

const DATABASE: &str = "SETPOINT_TEST_DATABASE";
const TOKEN: &str = "SETPOINT_TEST_TOKEN";
const RATE: &str = "SETPOINT_TEST_RATE";
const WORKLOADS_AT: &str = "SETPOINT_TEST_WORKLOADS";
const PROMETHEUS: &str = "SETPOINT_TEST_PROMETHEUS";
const WEBHOOKS: &str = "SETPOINT_TEST_WEBHOOKS";
const SECRET: &str = "SETPOINT_TEST_SECRET";

/// Not a test but the process that others start: this binary again.
#[test]
fn a_server_when_asked_to_be_one() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(database) = std::env::var(DATABASE) else { return Ok(()) };
    let mut settings = Settings::default();
    settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.database = database;
    settings.interval = Duration::from_secs(1);
    settings.lease = Settings::SHORTEST_LEASE;
    settings.token = std::env::var(TOKEN).ok().map(|token| Token::new(&token)).transpose()?;
    settings.requests_per_second =
        std::env::var(RATE).ok().map_or(Ok(settings.requests_per_second), |rate| rate.parse())?;
    if let (Ok(urls), Ok(secret)) = (std::env::var(WEBHOOKS), std::env::var(SECRET)) {
        settings.webhooks = urls.split(' ').map(|url| Webhook::new(url)?.signed(&secret)).collect::<Result<_, _>>()?;
    }
    let mut sources = Vec::<Arc<dyn Source>>::new();
    if let Ok(address) = std::env::var(PROMETHEUS) {
        sources.push(Arc::new(
            Queries::default().asked_of(Prometheus::new(Fetch::new()?, Some(PrometheusServer::new(address)))),
        ));
    }
    let target = |kind: &str, namespace: &str, name: &str| TargetRef {
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
    };
    let workloads = WORKLOADS.map(|(kind, namespace, name, count)| (target(kind, namespace, name), count));
    let handlers = match std::env::var(WORKLOADS_AT) {
        Ok(address) => Handlers::new().with_fallback(Arc::new(Remote(address.parse()?))),
        Err(_) => Handlers::new().with_fallback(Arc::new(InMemoryHandler::new(workloads))),
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let server = Server::start(settings, handlers, sources).await?;
        eprintln!("listening on {}", server.address()?);
        server.run(std::future::pending()).await
    })?;
    Ok(())
}

/// A server in a process of its own. Killed when dropped: no goodbye, as in a crash.
pub(crate) struct Served {
    process: Child,
    pub(crate) address: String,
    token: Option<String>,
}

impl Served {
    pub(crate) fn start(database: &str) -> Self {
        Self::with(database, &[])
    }

    pub(crate) fn with_token(database: &str, token: &str) -> Self {
        let mut served = Self::with(database, &[(TOKEN, token)]);
        served.token = Some(token.to_owned());
        served
    }

    pub(crate) fn with_rate(database: &str, rate: &str) -> Self {
        Self::with(database, &[(RATE, rate)])
    }

    /// One whose workloads are elsewhere.
    pub(crate) fn with_workloads(database: &str, workloads: &Workloads) -> Self {
        Self::with(database, &[(WORKLOADS_AT, &workloads.address.to_string())])
    }

    /// One that asks a Prometheus.
    pub(crate) fn with_prometheus(database: &str, url: &str) -> Self {
        Self::with(database, &[(PROMETHEUS, url)])
    }

    /// One that tells `urls`, with a space between them.
    pub(crate) fn with_webhooks(database: &str, urls: &str, secret: &str) -> Self {
        Self::with(database, &[(WEBHOOKS, urls), (SECRET, secret)])
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn with(database: &str, more: &[(&str, &str)]) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "support::a_server_when_asked_to_be_one", "--nocapture"])
            .env(DATABASE, database)
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this binary starts");
        let said = BufReader::new(process.stderr.take().expect("piped")).lines();
        let mut all = String::new();
        for line in said {
            let line = line.expect("UTF-8");
            if let Some(address) = line.strip_prefix("listening on ") {
                return Self { process, address: address.to_owned(), token: None };
            }
            all += &line;
        }
        process.wait().expect("it ends");
        panic!("the server did not start: {all}");
    }

    /// From now on requests show no token.
    pub(crate) fn forget_token(&mut self) {
        self.token = None;
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// A request, and the status and body of its answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-X", method]);
        if let Some(body) = body {
            curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        if let Some(token) = &self.token {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        answer(curl.arg(format!("http://{}{path}", self.address)))
    }

    pub(crate) fn create(&self, request: &Value) -> String {
        let (status, body) = self.ask("POST", "/api/v1/autoscaling", Some(request));
        assert_eq!(status, 201, "{body}");
        body["autoscaling_id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn details(&self, id: &str) -> Value {
        let (status, mut body) = self.ask("GET", &format!("/api/v1/autoscaling/{id}"), None);
        assert_eq!(status, 200, "{body}");
        body["details"].take()
    }

    /// The details of `id` once they are as wanted.
    #[track_caller]
    pub(crate) fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || Some(self.details(id)).filter(|details| wanted(details)))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already gone is fine.
        let _gone = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// What `look` finds, once it finds something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a `curl`, and reads status and body of the answer.
pub(crate) fn answer(curl: &mut Command) -> (u16, Value) {
    told(curl.args(["-w", "\n%{http_code}"]))
}

/// Runs what calls a `curl` that says the status last, and reads status and body of the answer.
pub(crate) fn told(call: &mut Command) -> (u16, Value) {
    let output = call.output().expect("curl is installed");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    let status = status.parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
}

/// The guide's first request, with a CPU target alone and no windows.
pub(crate) fn quick() -> Value {
    json!({
        "workload_name": "nginx-deployment", "workload_namespace": "default", "workload_type": "Deployment",
        "min_replicas": 2, "max_replicas": 10, "target_cpu_percent": 70,
        "scale_down_policy": { "stabilization_window_seconds": 0 },
    })
}

/// A folder, and a database in it.
pub(crate) fn file() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("setpoint.db").display().to_string();
    (folder, path)
}

/// A PostgreSQL of its own, in a folder that is removed with it.
pub(crate) struct Postgres {
    process: Child,
    folder: TempDir,
}

impl Postgres {
    /// None, and a word about it, where there is none.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skip("postgres", "Debian's package `postgresql` is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        // It refuses to run as root.
        let run = |program: &str| {
            if !root {
                return Command::new(programs.join(program));
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(programs.join(program));
            command
        };
        if root {
            let owned = Command::new("chown").args(["nobody:nogroup"]).arg(folder.path()).status().expect("chown");
            assert!(owned.success());
        }
        let data = folder.path().join("data");
        let made = run("initdb")
            .args(["-D"])
            .arg(&data)
            .args(["-U", "setpoint", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // A socket in the folder alone: no port to be taken by another.
        let process = run("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        let started = Self { process, folder };
        until("PostgreSQL", || {
            let asked = run("pg_isready").arg("-h").arg(started.folder.path()).output().expect("pg_isready starts");
            asked.status.success().then_some(())
        });
        Some(started)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://setpoint@localhost/postgres?host={}", self.folder.path().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT ends it and its children, where SIGKILL would leave them.
        let _asked = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ended = self.process.wait();
    }
}

/// The folder with PostgreSQL's programs: Debian has one a version, outside of the path.
fn programs() -> Option<std::path::PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).filter(|bin| bin.join("initdb").exists()).max()
}
