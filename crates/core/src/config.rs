//! Documents become values here, with errors that say where and what to do.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, from the document's root, with dots: `spec.algorithm.config.tolerance`. Empty for the root.
    pub path: String,
    /// What is wrong, with the allowed range, the known names or the near miss.
    pub message: String,
}

impl ConfigError {
    /// `message` about the field at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same error seen from the document that holds this one at `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.path = match (prefix, self.path.as_str()) {
            ("", _) => self.path,
            (_, "") => prefix.to_owned(),
            (_, path) if path.starts_with('[') => format!("{prefix}{path}"),
            (_, path) => format!("{prefix}.{path}"),
        };
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for ConfigError {}

/// Reads a typed configuration. `null` is an empty one.
///
/// # Errors
///
/// [`ConfigError`] with the path of the offending field; a misspelt one is answered with its near miss.
///
/// ```
/// use setpoint::{MaxRatioConfig, parse_config};
/// let error = parse_config::<MaxRatioConfig>(&serde_json::json!({ "tolerence": 0.2 })).unwrap_err();
/// assert_eq!(error.path, "tolerence");
/// assert!(error.message.contains("did you mean `tolerance`?"));
/// ```
pub fn parse_config<T: DeserializeOwned>(config: &serde_json::Value) -> Result<T, ConfigError> {
    let empty = serde_json::Value::Object(serde_json::Map::new());
    read_config(if config.is_null() { &empty } else { config })
}

/// Reads a typed configuration from any format.
///
/// # Errors
///
/// As for [`parse_config`].
pub fn read_config<'de, T: Deserialize<'de>, D: Deserializer<'de>>(config: D) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => String::new(),
            path => path,
        };
        explain(path, &error.inner().to_string())
    })
}

// serde says "unknown field `tolerence`, expected one of `tolerance`, …" (or variant): add the near miss.
fn explain(path: String, message: &str) -> ConfigError {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(found) = quoted.next().filter(|_| is_unknown) else {
        return ConfigError::new(path, message);
    };
    let known: Vec<&str> = quoted.collect();
    let kind = if message.starts_with("unknown field") { "field" } else { "value" };
    // The path ends at the unknown field itself or at what holds it, by the kind of container.
    let path = match path.rsplit('.').next() {
        Some(last) if last == found || kind == "value" => path,
        _ => ConfigError::new(found, "").under(&path).path,
    };
    ConfigError::new(path, format!("unknown {kind} `{found}`; {}", near_miss(found, &known)))
}

/// The names that are known, after the one that was probably meant.
///
/// ```
/// use setpoint::near_miss;
/// assert_eq!(near_miss("max-ration", &["max-ratio", "hpa"]), "did you mean `max-ratio`? known: `max-ratio`, `hpa`");
/// assert_eq!(near_miss("x", &[]), "none is known");
/// ```
#[must_use]
pub fn near_miss(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "none is known".to_owned();
    }
    let all = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    // Case and separators are the usual slips: MaxRatio for max-ratio.
    let plain = |text: &str| text.replace(['-', '_', ' ', '.'], "").to_lowercase();
    let wanted = plain(name);
    // And a word too many: metricsName for name.
    let likeness = |known: &str| {
        let known = plain(known);
        let within = known.len() > 3 && (wanted.starts_with(&known) || wanted.ends_with(&known));
        strsim::jaro_winkler(&wanted, &known).max(if within { 0.9 } else { 0.0 })
    };
    let nearest = known.iter().map(|&known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, nearest)) if likeness > 0.85 => format!("did you mean `{nearest}`? known: {all}"),
        _ => format!("known: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::algorithm::capped_smooth_ratio::CappedSmoothRatioConfig;

    #[test]
    fn errors_name_the_field_and_the_way_out() {
        let cases = [
            ("misspelt", json!({"tolerence": 0.1}), "tolerence", "did you mean `tolerance`?"),
            ("nothing near", json!({"zzz": 1}), "zzz", "known: `smoothingFactor`"),
            ("range", json!({"tolerance": 3}), "tolerance", "[0, 1], got 3"),
            ("type", json!({"tolerance": [1]}), "tolerance", "a number, or a percentage"),
            ("value", json!({"whenMissing": "blockScaledown"}), "whenMissing", "did you mean `blockScaleDown`?"),
        ];
        for (name, config, path, part) in cases {
            let error = parse_config::<CappedSmoothRatioConfig>(&config).expect_err(name);
            assert_eq!(error.path, path, "{name}: {error}");
            assert!(error.message.contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn null_is_an_empty_configuration() {
        assert_eq!(parse_config(&json!(null)), Ok(CappedSmoothRatioConfig::default()));
    }
}
