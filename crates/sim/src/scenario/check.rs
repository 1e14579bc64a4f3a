//! The checks that look at more than one field, or at a field's own range within its type's.

use std::time::Duration;

use setpoint::ConfigError;

use super::{Distribution, Document, Scenario, Spec};
use crate::load::LoadSpec;
use crate::readings::Source;

pub(super) const LONGEST_NAME: usize = 253;
const MOST_READINGS: usize = 64;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl TryFrom<Document> for Scenario {
    type Error = ConfigError;

    fn try_from(document: Document) -> Result<Self, ConfigError> {
        let name = document.metadata.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&name) {
            let problem = format!("expected 1 to {LONGEST_NAME} characters, found {name}");
            return Err(ConfigError::new("metadata.name", problem));
        }
        spec(&document.spec)?;
        document.spec.check_members(spec)?;
        Ok(Self(document))
    }
}

fn spec(spec: &Spec) -> Result<(), ConfigError> {
    let longest = crate::units::LONGEST;
    match spec.duration {
        Some(duration) => within("spec.duration", duration.duration(), SECOND, longest)?,
        None if matches!(spec.load, LoadSpec::Trace(_)) => {}
        None => {
            let problem = "expected a duration such as \"24h\" (only a trace brings its own), found none";
            return Err(ConfigError::new("spec.duration", problem));
        }
    }
    spec.load.check("spec.load", spec.duration)?;

    let service = &spec.service;
    within("spec.service.time.mean", service.time.mean.duration(), Duration::ZERO, DAY)?;
    if service.time.cv.is_some() && service.time.distribution != Distribution::Lognormal {
        let problem = "expected only with `distribution: lognormal`, found with another";
        return Err(ConfigError::new("spec.service.time.cv", problem));
    }
    let tokens = &service.tokens;
    for (field, cost) in [
        ("base", tokens.base),
        ("perPromptToken", tokens.per_prompt_token),
        ("perOutputToken", tokens.per_output_token),
    ] {
        let field = format!("spec.service.tokens.{field}");
        within(&field, cost.duration(), Duration::ZERO, HOUR)?;
    }

    let replicas = &spec.replicas;
    within("spec.replicas.startup", replicas.startup.duration(), Duration::ZERO, DAY)?;
    within("spec.replicas.startupJitter", replicas.startup_jitter.duration(), Duration::ZERO, DAY)?;

    let metrics = &spec.metrics;
    within("spec.metrics.scrapeInterval", metrics.scrape_interval.duration(), SECOND, HOUR)?;
    within("spec.metrics.delay", metrics.delay.duration(), Duration::ZERO, HOUR)?;
    within("spec.metrics.window", metrics.window.duration(), SECOND, DAY)?;

    if spec.readings.len() > MOST_READINGS {
        let problem = format!("expected at most {MOST_READINGS} names, found {}", spec.readings.len());
        return Err(ConfigError::new("spec.readings", problem));
    }
    for name in spec.readings.keys() {
        let field = format!("spec.readings.{name}");
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            let problem = format!("expected a name of 1 to {LONGEST_NAME} characters");
            return Err(ConfigError::new("spec.readings", problem));
        }
        if name.parse::<Source>().is_ok() {
            let problem = format!("expected another name, found the source {name:?}'s own");
            return Err(ConfigError::new(field, problem));
        }
    }
    Ok(())
}

fn within(field: &str, found: Duration, least: Duration, most: Duration) -> Result<(), ConfigError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let [least, most, found] = [least, most, found].map(humantime::format_duration);
    Err(ConfigError::new(field, format!("expected a duration from {least} to {most}, found {found}")))
}

#[cfg(test)]
mod tests;
