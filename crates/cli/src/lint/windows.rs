//! Windows that are over before the next look.

use std::time::Duration;

use serde_json::Value;
use setpoint::{LegacyBehaviorConfig, Restrained, ScalingAlgorithm, Stabilized, StabilizedConfig, parse_config};

use super::finding::Finding;
use super::subject::{PartKind, Rules, Subject};

const RULE: &str = "window-within-interval";

/// The longest windows that can be written.
const LONGEST_OF_BEHAVIOR: Duration = Duration::from_secs(3600);
const LONGEST_OF_STAGE: Duration = Duration::from_secs(400 * 24 * 3600);

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let interval = subject.spec.interval.as_duration();
    let mut window = |field: String, window: Duration, over: bool, longest: Duration| {
        if over && !window.is_zero() {
            let (window, every) = (humantime::format_duration(window), humantime::format_duration(interval));
            let why =
                format!("a window of {window} holds one look only, for there is one every {every}: it does nothing");
            found.push(Finding::warning(RULE, field, why, instead(interval, longest)));
        }
    };
    // How a window of a direction that is switched off is meant, is for the rule on dead fields.
    for rules in subject.rules().filter(|rules| !Rules::is_off(rules)) {
        if let Some(secs) = rules.written.stabilization_window_seconds {
            let field = format!("{}.stabilizationWindowSeconds", rules.field);
            let length = Duration::from_secs(secs.into());
            // What is exactly as old as the window is long no longer counts.
            window(field, length, length <= interval, LONGEST_OF_BEHAVIOR);
        }
    }
    let parts = subject.parts();
    for stage in parts.iter().filter(|part| part.kind == PartKind::Stage) {
        let field = |name: &str| format!("{}.{name}", stage.field);
        if stage.name == Some(Stabilized::<Box<dyn ScalingAlgorithm>>::NAME)
            && let Ok(config) = parse_config::<StabilizedConfig>(stage.config)
        {
            for (name, length) in
                [("scaleUpWindow", config.scale_up_window), ("scaleDownWindow", config.scale_down_window)]
            {
                let length = length.as_duration();
                window(field(name), length, length <= interval, LONGEST_OF_STAGE);
            }
        }
        if stage.name == Some(Restrained::<Box<dyn ScalingAlgorithm>>::LEGACY_NAME)
            && let Ok(config) = parse_config::<LegacyBehaviorConfig>(stage.config)
        {
            let length = config.downscale_stabilization.as_duration();
            // Here it does.
            window(field("downscaleStabilization"), length, length < interval, LONGEST_OF_STAGE);
        }
    }
    for algorithm in parts.iter().filter(|part| part.kind == PartKind::Algorithm && part.name.is_some()) {
        of_algorithm(&algorithm.field, algorithm.config, interval, found);
    }
}

/// The windows of the library's own algorithms are called that, or a cooldown, and hold at least what is exactly as old
/// as they are long.
fn of_algorithm(path: &str, config: &Value, interval: Duration, found: &mut Vec<Finding>) {
    match config {
        Value::Object(fields) => {
            for (name, value) in fields {
                let field = format!("{path}.{name}");
                match window_of(name, value) {
                    Some(window) if !window.is_zero() && window < interval => {
                        found.push(over(field, window, interval));
                    }
                    _ => of_algorithm(&field, value, interval, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                of_algorithm(&format!("{path}[{index}]"), item, interval, found);
            }
        }
        _ => {}
    }
}

fn window_of(name: &str, value: &Value) -> Option<Duration> {
    let name = name.to_ascii_lowercase();
    if !name.contains("window") && !name.starts_with("cooldown") {
        return None;
    }
    match value {
        Value::String(text) => humantime::parse_duration(text).ok(),
        Value::Number(number) if name.ends_with("seconds") => number.as_u64().map(Duration::from_secs),
        _ => None,
    }
}

fn over(field: String, window: Duration, interval: Duration) -> Finding {
    let (least, window, every) = (
        humantime::format_duration(interval * 2),
        humantime::format_duration(window),
        humantime::format_duration(interval),
    );
    let why = format!("{window} are over before the next look, for there is one every {every}");
    let least = if field.ends_with("Seconds") { (interval * 2).as_secs().to_string() } else { least.to_string() };
    Finding::warning(RULE, field, why, format!("{least} or more, or an interval of {window} or less"))
}

/// A window that holds two looks, written as its field has it.
fn instead(interval: Duration, longest: Duration) -> String {
    if interval >= longest {
        return "0, to say that there is none: no window is longer than the interval".to_owned();
    }
    let least = (interval * 2).min(longest);
    let least = if longest == LONGEST_OF_BEHAVIOR {
        least.as_secs().to_string()
    } else {
        humantime::format_duration(least).to_string()
    };
    format!("{least} or more, or 0 to say that there is none")
}
