//! What an evaluate program says.

use serde_json::Value;

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It isn't JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It doesn't say how many.
    #[error("it has no targetReplicas, nor target_replicas as older programs have it: {{\"targetReplicas\": 3}}")]
    NoCount,
    /// It says two things.
    #[error("its targetReplicas is {new}, and its target_replicas {old}")]
    Two {
        /// Today's spelling.
        new: String,
        /// The older one.
        old: String,
    },
    /// What it says is no count.
    #[error("{field} must be a whole number of 32 bits, got {got}")]
    NoWhole {
        /// In which spelling.
        field: &'static str,
        /// What it is.
        got: String,
    },
}

const NEW: &str = "targetReplicas";
const OLD: &str = "target_replicas";

/// How many replicas `text` asks for, in either spelling. Below 0 is fewer than any, and for the bounds to correct.
pub(crate) fn read(text: &str) -> Result<i32, AnswerError> {
    let answer: Value = serde_json::from_str(text).map_err(|error| AnswerError::NotJson(error.to_string()))?;
    let of = |field| answer.get(field).filter(|value| !value.is_null());
    let (field, count) = match (of(NEW), of(OLD)) {
        (None, None) => return Err(AnswerError::NoCount),
        (Some(new), Some(old)) if new != old => {
            return Err(AnswerError::Two { new: new.to_string(), old: old.to_string() });
        }
        (Some(new), _) => (NEW, new),
        (None, Some(old)) => (OLD, old),
    };
    whole(count).ok_or_else(|| AnswerError::NoWhole { field, got: count.to_string() })
}

/// 3 and 3.0, as Python has it after a division.
fn whole(count: &Value) -> Option<i32> {
    let number = count.as_number()?;
    if let Some(whole) = number.as_i64() {
        return i32::try_from(whole).ok();
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range that is asked for next")]
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&float).then_some(float as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_one_whole_count_in_either_spelling() {
        let cases: [(&str, Result<i32, &str>); 15] = [
            (r#"{"targetReplicas": 5}"#, Ok(5)),
            (r#"{"target_replicas": 5}"#, Ok(5)),
            (" {\"targetReplicas\": 0, \"why\": \"idle\"}\n", Ok(0)),
            (r#"{"targetReplicas": 4.0}"#, Ok(4)),
            (r#"{"targetReplicas": -1}"#, Ok(-1)),
            (r#"{"targetReplicas": 3, "target_replicas": 3}"#, Ok(3)),
            (r#"{"targetReplicas": null, "target_replicas": 3}"#, Ok(3)),
            (r#"{"targetReplicas": 3, "target_replicas": 4}"#, Err("is 3, and its target_replicas 4")),
            (r#"{"replicas": 3}"#, Err("no targetReplicas")),
            ("{}", Err("no targetReplicas")),
            ("5", Err("no targetReplicas")),
            ("", Err("not JSON")),
            (r#"{"targetReplicas": 2.5}"#, Err("got 2.5")),
            (r#"{"target_replicas": "5"}"#, Err("target_replicas must be a whole number of 32 bits, got \"5\"")),
            (r#"{"targetReplicas": 2147483648}"#, Err("got 2147483648")),
        ];
        for (text, want) in cases {
            match (read(text), want) {
                (Ok(count), Ok(wanted)) => assert_eq!(count, wanted, "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
