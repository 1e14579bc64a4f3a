//! A real Kubernetes control plane for tests, of the programs that `cargo xtask kube-env` builds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::program::{Running, ready_in_time};
use crate::required;

/// What the control plane is to have.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Also controllers, a scheduler and so many fake nodes: then workloads get pods.
    pub nodes: Option<u32>,
    /// Further flags of kube-controller-manager.
    pub controller_manager_flags: Vec<String>,
}

/// A control plane on free ports of 127.0.0.1. It ends with this value, and with the process, however that ends.
#[derive(Debug)]
pub struct Cluster {
    bin: PathBuf,
    folder: TempDir,
    ports: HashMap<String, u16>,
    running: HashMap<&'static str, Running>,
    options: ClusterOptions,
}

impl Cluster {
    /// A control plane, or none where its programs aren't here: that is said, and it is a panic where `cluster` is
    /// [required](required::is_required).
    ///
    /// # Panics
    ///
    /// When it doesn't start: a test can't go on without.
    #[must_use]
    pub fn start(options: ClusterOptions) -> Option<Self> {
        let Some(bin) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
            required::skip("cluster", "`export KUBEBUILDER_ASSETS=$(cargo xtask kube-env)` builds it");
            return None;
        };
        Some(Self::of(bin, options).unwrap_or_else(|problem| panic!("the control plane did not start: {problem}")))
    }

    fn of(bin: PathBuf, options: ClusterOptions) -> Result<Self, String> {
        let folder =
            tempfile::Builder::new().prefix("setpoint-cluster").tempdir().map_err(|error| error.to_string())?;
        let setup = Command::new(bin.join("kubeenv")).arg("setup").arg(folder.path()).output();
        let setup = setup.map_err(|error| format!("{}: {error}", bin.display()))?;
        if !setup.status.success() {
            return Err(String::from_utf8_lossy(&setup.stderr).into_owned());
        }
        let written = fs::read_to_string(folder.path().join("env")).map_err(|error| error.to_string())?;
        let port = |line: &str| {
            let (name, port) = line.split_once("_PORT=")?;
            Some((name.to_owned(), port.parse().ok()?))
        };
        let ports = written.lines().filter_map(port).collect();
        let mut cluster = Self { bin, folder, ports, running: HashMap::new(), options };
        cluster.start_etcd()?;
        cluster.start_api()?;
        if let Some(nodes) = cluster.options.nodes {
            cluster.start_controllers(nodes)?;
        }
        Ok(cluster)
    }

    /// An administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The address of the API.
    #[must_use]
    pub fn api(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports["API"])
    }

    /// What kubectl prints, as an administrator; else what it complains of.
    ///
    /// # Errors
    ///
    /// Its standard error, when it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.kubectl_with(arguments, "")
    }

    /// The same, with `input` on its standard input.
    ///
    /// # Errors
    ///
    /// As for [`kubectl`](Self::kubectl).
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        // A file, and one of its own: a pipe would want somebody to write into it meanwhile.
        let stdin = || -> io::Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(input.as_bytes())?;
            file.rewind()?;
            Ok(file)
        };
        let output = Command::new(self.bin.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            // Nothing of it belongs to a home folder.
            .arg(format!("--cache-dir={}", self.folder.path().join("cache").display()))
            .args(arguments)
            .stdin(stdin().map_err(|error| error.to_string())?)
            .output()
            .map_err(|error| format!("kubectl can't be run: {error}"))?;
        said(output)
    }

    /// What Helm prints, as an administrator; else what it complains of.
    ///
    /// # Errors
    ///
    /// Its standard error, when it fails.
    pub fn helm(&self, arguments: &[&str]) -> Result<String, String> {
        let mut helm = Command::new(self.bin.join("helm"));
        helm.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments).stdin(Stdio::null());
        for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(home, self.folder.path().join("helm"));
        }
        said(helm.output().map_err(|error| format!("helm can't be run: {error}"))?)
    }

    /// What a shell prints that runs `script` in `folder`, where `kubectl` is of this cluster: as documents have it printed.
    ///
    /// # Errors
    ///
    /// Its standard error, when it fails.
    pub fn shell(&self, folder: &Path, script: &str) -> Result<String, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.bin.clone()).chain(std::env::split_paths(&path));
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(folder)
            .env("PATH", std::env::join_paths(path).map_err(|error| error.to_string())?)
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
            .output()
            .map_err(|error| format!("no shell can be run: {error}"))?;
        said(output)
    }

    /// Applies a manifest in `namespace`.
    ///
    /// # Panics
    ///
    /// With what kubectl says, when it isn't taken.
    pub fn apply(&self, namespace: &str, manifest: &str) {
        let applied = self.kubectl_with(&["-n", namespace, "apply", "-f", "-"], manifest);
        applied.unwrap_or_else(|problem| panic!("{problem}\n{manifest}"));
    }

    /// Applies the definition of a kind, and waits until there can be objects of it.
    ///
    /// # Panics
    ///
    /// With what kubectl says, when it isn't taken, or not established in time.
    pub fn define(&self, definition: &str) {
        self.apply("default", definition);
        self.established();
    }

    /// Waits until there can be objects of each kind that has a definition.
    ///
    /// # Panics
    ///
    /// As for [`define`](Self::define).
    pub fn established(&self) {
        let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=1s"];
        // One that has no conditions at all yet is an error to kubectl, for which it doesn't wait.
        self.wait_for("kube-apiserver", |cluster| cluster.kubectl(&wait)).unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// What `kubectl get` says of the field of an object at a JSON path, as `.spec.replicas`; or what it complains of.
    #[must_use]
    pub fn field(&self, namespace: &str, object: &str, path: &str) -> String {
        let path = format!("jsonpath={{{path}}}");
        self.kubectl(&["-n", namespace, "get", object, "-o", &path]).unwrap_or_else(|problem| problem)
    }

    /// The names of the pods in `namespace` whose label `app` is `app`.
    ///
    /// # Panics
    ///
    /// When kubectl fails.
    #[must_use]
    pub fn pods(&self, namespace: &str, app: &str) -> Vec<String> {
        let selector = format!("app={app}");
        let names = ["-n", namespace, "get", "pods", "-l", &selector, "-o", "jsonpath={.items[*].metadata.name}"];
        self.kubectl(&names).expect("a list").split_whitespace().map(ToOwned::to_owned).collect()
    }

    /// Ends the API server at once, as a crash would. What it knew is kept.
    pub fn stop_api(&mut self) {
        self.running.remove("kube-apiserver");
    }

    /// Starts the API server on its port.
    ///
    /// # Errors
    ///
    /// What its log ends with, when it isn't ready in time.
    pub fn start_api(&mut self) -> Result<(), String> {
        let pki = self.folder.path().join("pki");
        let file = |flag: &str, name: &str| format!("--{flag}={}", pki.join(name).display());
        // Without the controllers nobody makes the service account that this plugin asks of each pod.
        let plugins = if self.options.nodes.is_some() { "" } else { "ServiceAccount" };
        let flags = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports["ETCD"]),
            format!("--secure-port={}", self.ports["API"]),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            file("client-ca-file", "ca.crt"),
            file("token-auth-file", "tokens.csv"),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            file("service-account-key-file", "sa.pub"),
            file("service-account-signing-key-file", "sa.key"),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            file("requestheader-client-ca-file", "ca.crt"),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            file("proxy-client-cert-file", "front-proxy.crt"),
            file("proxy-client-key-file", "front-proxy.key"),
            format!("--disable-admission-plugins={plugins}"),
            "--allow-privileged=true".to_owned(),
        ];
        self.start_program("kube-apiserver", &flags)?;
        self.wait_for("kube-apiserver", |cluster| cluster.kubectl(&["get", "--raw", "/readyz"]))
    }

    fn start_etcd(&mut self) -> Result<(), String> {
        let (client, peer) = (self.ports["ETCD"], self.ports["ETCD_PEER"]);
        let flags = [
            format!("--data-dir={}", self.folder.path().join("etcd").display()),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        ];
        self.start_program("etcd", &flags)
    }

    fn start_controllers(&mut self, nodes: u32) -> Result<(), String> {
        let folder = self.folder.path().to_owned();
        let kubeconfig =
            |flag: &str, whose: &str| format!("--{flag}={}", folder.join(format!("{whose}.kubeconfig")).display());
        let manager = [
            kubeconfig("kubeconfig", "controller-manager"),
            kubeconfig("authentication-kubeconfig", "controller-manager"),
            kubeconfig("authorization-kubeconfig", "controller-manager"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.ports["KCM"]),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", folder.join("pki/sa.key").display()),
            format!("--root-ca-file={}", folder.join("pki/ca.crt").display()),
        ];
        let manager: Vec<String> = manager.into_iter().chain(self.options.controller_manager_flags.clone()).collect();
        self.start_program("kube-controller-manager", &manager)?;
        let scheduler = [
            kubeconfig("kubeconfig", "scheduler"),
            kubeconfig("authentication-kubeconfig", "scheduler"),
            kubeconfig("authorization-kubeconfig", "scheduler"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.ports["SCHEDULER"]),
            "--leader-elect=false".to_owned(),
        ];
        self.start_program("kube-scheduler", &scheduler)?;
        let stages = Command::new(self.bin.join("kubeenv")).arg("kwok-stages").output();
        let stages = stages.map_err(|error| error.to_string())?.stdout;
        let kwok = folder.join("kwok.yaml");
        fs::write(&kwok, stages).map_err(|error| error.to_string())?;
        let flags = [
            format!("--kubeconfig={}", self.kubeconfig().display()),
            format!("--config={}", kwok.display()),
            "--manage-all-nodes".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
            "--cidr=10.1.0.0/16".to_owned(),
            format!("--server-address=127.0.0.1:{}", self.ports["KWOK"]),
        ];
        self.start_program("kwok", &flags)?;
        let room = r#"{cpu: "32", memory: 256Gi, pods: "2000"}"#;
        let node = |node| {
            format!(
                "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{node}, labels: {{type: kwok}}}}\n\
                 status: {{allocatable: {room}, capacity: {room}}}\n"
            )
        };
        self.kubectl_with(&["create", "-f", "-"], &(0..nodes).map(node).collect::<String>())?;
        self.wait_for("kube-controller-manager", |cluster| cluster.kubectl(&["get", "serviceaccount", "default"]))?;
        if nodes == 0 {
            return Ok(());
        }
        self.wait_for("kwok", |cluster| {
            cluster.kubectl(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=1s"])
        })
    }

    fn start_program(&mut self, name: &'static str, flags: &[String]) -> Result<(), String> {
        let running = Running::start(&self.bin.join(name), flags, &self.log(name));
        self.running.insert(name, running.map_err(|error| format!("{name}: {error}"))?);
        Ok(())
    }

    fn wait_for(&self, name: &str, ready: impl Fn(&Self) -> Result<String, String>) -> Result<(), String> {
        ready_in_time(name, &self.log(name), || ready(self).map(drop))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }
}

/// What a program printed; else what it complained of.
fn said(output: Output) -> Result<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A manifest of `kind`, of those that have pods, whose pods nobody runs.
#[must_use]
pub fn workload(kind: &str, name: &str, replicas: u32) -> String {
    let service = if kind == "StatefulSet" { "\n  serviceName: none" } else { "" };
    format!(
        "apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  replicas: {replicas}{service}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: none}}]}}
"
    )
}
