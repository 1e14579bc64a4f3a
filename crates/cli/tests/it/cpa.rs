//! Custom Pod Autoscaler's tutorial, from its files to a count.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint_testkit::guests::root;
use setpoint_testkit::required::skip;

use crate::running::Running;
use crate::{Folder, setpoint};

/// The command, and where it listens.
struct Served {
    running: Running,
    address: String,
}

impl Served {
    fn start(command: &mut Command) -> Self {
        let mut running = Running::start(command.stderr(Stdio::piped()));
        let said = BufReader::new(running.child.stderr.take().expect("piped"));
        let (heard, addresses) = channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                eprintln!("{line}");
                if let Some((_, address)) = line.split_once("listening on http://") {
                    heard.send(address.to_owned()).expect("somebody waits");
                }
            }
        });
        let address = addresses.recv_timeout(Duration::from_secs(60)).expect("it listens within a minute");
        Self { running, address }
    }

    fn ask(&self, request: &str) -> Value {
        let mut connection = TcpStream::connect(&self.address).expect("it listens");
        write!(connection, "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

/// The tutorial's folder with its files, and `config.yaml` with its programs there and not in the root.
fn tutorial() -> Option<Folder> {
    if !Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        skip("python", "python3 runs the tutorial's programs");
        return None;
    }
    let folder = Folder::new();
    let from = root().join("crates/cpa/tests/it/tutorial");
    for file in ["metric.py", "evaluate.py", "config.yaml", "deployment.yaml"] {
        let text = fs::read_to_string(from.join(file)).expect(file);
        let here = format!("python3 {}/", folder.path().display());
        folder.write(file, text.replace("python /", &here).replace("2500", "25000"));
    }
    Some(folder)
}

fn run(folder: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> Served {
    let mut command = setpoint();
    command.current_dir(folder.path()).args(["cpa", "run", "--config", "config.yaml", "--listen", "127.0.0.1:0"]);
    Served::start(command.args(arguments).envs(variables.iter().copied()))
}

#[test]
fn the_tutorial_scales_what_its_manifest_describes() {
    let Some(folder) = tutorial() else { return };
    let served = run(&folder, &["--manifest", "deployment.yaml"], &[("interval", "3600000")]);
    let asked = served.ask("POST /api/v1/evaluation?dry_run=true");
    assert_eq!((&asked["targetReplicas"], &asked["currentReplicas"]), (&5.into(), &1.into()), "{asked}");
    let metrics = json!([{ "resource": "hello-kubernetes", "value": "5" }]);
    assert_eq!(served.ask("GET /api/v1/metrics"), metrics);
    assert_eq!(served.ask("POST /api/v1/evaluation")["target_replicas"], 5);
    let line = served.running.line();
    assert!(line.contains("1 -> 5") && line.contains("the evaluate program answered 5"), "{line}");
    assert_eq!(served.ask("POST /api/v1/nothing")["code"], 404);
    assert_eq!(served.running.end(), Some(0));

    // By itself, each second, within what the environment says, as JSON.
    let variables = [("interval", "1000"), ("maxReplicas", "4"), ("apiConfig", "{enabled: true, port: 1}")];
    let served = run(&folder, &["--manifest", "deployment.yaml", "--json"], &variables);
    let looks: [Value; 2] = std::array::from_fn(|_| serde_json::from_str(&served.running.line()).expect("JSON"));
    assert_eq!((&looks[0]["answer"], &looks[0]["written"]), (&5.into(), &json!({ "from": 1, "to": 4 })), "{looks:?}");
    assert_eq!((&looks[1]["current"], &looks[1]["written"]), (&4.into(), &Value::Null), "{looks:?}");
    assert_eq!((&looks[1]["runType"], &looks[1]["metrics"]), (&"scaler".into(), &metrics));
    assert_eq!(served.running.end(), Some(0));

    // A workload of no more than a count has no label: that is what the program says, and nothing changes.
    let served = run(&folder, &["--workload", "Deployment/default/hello-kubernetes=3", "--json"], &variables);
    let look: Value = serde_json::from_str(&served.running.line()).expect("JSON");
    let failure = look["failure"].as_str().expect("a failure");
    assert!(failure.starts_with("no metric of hello-kubernetes: ") && failure.contains("labels"), "{failure}");
    assert_eq!(served.running.end(), Some(0));
}

/// The autoscaler as the operator starts it: what is scaled is in the environment.
#[cfg(feature = "cluster")]
#[test]
fn the_tutorial_scales_a_deployment_of_a_cluster() {
    use setpoint_testkit::cluster::{Cluster, ClusterOptions};

    let Some(folder) = tutorial() else { return };
    let Some(cluster) = Cluster::start(ClusterOptions::default()) else { return };
    let kubeconfig = cluster.kubeconfig().display().to_string();
    cluster.kubectl(&["apply", "-f", &folder.path().join("deployment.yaml").display().to_string()]).expect("applied");
    let target = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "name": "hello-kubernetes"}"#;
    let variables = [("scaleTargetRef", target), ("namespace", "default"), ("interval", "1000")];
    let served = run(&folder, &["--cluster", "--kubeconfig", &kubeconfig], &variables);
    let line = served.running.line();
    assert!(line.contains("1 -> 5"), "{line}");
    let replicas = "jsonpath={.spec.replicas}";
    let replicas = || cluster.kubectl(&["get", "deployment/hello-kubernetes", "-o", replicas]).expect("a count");
    assert_eq!(replicas(), "5");
    cluster.kubectl(&["label", "deployment/hello-kubernetes", "--overwrite", "numPods=2"]).expect("a label");
    let line = served.running.line();
    assert!(line.contains("5 -> 2") && replicas() == "2", "{line}: {}", replicas());
    assert_eq!(served.running.end(), Some(0));
}

#[test]
fn what_can_t_be_run_is_said_with_its_place() {
    let folder = Folder::new();
    let method = |timeout: &str| format!("{{ type: shell, timeout: {timeout}, shell: 'true' }}");
    let good = format!("metric: {0}\nevaluate: {0}\n", method("100"));
    folder.write("good.yaml", &good);
    folder.write("bad.yaml", format!("metric: {}\nevaluate: {}\n", method("100"), method("0")));
    folder.write("manifest.yaml", "kind: Deployment\nmetadata: { name: a }\n");
    // A name, the configuration, what else is said, a variable of the environment, and what is complained of.
    type Case<'a> = (&'a str, &'a str, &'a str, Option<(&'a str, &'a str)>, &'a str);
    let (workload, both) =
        ("--workload=Deployment/default/a=1", "--workload=Deployment/default/a=1 --manifest=manifest.yaml");
    let other = "{apiVersion: apps/v1, kind: Deployment, name: b}";
    let cases: [Case<'_>; 9] = [
        ("no place", "good.yaml", "", None, "--workload"),
        ("two places", "good.yaml", both, None, "cannot be used with"),
        ("no file", "none.yaml", workload, None, "none.yaml: can't be read"),
        ("a field", "bad.yaml", workload, None, "bad.yaml:2:26: evaluate.timeout: must be at least 1 ms"),
        (
            "a variable",
            "good.yaml",
            workload,
            Some(("interval", "soon")),
            "interval: the environment variable: \"soon\" is no whole number",
        ),
        (
            "a variable's meaning",
            "good.yaml",
            workload,
            Some(("interval", "10")),
            "the environment's interval: interval: must be at least 1000 ms",
        ),
        ("a manifest", "good.yaml", "--manifest=manifest.yaml", None, "manifest.yaml:1:1: missing field `apiVersion`"),
        (
            "another target",
            "good.yaml",
            workload,
            Some(("scaleTargetRef", other)),
            "it is apps/v1 Deployment default/b, and what is in memory apps/v1 Deployment default/a",
        ),
        ("no memory", "good.yaml", "--program-memory=0", None, "at least 1 byte"),
    ];
    for (name, config, arguments, variable, says) in cases {
        let mut command = setpoint();
        command.current_dir(folder.path()).args(["cpa", "run", "--config", config]).args(arguments.split_whitespace());
        let output = command.envs(variable).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(says), "{name}: {said}");
    }
}
