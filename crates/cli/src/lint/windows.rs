//! Windows that are over before the next look.

use std::time::Duration;

use setpoint::{ScalingAlgorithm, Stabilized, StabilizedConfig, parse_config};

use super::finding::Finding;
use super::subject::Subject;

const RULE: &str = "window-within-interval";

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let interval = subject.spec.interval.as_duration();
    let mut window = |field: String, window: Duration, in_seconds: bool| {
        // What is exactly as old as the window is long no longer counts.
        if window.is_zero() || window > interval {
            return;
        }
        let (window, interval) = (humantime::format_duration(window), humantime::format_duration(interval));
        let least = subject.spec.interval.as_duration() * 2;
        let least =
            if in_seconds { least.as_secs().to_string() } else { humantime::format_duration(least).to_string() };
        let why =
            format!("a window of {window} holds one look only, for there is one every {interval}: it does nothing");
        found.push(Finding::warning(RULE, field, why, format!("{least} or more, or 0 to say that there is none")));
    };
    for rules in subject.rules() {
        if let Some(secs) = rules.written.stabilization_window_seconds {
            let field = format!("{}.stabilizationWindowSeconds", rules.field);
            window(field, Duration::from_secs(secs.into()), true);
        }
    }
    for (index, stage) in subject.spec.stages.iter().enumerate() {
        if stage.name != Stabilized::<Box<dyn ScalingAlgorithm>>::NAME {
            continue;
        }
        let Ok(config) = parse_config::<StabilizedConfig>(&stage.config) else { continue };
        let field = |name: &str| format!("spec.stages[{index}].{}.{name}", stage.name);
        window(field("scaleUpWindow"), config.scale_up_window.as_duration(), false);
        window(field("scaleDownWindow"), config.scale_down_window.as_duration(), false);
    }
}
