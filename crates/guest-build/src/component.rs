//! From a core module to a component, for the languages whose tools end at the module; and what a component exports.

use wit_component::DecodedWasm;
use wit_parser::{PackageName, Resolve, WorldId, WorldItem, WorldKey};

use crate::error::BuildError;
use crate::workshop::Workshop;

/// Where a project has the contract.
const CONTRACT: &str = "wit/deps/scaling/scaling.wit";

/// The world `plugin` of the project, over the contract that it brings along.
pub(crate) fn world(workshop: &Workshop<'_>) -> Result<(Resolve, WorldId), BuildError> {
    needs_contract(workshop)?;
    let place = workshop.path("wit");
    let wrong = |problem: String| BuildError::Project { place: place.clone(), problem };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&place).map_err(|error| wrong(format!("{error:#}")))?;
    let world = resolve.select_world(&[package], Some("plugin")).map_err(|error| wrong(format!("{error:#}")))?;
    Ok((resolve, world))
}

/// Says what is missing where a project's folder was copied without the contract.
pub(crate) fn needs_contract(workshop: &Workshop<'_>) -> Result<(), BuildError> {
    let place = workshop.path(CONTRACT);
    if place.is_file() {
        return Ok(());
    }
    let problem = "the contract is missing: copy Setpoint's `wit/0.2/scaling.wit` there".to_owned();
    Err(BuildError::Project { place, problem })
}

/// The version of the contract of which `component` exports the algorithm.
pub(crate) fn contract_of(component: &[u8]) -> Result<String, BuildError> {
    let decoded = wit_component::decode(component)
        .map_err(|error| BuildError::Component(format!("what was built is no component: {error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(BuildError::Component("what was built is an interface, not a component".to_owned()));
    };
    let exported = resolve.worlds[world].exports.iter().find_map(|(key, item)| {
        let (WorldKey::Interface(_), WorldItem::Interface { id, .. }) = (key, item) else { return None };
        let interface = &resolve.interfaces[*id];
        let PackageName { namespace, name, version } = &resolve.packages[interface.package?].name;
        let is_algorithm =
            namespace == "setpoint" && name == "scaling" && interface.name.as_deref() == Some("algorithm");
        is_algorithm.then(|| version.as_ref().map(|version| format!("setpoint:scaling@{version}"))).flatten()
    });
    exported.ok_or_else(|| {
        let problem = "what was built is a component, and no plugin: it doesn't export setpoint:scaling/algorithm";
        BuildError::Component(problem.to_owned())
    })
}
