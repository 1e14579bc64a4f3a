//! Windows that are over before the next look.

use std::time::Duration;

use setpoint::{LegacyBehaviorConfig, Restrained, ScalingAlgorithm, Stabilized, StabilizedConfig, parse_config};

use super::finding::Finding;
use super::subject::{Rules, Subject};

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
    for (index, stage) in subject.spec.stages.iter().enumerate() {
        let field = |name: &str| format!("spec.stages[{index}].{}.{name}", stage.name);
        if stage.name == Stabilized::<Box<dyn ScalingAlgorithm>>::NAME
            && let Ok(config) = parse_config::<StabilizedConfig>(&stage.config)
        {
            for (name, length) in
                [("scaleUpWindow", config.scale_up_window), ("scaleDownWindow", config.scale_down_window)]
            {
                let length = length.as_duration();
                window(field(name), length, length <= interval, LONGEST_OF_STAGE);
            }
        }
        if stage.name == Restrained::<Box<dyn ScalingAlgorithm>>::LEGACY_NAME
            && let Ok(config) = parse_config::<LegacyBehaviorConfig>(&stage.config)
        {
            let length = config.downscale_stabilization.as_duration();
            // Here it does.
            window(field("downscaleStabilization"), length, length < interval, LONGEST_OF_STAGE);
        }
    }
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
