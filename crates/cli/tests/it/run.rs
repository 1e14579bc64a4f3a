//! A pool of real processes, scaled by a real policy.

use std::fs;

use serde_json::Value;

use crate::running::Running;
use crate::setpoint;

#[test]
fn processes_come_and_go_with_the_reading_and_end_with_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let (policy, depth) = (folder.path().join("workers.yaml"), folder.path().join("depth"));
    let source = format!("{{ command: {{ command: [cat, {}] }} }}", depth.display());
    let text = format!(
        "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: {{ name: workers }}
spec:
  maxReplicas: 4
  interval: 1s
  metrics: [{{ name: queue, target: {{ averageValue: 4 }}, source: {source} }}]
  algorithm: {{ name: max-ratio }}
"
    );
    fs::write(&policy, text).expect("written");
    fs::write(&depth, "12").expect("written");
    let pids = folder.path().join("pid");
    let worker =
        format!("echo $$ > {}-$SETPOINT_INSTANCE; trap 'exit 0' TERM; while :; do sleep 0.05; done", pids.display());
    let mut command = setpoint();
    command.args(["run", "--policy"]).arg(&policy).args(["--", "sh", "-c", &worker]);
    let running = Running::start(&mut command);
    let up = running.line();
    assert!(up.contains("1 -> 3") && up.contains("queue is 12 against 4: 3 times 1 replicas"), "{up}");
    fs::write(&depth, "4").expect("written");
    let down = running.line();
    assert!(down.contains("3 -> 1") && down.contains("queue is 4"), "{down}");
    assert_eq!(running.end(), Some(0));
    for slot in 0..3 {
        let pid = fs::read_to_string(format!("{}-{slot}", pids.display())).expect("it ran");
        let gone = !fs::exists(format!("/proc/{}", pid.trim())).expect("an answer");
        assert!(gone, "process {slot} is left");
    }

    // As JSON, with a reading that can't be had.
    fs::remove_file(&depth).expect("it is there");
    let mut command = setpoint();
    command.args(["run", "--json", "--start", "2", "--policy"]).arg(&policy).args(["--", "sh", "-c", &worker]);
    let running = Running::start(&mut command);
    let look: Value = serde_json::from_str(&running.line()).expect("JSON");
    assert_eq!((&look["current"], &look["desired"], &look["written"]), (&2.into(), &2.into(), &Value::Null), "{look}");
    let why = look["readings"]["queue"]["missing"].as_str().expect("a cause");
    assert!(why.contains("No such file"), "{why}");
    assert_eq!(running.end(), Some(0));
}

/// A policy that goes down only to what was needed over ten minutes.
const CALM: &str = "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: { name: workers }
spec:
  maxReplicas: 8
  interval: 1s
  metrics: [{ name: queue, target: { averageValue: 4 }, source: { command: { command: [cat, depth] } } }]
  algorithm: { name: max-ratio }
  stages: [{ stabilized: { scaleDownWindow: 10m } }]
";

#[test]
fn a_kill_in_the_middle_of_a_window_loses_nothing_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("workers.yaml", CALM);
    write("depth", "12");
    let start = |arguments: &[&str]| {
        let mut command = setpoint();
        command.current_dir(folder.path()).args(["run", "--json", "--policy", "workers.yaml"]).args(arguments);
        command.args(["--", "sleep", "1000"]);
        Running::start(&mut command)
    };
    let look = |running: &Running| serde_json::from_str::<Value>(&running.line()).expect("JSON");
    let mut running = start(&["--state", "state"]);
    let up = look(&running);
    assert_eq!(up["written"], serde_json::json!({ "from": 1, "to": 3 }), "{up}");
    write("depth", "4");
    let held = look(&running);
    assert_eq!((&held["current"], &held["desired"]), (&3.into(), &3.into()), "{held}");
    // SIGKILL.
    running.kill();
    drop(running);

    // Three were needed within the window, of which a file tells: six are too many.
    let running = start(&["--start", "6", "--state", "state"]);
    let again = look(&running);
    assert_eq!(again["written"], serde_json::json!({ "from": 6, "to": 3 }), "{again}");
    assert_eq!(running.end(), Some(0));
    // Without it the six are all that is known.
    let running = start(&["--start", "6"]);
    let anew = look(&running);
    assert_eq!((&anew["current"], &anew["desired"]), (&6.into(), &6.into()), "{anew}");
    assert_eq!(running.end(), Some(0));

    // What can't be gone on from is said, and left as it is.
    let whole = fs::read(folder.path().join("state")).expect("it was kept");
    for (name, text) in [("cut short", &whole[..whole.len() - 1]), ("something else", b"{}"), ("empty", b"")] {
        fs::write(folder.path().join("state"), text).expect("written");
        let mut command = setpoint();
        command.current_dir(folder.path()).args(["run", "--policy", "workers.yaml", "--state", "state", "--", "true"]);
        let output = command.output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        let tells = said.contains("state: ") && said.contains("remove it to begin without a state");
        assert!(output.status.code() == Some(2) && tells, "{name}: {said}");
        assert_eq!(fs::read(folder.path().join("state")).expect("it is there"), text, "{name}");
    }
}

#[test]
fn what_can_t_be_run_is_said() {
    let policy = "examples/policies/stabilized.yaml";
    let policy = setpoint_testkit::guests::root().join(policy);
    let cases: [(&str, &[&str], &str); 3] = [
        ("no such program", &["--", "no-such-program-here"], "no-such-program-here can't be started"),
        ("no port to ask", &["--ready", "tcp", "--", "sh"], "needs a port"),
        ("no such time", &["--ready", "soon", "--", "sh"], "none of at-once, tcp, http:/PATH and a time"),
    ];
    for (name, arguments, want) in cases {
        let output = setpoint().args(["run", "--policy"]).arg(&policy).args(arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(want), "{name}: {said}");
    }
}
