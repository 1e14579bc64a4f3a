//! The prebuilt components are what the sources in this tree make.

use setpoint_testkit::guests::{self, Prebuilt};

#[test]
fn prebuilt_components_are_built_from_these_sources() {
    let root = guests::root();
    let manifest = guests::manifest(&root).expect("guest-plugins/prebuilt/manifest.json");
    for name in guests::NAMES {
        let file = root.join(format!("guest-plugins/prebuilt/{name}.wasm"));
        let component = std::fs::read(file).expect("a prebuilt component");
        let found = Prebuilt::of(&root, name, &component).expect("sources");
        assert_eq!(manifest.get(name), Some(&found), "{name} is stale: run `cargo xtask guests --bless`");
    }
    assert_eq!(manifest.len(), guests::NAMES.len(), "the manifest names a component that is no guest");
}
