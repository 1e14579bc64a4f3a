//! Environment variables that are called like fields, and go before the file.

use serde_json::{Map, Value};
use setpoint::ConfigError;

/// How a variable's text becomes its field's value.
#[derive(Clone, Copy)]
enum As {
    Text,
    Whole,
    /// YAML or JSON.
    Document,
}

const FIELDS: [(&str, As); 22] = [
    ("scaleTargetRef", As::Document),
    ("preMetric", As::Document),
    ("postMetric", As::Document),
    ("preEvaluate", As::Document),
    ("postEvaluate", As::Document),
    ("preScale", As::Document),
    ("postScale", As::Document),
    ("evaluate", As::Document),
    ("metric", As::Document),
    ("interval", As::Whole),
    ("namespace", As::Text),
    ("minReplicas", As::Whole),
    ("maxReplicas", As::Whole),
    ("runMode", As::Text),
    ("startTime", As::Whole),
    ("logVerbosity", As::Whole),
    ("downscaleStabilization", As::Whole),
    ("apiConfig", As::Document),
    ("kubernetesMetricSpecs", As::Document),
    ("requireKubernetesMetrics", As::Document),
    ("initialReadinessDelay", As::Whole),
    ("cpuInitializationPeriod", As::Whole),
];

/// A document with what the environment put in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Overridden {
    /// The document.
    pub document: Value,
    /// The fields that are the environment's: errors about them are not the file's.
    pub fields: Vec<&'static str>,
}

/// Puts in, over the field of its name, what each variable that `variable` knows says. Numbers and texts are plain; what
/// else there is `parse` reads, as YAML or JSON.
///
/// # Errors
///
/// [`ConfigError`] at the field whose variable can't be read, and for a document that isn't an object.
///
/// ```
/// use serde_json::json;
/// use setpoint_cpa::with_environment;
/// let variable = |name: &str| (name == "interval").then(|| "10000".to_owned());
/// let over = with_environment(json!({ "interval": 15000, "maxReplicas": 4 }), variable, |_| unreachable!())?;
/// assert_eq!(over.document, json!({ "interval": 10000, "maxReplicas": 4 }));
/// assert_eq!(over.fields, ["interval"]);
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
pub fn with_environment(
    document: Value,
    variable: impl Fn(&str) -> Option<String>,
    parse: impl Fn(&str) -> Result<Value, String>,
) -> Result<Overridden, ConfigError> {
    let mut document = match document {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        _ => return Err(ConfigError::new("", "a configuration is an object of fields")),
    };
    let mut fields = Vec::new();
    for (field, kind) in FIELDS {
        let Some(text) = variable(field) else { continue };
        let value = match kind {
            As::Text => Ok(Value::from(text)),
            As::Whole => {
                text.trim().parse::<i64>().map(Value::from).map_err(|_| format!("{text:?} is no whole number"))
            }
            As::Document => parse(&text),
        };
        let value = value.map_err(|problem| ConfigError::new(field, format!("the environment variable: {problem}")))?;
        document.insert(field.to_owned(), value);
        fields.push(field);
    }
    Ok(Overridden { document: Value::Object(document), fields })
}
