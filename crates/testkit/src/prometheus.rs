//! A real Prometheus, and what it scrapes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::http::{Answer, Server, free_address};
use crate::program::{Running, ready_in_time};
use crate::required;

/// A Prometheus on a free port of 127.0.0.1 that scrapes each second. It ends with this value, and with the process.
#[derive(Debug)]
pub struct Prometheus {
    running: Option<Running>,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes `targets`; none where the program isn't here: that is said, and it is a panic where `prometheus` is
    /// [required](required::is_required).
    ///
    /// # Panics
    ///
    /// When it doesn't start: a test can't go on without.
    #[must_use]
    pub fn start(targets: &[&Exporter]) -> Option<Self> {
        if Command::new("prometheus").arg("--version").output().is_err() {
            required::skip("prometheus", "Debian's package `prometheus` has it");
            return None;
        }
        Some(Self::scraping(targets).unwrap_or_else(|problem| panic!("Prometheus did not start: {problem}")))
    }

    fn scraping(targets: &[&Exporter]) -> Result<Self, String> {
        let said = |error: io::Error| error.to_string();
        let folder = tempfile::Builder::new().prefix("setpoint-prometheus").tempdir().map_err(said)?;
        let targets: Vec<String> = targets.iter().map(|exporter| exporter.server.address()).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: {targets:?}}}]}}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).map_err(said)?;
        let address = free_address().map_err(said)?;
        let flags = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address={address}"),
        ];
        let log = folder.path().join("log");
        let running = Running::start(Path::new("prometheus"), &flags, &log).map_err(said)?;
        ready_in_time("prometheus", &log, || is_ready(address).map_err(said))?;
        Ok(Self { running: Some(running), address, _folder: folder })
    }

    /// Its address, as a policy has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it at once, as a crash would.
    pub fn stop(&mut self) {
        self.running = None;
    }
}

fn is_ready(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    if status.contains(" 200 ") { Ok(()) } else { Err(io::Error::other(status.to_owned())) }
}

/// A program with metrics that a test sets: gauges, served at every path.
#[derive(Debug)]
pub struct Exporter {
    server: Server,
    gauges: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Exporter {
    /// One without metrics, on a free port of 127.0.0.1. It ends with this value.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let gauges: Arc<Mutex<BTreeMap<String, f64>>> = Arc::default();
        let served = Arc::clone(&gauges);
        let server = Server::start(move |_| {
            let gauges = served.lock().unwrap_or_else(PoisonError::into_inner);
            Answer::Page(gauges.iter().map(|(series, value)| format!("{series} {value}\n")).collect())
        });
        Self { server, gauges }
    }

    /// Sets the gauge `series`, as `queue_depth` or `queue_depth{queue="a"}`.
    pub fn set(&self, series: &str, value: f64) {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).insert(series.to_owned(), value);
    }
}
