//! `setpoint serve` over a real Kubernetes control plane.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use setpoint_testkit::cluster::{Cluster, ClusterOptions, workload};

use crate::running::Running;
use crate::setpoint;

/// What a request is answered with, body and then status.
fn ask(method: &str, url: &str, body: &str) -> String {
    let arguments =
        ["-sS", "-w", " %{http_code}", "-H", "Content-Type: application/json", "-X", method, "-d", body, url];
    let output = Command::new("curl").args(arguments).output().expect("curl is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn workloads_of_a_cluster_are_scaled() {
    let Some(cluster) = Cluster::start(ClusterOptions::default()) else { return };
    cluster.apply("default", &workload("Deployment", "web", 2));
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = setpoint();
    command.args(["serve", "--listen", "127.0.0.1:0", "--interval", "1s", "--cluster", "--kubeconfig"]);
    command.arg(cluster.kubeconfig()).current_dir(folder.path()).stderr(Stdio::piped());
    let mut served = Running::start(&mut command);
    let said = BufReader::new(served.child.stderr.take().expect("piped")).lines();
    let mut said = said.map(|line| line.expect("UTF-8"));
    let base = said.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).expect("it listens");
    // What else it says has to be read, or it waits.
    std::thread::spawn(move || said.for_each(drop));

    let request = |name: &str| {
        format!(
            r#"{{ "workload_name": "{name}", "workload_namespace": "default", "workload_type": "Deployment",
                  "min_replicas": 1, "max_replicas": 5, "target_cpu_percent": 70 }}"#
        )
    };
    let autoscaling = format!("{base}/api/v1/autoscaling");
    let nowhere = ask("POST", &autoscaling, &request("api"));
    assert!(nowhere.contains(r#"deployment \"api\" not found"#) && nowhere.ends_with(" 500"), "{nowhere}");
    let created = ask("POST", &autoscaling, &request("web"));
    assert!(created.ends_with(" 201"), "{created}");
    let sent = ask("PUT", &format!("{base}/api/v1/readings/default/Deployment/web"), r#"{ "cpu": 175 }"#);
    assert!(sent.ends_with(" 204"), "{sent}");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let count = cluster.field("default", "deployment/web", ".spec.replicas");
        if count == "5" {
            break;
        }
        assert!(Instant::now() < end, "it has {count} replicas: {}", ask("GET", &autoscaling, ""));
        std::thread::sleep(Duration::from_millis(100));
    }
}
