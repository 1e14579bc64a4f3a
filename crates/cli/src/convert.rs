//! `setpoint convert`: another autoscaler's documents as policies.

pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};
use setpoint::QuarantineSpec;
use setpoint_dialects::{Conversion, Dialect, Fate, Note};

use self::yaml::Comments;
use crate::check::Check;
use crate::cli::{ConvertArguments, SourceFormat};
use crate::document::Document;
use crate::error::BadInput;
use crate::output::{self, BOLD, DIM, YELLOW};

/// What became of one document.
struct Converted {
    document: Document,
    conversion: Conversion,
}

#[derive(Serialize)]
struct Record<'a> {
    file: &'a str,
    from: &'static str,
    complete: bool,
    policy: &'a setpoint::Policy,
    notes: &'a [Note],
}

pub(crate) fn run(arguments: &ConvertArguments) -> Result<Check, BadInput> {
    // Nothing is written before all is read: bad input leaves no half of anything.
    let mut converted = Vec::new();
    for path in &arguments.files {
        let document = Document::open_or_stdin(path)?;
        let conversion = match dialect(arguments.from) {
            None => setpoint_dialects::read(document.value()),
            Some(dialect) => setpoint_dialects::read_as(dialect, document.value()),
        };
        let conversion = conversion.map_err(|error| document.error(&error))?;
        converted.push(Converted { document, conversion });
    }
    if arguments.json {
        let records: Vec<Record<'_>> = converted.iter().map(Converted::record).collect();
        output::print_json(&records)?;
    } else {
        let yaml = converted.iter().map(Converted::yaml).collect::<Vec<_>>().join("---\n");
        match &arguments.output {
            Some(path) => output::replace(path, yaml.as_bytes())?,
            None => output::print_raw(yaml.as_bytes())?,
        }
        anstream::eprint!("{}", converted.iter().map(Converted::losses).collect::<String>());
    }
    let complete = converted.iter().all(|converted| converted.conversion.is_complete());
    Ok(if arguments.check && !complete { Check::Failed } else { Check::Passed })
}

const fn dialect(from: SourceFormat) -> Option<Dialect> {
    Some(match from {
        SourceFormat::Auto => return None,
        SourceFormat::Kubeai => Dialect::Kubeai,
        SourceFormat::ElasticScaler => Dialect::ElasticScaler,
        SourceFormat::Cpa => Dialect::Cpa,
        SourceFormat::Storage => Dialect::Storage,
        SourceFormat::Hpa => Dialect::Hpa,
        SourceFormat::Keda => Dialect::Keda,
    })
}

impl Converted {
    fn record(&self) -> Record<'_> {
        let Conversion { policy, dialect, notes, .. } = &self.conversion;
        let complete = self.conversion.is_complete();
        Record { file: self.document.file(), from: dialect.name(), complete, policy, notes }
    }

    /// The policy, with what is to be said about it as comments.
    fn yaml(&self) -> String {
        let Conversion { policy, dialect, notes, .. } = &self.conversion;
        let mut value = serde_json::to_value(policy).expect("a policy is plain data");
        without_defaults(&mut value);
        let mut head = vec![format!("From {}, of {}.", self.document.file(), dialect.owner())];
        let mut comments: Comments = BTreeMap::new();
        let mut lost = Vec::new();
        for note in notes {
            let text = if note.field.is_empty() { note.text.clone() } else { format!("{}: {}", note.field, note.text) };
            match (note.fate, yaml::nearest(&value, &note.native)) {
                (Fate::Lost, _) => lost.push(format!("- {text}")),
                (Fate::Changed, Some(place)) => comments.entry(place).or_default().push(text),
                (Fate::Changed, None) => head.push(text),
            }
        }
        if !lost.is_empty() {
            head.push("Not carried over:".to_owned());
            head.append(&mut lost);
        }
        yaml::write(&value, &head, &comments)
    }

    /// What is lost, for a person.
    fn losses(&self) -> String {
        let mut out = String::new();
        let (bold, dim, yellow, reset) = (BOLD.render(), DIM.render(), YELLOW.render(), BOLD.render_reset());
        for Note { field, text, .. } in self.conversion.notes.iter().filter(|note| note.fate == Fate::Lost) {
            let (line, column) = self.document.position(field);
            let file = self.document.file();
            let _ = writeln!(
                out,
                "{bold}{file}:{line}:{column}{reset}: {yellow}not carried over{reset}: {field}\n    {dim}why{reset}  {text}"
            );
        }
        out
    }
}

/// What a policy means without saying it.
fn without_defaults(policy: &mut Value) {
    if let Some(spec) = policy.get_mut("spec").and_then(Value::as_object_mut) {
        let quarantine = serde_json::to_value(QuarantineSpec::default()).expect("a quarantine is plain data");
        for (field, default) in
            [("holdOutsideBounds", json!("correct")), ("onFailure", json!("hold")), ("quarantine", quarantine)]
        {
            if spec.get(field) == Some(&default) {
                spec.remove(field);
            }
        }
    }
}
