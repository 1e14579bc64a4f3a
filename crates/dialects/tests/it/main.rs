//! Other systems' documents, as their users have them.

mod cpa;
mod elastic_scaler;
mod keda;
mod kubeai;
mod nobody;
mod storage;

use serde_json::Value;
use setpoint::{AlgorithmManager, Observation, Policy, Reading, Timestamp, Trace};
use setpoint_dialects::{Conversion, Fate, read};

fn converted(document: &Value) -> Conversion {
    read(document).unwrap_or_else(|error| panic!("{error}"))
}

/// The same document with the field at `pointer` replaced, or taken out.
fn with(mut document: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, value) {
        (Value::Object(fields), Some(value)) => {
            fields.insert(field.to_owned(), value);
        }
        (Value::Object(fields), None) => {
            fields.remove(field).unwrap_or_else(|| panic!("{pointer}"));
        }
        (Value::Array(items), Some(value)) => items[field.parse::<usize>().expect("a number")] = value,
        _ => panic!("{pointer}"),
    }
    document
}

/// A document that is to be refused: with what, at which field, with which words.
#[track_caller]
fn refused(document: &Value, path: &str, message: &str) {
    let error = read(document).expect_err(path);
    assert_eq!(error.path, path, "{error}");
    assert!(error.message.contains(message), "{error}: should contain {message}");
}

fn fields(conversion: &Conversion, fate: Fate) -> Vec<&str> {
    conversion.notes.iter().filter(|note| note.fate == fate).map(|note| note.field.as_str()).collect()
}

/// Decides for looks at `(seconds, current, readings)`, and gives what was desired.
fn decide(policy: &Policy, looks: &[(i64, u32, &[Reading<'_>])]) -> Vec<u32> {
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&policy.spec).unwrap_or_else(|error| panic!("{error}"));
    let one = |&(secs, current, readings): &(i64, u32, &[Reading<'_>])| {
        let look = Observation::new(Timestamp::from_millis(secs * 1000), current, readings);
        manager.decide(workload, &look, &mut Trace::new()).expect("a decision").desired
    };
    looks.iter().map(one).collect()
}

/// Numbers that look random and are always the same, in 0 to 1.
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 33).expect("31 bits")) / f64::from(1_u32 << 31)
    }
}
