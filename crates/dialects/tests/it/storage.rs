//! AI Storage Orchestrator.

use serde_json::{Value, json};
use setpoint::Reading;
use setpoint_dialects::Fate;

use crate::{converted, decide, fields, numbers, refused, with};

fn request() -> Value {
    json!({
        "workload_name": "ai-inference",
        "workload_namespace": "ml",
        "workload_type": "Deployment",
        "min_replicas": 1,
        "max_replicas": 8,
        "target_cpu_percent": 60,
        "target_memory_percent": 75,
        "target_gpu_percent": 80,
        "scale_up_policy": { "stabilization_window_seconds": 30, "max_scale_change": 3 },
        "scale_down_policy": { "stabilization_window_seconds": 600, "max_scale_change": 1 },
    })
}

/// The guide's own steps: the largest of `current × utilization / target`, a window for each direction, at most so many at
/// once, the bounds; with the windows as HPA has them.
#[test]
fn it_decides_as_the_guide_says() {
    let policy = converted(&request()).policy;
    let mut number = numbers(11);
    let mut current = 4_u32;
    let (mut looks, mut want) = (Vec::new(), Vec::new());
    let mut history: Vec<(i64, u32)> = vec![(0, current)];
    for step in 0..600_i64 {
        let at = step * 15;
        let values = [number() * 90.0, number() * 80.0, number() * 100.0].map(f64::round);
        looks.push((at, current, values.map(Reading::Value)));
        let ratio = values.iter().zip([60.0, 75.0, 80.0]).map(|(value, target)| value / target).fold(0.0, f64::max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
        let wanted = (f64::from(current) * ratio).ceil() as u32;
        history.push((at, wanted));
        let within =
            |window: i64| history.iter().filter(move |(then, _)| at - then < window).map(|(_, wanted)| *wanted);
        let most = within(600).max().expect("there is one");
        let least = within(30).min().expect("there is one");
        let stable = current.max(least).min(most);
        let desired = stable.clamp(current.saturating_sub(1), current + 3).clamp(1, 8);
        want.push(desired);
        current = desired;
    }
    let looks: Vec<(i64, u32, &[Reading<'_>])> =
        looks.iter().map(|(at, current, all)| (*at, *current, &all[..])).collect();
    assert_eq!(decide(&policy, &looks), want);
    assert!(want.iter().any(|count| *count > 4), "it moves: {want:?}");
}

#[test]
fn no_look_changes_more_than_it_may_whatever_the_one_before_did() {
    let mut request = request();
    request["min_replicas"] = json!(1);
    for direction in ["scale_up_policy", "scale_down_policy"] {
        request[direction]["stabilization_window_seconds"] = json!(0);
    }
    let (busy, idle) = ([Reading::Value(600.0); 3], [Reading::Value(1.0); 3]);
    // Three more, and at once one less and no more, though the rise is not over for long; and the same the other way.
    let looks: [(i64, u32, &[Reading<'_>]); 5] =
        [(0, 2, &busy), (14, 5, &idle), (15, 4, &idle), (16, 3, &busy), (31, 6, &idle)];
    assert_eq!(decide(&converted(&request).policy, &looks), [5, 4, 3, 6, 5]);
}

/// The two stories of the guide's "Stabilization Window Behavior".
#[test]
fn its_windows_are_waited_for_as_the_guide_tells() {
    let story = |current: u32, cpu: f64, window: i64| {
        let mut request = request();
        request["target_cpu_percent"] = json!(70);
        for (direction, seconds) in [("scale_up_policy", 60), ("scale_down_policy", 300)] {
            request[direction] = json!({ "stabilization_window_seconds": seconds });
        }
        let request = with(with(request, "/target_memory_percent", None), "/target_gpu_percent", None);
        let reading = [Reading::Value(cpu)];
        let looks: Vec<(i64, u32, &[Reading<'_>])> =
            (0..=window).step_by(15).map(|at| (at, current, &reading[..])).collect();
        decide(&converted(&request).policy, &looks)
    };
    // From 2 at 85 % to 3 after a minute of it; from 3 at 40 % to 2 after five.
    for (current, cpu, window, desired) in [(2, 85.0, 60, 3), (3, 40.0, 300, 2)] {
        let counts = story(current, cpu, window);
        let (last, before) = counts.split_last().expect("looks");
        assert!(*last == desired && before.iter().all(|count| *count == current), "{counts:?}");
    }
}

#[test]
fn nothing_is_made_up_and_the_last_look_s_zero_counts() {
    let policy = converted(&with(request(), "/scale_down_policy/stabilization_window_seconds", Some(json!(0)))).policy;
    let (missing, zero) = (Reading::Missing("no DCGM"), Reading::Value(0.0));
    let looks: [(i64, u32, &[Reading<'_>]); 3] =
        [(0, 4, &[missing; 3]), (15, 4, &[zero, zero, missing]), (30, 4, &[zero; 3])];
    assert_eq!(decide(&policy, &looks), [4, 4, 3]);
}

#[test]
fn storage_targets_are_so_much_an_instance() {
    let mut request = request();
    for (field, target) in [("read_throughput_mbps", 500.0), ("write_throughput_mbps", 200.0), ("iops", 10_000.0)] {
        request[format!("target_storage_{field}")] = json!(target);
    }
    request["target_gpu_memory_percent"] = json!(90);
    let request = with(with(request, "/target_cpu_percent", None), "/scale_up_policy", None);
    let conversion = converted(&request);
    let names: Vec<&str> = conversion.policy.spec.metrics.iter().map(|metric| metric.name.as_str()).collect();
    let storage = ["storageReadThroughputMbps", "storageWriteThroughputMbps", "storageIops"];
    assert_eq!(names, [["memory", "gpu", "gpuMemory"], storage].concat());
    let readings = [75.0, 80.0, 90.0, 800.0, 200.0, 0.0].map(Reading::Value);
    // 2 · 800 / 500 is 3.2, rounded up.
    assert_eq!(decide(&conversion.policy, &[(0, 2, &readings)]), [4]);
    assert_eq!(conversion.origin("spec.metrics[3].name"), "target_storage_read_throughput_mbps");
    assert!(conversion.is_complete());
}

#[test]
fn what_is_different_is_said_of_what_is_there() {
    assert_eq!(
        fields(&converted(&request()), Fate::Changed),
        [
            "",
            "scale_up_policy.stabilization_window_seconds",
            "scale_down_policy.stabilization_window_seconds",
            "scale_up_policy.max_scale_change",
            "scale_down_policy.max_scale_change",
        ]
    );
}

#[test]
fn the_guide_s_errors_are_in_its_words() {
    let cases = [
        ("/min_replicas", Some(json!(0)), "min_replicas", "min_replicas must be at least 1"),
        ("/max_replicas", Some(json!(0)), "max_replicas", "max_replicas must be greater than or equal to min_replicas"),
        (
            "/workload_type",
            Some(json!("DaemonSet")),
            "workload_type",
            "known: `Deployment`, `StatefulSet`, `ReplicaSet`",
        ),
        ("/workload_name", Some(json!("")), "workload_name", "workload_name is required"),
        ("/workload_namespace", None, "", "missing field `workload_namespace`"),
        ("/target_cpu_percent", Some(json!(101)), "target_cpu_percent", "must be between 1 and 100, got 101"),
        ("/target_gpu_memory_percent", Some(json!(0)), "target_gpu_memory_percent", "must be between 1 and 100, got 0"),
        ("/target_cpu_percents", Some(json!(10)), "target_cpu_percents", "did you mean `target_cpu_percent`?"),
        ("/scale_up_policy/max_scale_change", Some(json!(0)), "scale_up_policy.max_scale_change", "at least 1, got 0"),
        (
            "/scale_down_policy/stabilization_window_seconds",
            Some(json!(4000)),
            "scale_down_policy.stabilization_window_seconds",
            "at most 3600",
        ),
    ];
    for (pointer, value, path, message) in cases {
        refused(&with(request(), pointer, value), path, message);
    }
    let mut without = request();
    for field in ["cpu", "memory", "gpu"] {
        without = with(without, &format!("/target_{field}_percent"), None);
    }
    refused(&without, "", "at least one target is required: target_cpu_percent");
}
