//! `setpoint schema`.

use setpoint_sim::Scenario;

use crate::catalog::Catalog;
use crate::cli::{DocumentKind, SchemaArguments};
use crate::error::BadInput;
use crate::output;

pub(crate) fn run(arguments: &SchemaArguments) -> Result<(), BadInput> {
    let catalog = Catalog::new(&arguments.plugins)?;
    let schema = match arguments.kind {
        DocumentKind::Policy => catalog.registry().policy_schema(),
        DocumentKind::Group => catalog.registry().group_schema(),
        DocumentKind::Scenario => Scenario::schema(),
    };
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    text.push('\n');
    output::print_raw(text.as_bytes())
}
