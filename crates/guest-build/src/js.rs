//! JavaScript: componentize-js, which brings an engine along.

use std::process::Command;

use serde_json::Value;

use crate::component::needs_contract;
use crate::error::BuildError;
use crate::workshop::{Tool, Workshop};

const INSTALLED: &str = "node_modules/installed.json";

/// Runs the project's own `npm run build`, which makes NAME.wasm.
pub(crate) fn build(workshop: &Workshop<'_>) -> Result<(String, Vec<u8>), BuildError> {
    let remedy = "install Node.js 20 or newer, with npm";
    workshop.need(&Tool { program: "node", version: "--version", remedy })?;
    workshop.need(&Tool { program: "npm", version: "--version", remedy })?;
    needs_contract(workshop)?;
    let name = name(workshop)?;
    let tools = tools(&workshop.read("package-lock.json")?)
        .map_err(|problem| BuildError::Project { place: workshop.path("package-lock.json"), problem })?;
    // Several hundred megabytes: only where what is to be installed has changed.
    if !workshop.read(INSTALLED).is_ok_and(|before| before == tools) {
        workshop.run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]))?;
        workshop.write(INSTALLED, &tools)?;
    }
    workshop.run(Command::new("npm").args(["run", "build"]))?;
    let component = workshop.read(&format!("{name}.wasm"))?;
    Ok((name, component))
}

/// What the package calls itself, without a scope.
fn name(workshop: &Workshop<'_>) -> Result<String, BuildError> {
    let wrong = |problem: String| BuildError::Project { place: workshop.path("package.json"), problem };
    let manifest: Value =
        serde_json::from_slice(&workshop.read("package.json")?).map_err(|error| wrong(error.to_string()))?;
    let name = manifest["name"].as_str().and_then(|name| name.rsplit('/').next());
    Ok(name.ok_or_else(|| wrong("it has no name".to_owned()))?.to_owned())
}

/// What a lock file has to be installed, whatever the project itself is called.
fn tools(lock: &[u8]) -> Result<Vec<u8>, String> {
    let mut lock: Value = serde_json::from_slice(lock).map_err(|error| error.to_string())?;
    let packages = lock["packages"].as_object_mut().ok_or("it lists no packages: npm 7 or newer writes them")?;
    packages.remove("");
    Ok(serde_json::to_vec(packages).expect("what was JSON is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_of_the_project_is_no_reason_to_install_all_anew() {
        let lock = |name: &str, version: &str| {
            let lock = serde_json::json!({ "name": name, "packages": {
                "": { "name": name },
                "node_modules/tool": { "version": version },
            } });
            tools(lock.to_string().as_bytes()).expect("a lock file")
        };
        assert_eq!(lock("a", "1.0.0"), lock("b", "1.0.0"));
        assert_ne!(lock("a", "1.0.0"), lock("a", "1.0.1"));
        tools(br#"{ "dependencies": {} }"#).expect_err("a list of packages is missing");
    }
}
