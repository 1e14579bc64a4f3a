//! Custom Pod Autoscaler.

use serde_json::{Value, json};
use setpoint::Reading;
use setpoint_dialects::Fate;

use crate::{converted, decide, fields, refused, with};

fn tutorial() -> Value {
    json!({
        "evaluate": { "type": "shell", "timeout": 2500, "shell": "python /evaluate.py" },
        "metric": { "type": "shell", "timeout": 2500, "shell": "python /metric.py" },
        "runMode": "per-resource",
    })
}

#[test]
fn the_answer_is_the_count_within_the_bounds_and_the_window() {
    let answer = |replicas: u32| [Reading::Value(f64::from(replicas))];
    let (five, forty, one, seven) = (answer(5), answer(40), answer(1), answer(7));
    let none = [Reading::Missing("no targetReplicas")];
    let looks: [(i64, u32, &[Reading<'_>]); 6] =
        [(0, 3, &five), (15, 5, &forty), (30, 10, &one), (45, 10, &none), (60, 0, &five), (75, 10, &seven)];
    assert_eq!(decide(&converted(&tutorial()).policy, &looks), [5, 10, 1, 10, 0, 7]);
    let windowed = converted(&with(tutorial(), "/downscaleStabilization", Some(json!(40)))).policy;
    // The answer at 15 s was 40; at 75 s only those of 60 s and 75 s are left.
    assert_eq!(decide(&windowed, &looks), [5, 10, 10, 10, 0, 7]);
    // Every whole answer is itself, whatever the current count.
    for current in 1..=10 {
        for wanted in 1..=10 {
            assert_eq!(decide(&converted(&tutorial()).policy, &[(0, current, &answer(wanted))]), [wanted]);
        }
    }
}

#[test]
fn both_spellings_are_read_and_programs_reported() {
    let conversion = converted(&tutorial());
    assert_eq!(fields(&conversion, Fate::Lost), ["metric", "evaluate", "runMode"]);
    let today = json!({
        "interval": 10_000, "minReplicas": 0, "maxReplicas": 8, "namespace": "web", "runMode": "per-pod", "startTime": 60_000,
        "metric": { "type": "http", "timeout": 100, "http": { "method": "GET", "url": "http://metrics" } },
        "evaluate": { "type": "shell", "timeout": 100, "shell": { "entrypoint": "python", "command": ["/evaluate.py"] } },
        "postScale": { "type": "shell", "timeout": 100, "shell": { "entrypoint": "true" } },
        "apiConfig": { "enabled": false },
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "hello-kubernetes" },
    });
    let conversion = converted(&today);
    assert_eq!(
        fields(&conversion, Fate::Lost),
        ["metric", "evaluate", "postScale", "runMode", "startTime", "apiConfig"]
    );
    assert_eq!(fields(&conversion, Fate::Changed), ["evaluate", "minReplicas"]);
    assert_eq!(conversion.policy.spec.interval, setpoint::Span::from_secs(10));
    assert_eq!(conversion.policy.metadata.namespace.as_deref(), Some("web"));
    let target = conversion.policy.spec.target_ref.as_ref().expect("given");
    assert_eq!(target.to_string(), "apps/v1 Deployment web/hello-kubernetes");
}

#[test]
fn what_makes_no_sense_is_refused_at_its_field() {
    let cases = [
        ("/metric", None, "metric", "must be given"),
        ("/metric/type", Some(json!("shel")), "metric.type", "did you mean `shell`?"),
        ("/metric/type", Some(json!("http")), "metric.http", "a method of type http needs it"),
        ("/metric/shell", Some(json!(" ")), "metric.shell", "a method of type shell needs it"),
        ("/runMode", Some(json!("per-node")), "runMode", "known: `per-pod`, `per-resource`"),
        ("/interval", Some(json!(100)), "interval", "must be at least 1000 ms, got 100"),
        ("/minReplicas", Some(json!(20)), "minReplicas", "minReplicas 20 is above maxReplicas 10"),
        ("/intervall", Some(json!(100)), "intervall", "did you mean `interval`?"),
    ];
    for (pointer, value, path, message) in cases {
        refused(&with(tutorial(), pointer, value), path, message);
    }
}
