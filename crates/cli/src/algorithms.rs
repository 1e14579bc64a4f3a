//! `setpoint algorithms`.

use std::fmt::Write as _;

use serde_json::{Value, json};
use setpoint::Description;

use crate::catalog::Catalog;
use crate::cli::AlgorithmsArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD};

pub(crate) fn run(arguments: &AlgorithmsArguments) -> Result<(), BadInput> {
    let catalog = Catalog::new(&arguments.plugins)?;
    let registry = catalog.registry();
    let algorithms: Vec<_> = registry.algorithms().collect();
    let combinators: Vec<_> = registry.combinators().collect();
    let stages: Vec<_> = registry.stages().collect();
    if arguments.json {
        let list = |entries: &[(&str, Description)]| -> Vec<Value> {
            let entry = |(name, what): &(&str, Description)| json!({ "name": name, "summary": what.summary, "config_schema": what.config_schema });
            entries.iter().map(entry).collect()
        };
        return output::print_json(&json!({
            "algorithms": list(&algorithms),
            "combinators": list(&combinators),
            "stages": list(&stages),
        }));
    }
    let mut text = String::new();
    section("Algorithms", &algorithms, &mut text);
    section("\nCombinators, which ask the algorithms in their `of`", &combinators, &mut text);
    section("\nStages", &stages, &mut text);
    output::print(&text)
}

fn section(title: &str, entries: &[(&str, Description)], text: &mut String) {
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let _ = writeln!(text, "{title}");
    for (name, description) in entries {
        let _ = writeln!(text, "  {bold}{name}{reset}\n      {}", description.summary);
        let fields = description.config_schema.get("properties").and_then(Value::as_object);
        for (field, schema) in fields.into_iter().flatten() {
            let what = schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
            let _ = writeln!(text, "      {field}: {what}");
        }
    }
}
