//! The dashboard and the alerts that are deployed beside the controller.

use std::collections::BTreeSet;
use std::process::Command;

use setpoint_testkit::guests::root;
use setpoint_testkit::required;

const ALERTS: &str = "crates/kube/deploy/monitoring/alerts.yaml";
const DASHBOARD: &str = "crates/kube/deploy/monitoring/dashboard.json";

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The names in `text` that begin as our series do.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).filter(|name| name.starts_with("setpoint_")).collect()
}

#[test]
fn they_name_series_that_are_documented_and_no_others() {
    // What is documented is exported: see the other tests. Plugins are the command's own.
    let documented = text("crates/telemetry/docs/overview.md") + &text("crates/kube/docs/overview.md");
    let documented = named(&documented);
    for file in [ALERTS, DASHBOARD] {
        let text = text(file);
        let names = named(&text);
        assert!(names.len() > 5, "{file} names {names:?}");
        for name in names {
            let series = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(documented.contains(series), "{file} names {name}");
        }
    }
}

#[test]
fn the_dashboard_is_json_and_each_panel_has_a_place_and_a_query() {
    let dashboard: serde_json::Value = serde_json::from_str(&text(DASHBOARD)).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let mut places = BTreeSet::new();
    for panel in panels {
        assert!(panel["targets"][0]["expr"].is_string(), "{panel}");
        let place = [&panel["gridPos"]["x"], &panel["gridPos"]["y"]].map(|place| place.as_u64().expect("a number"));
        assert!(places.insert(place), "two panels at {place:?}");
    }
}

#[test]
fn prometheus_takes_the_rules() {
    let checked = Command::new("promtool").args(["check", "rules"]).arg(root().join(ALERTS)).output();
    let Ok(checked) = checked else {
        return required::skip("prometheus", "Debian's package `prometheus` has promtool");
    };
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("rules found"), "{said}");
}
