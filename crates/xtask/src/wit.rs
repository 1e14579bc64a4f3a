//! Whether a contract that plugins were built for still is what it was.
//!
//! `wit/released/MINOR` holds each minor version as it was released, `wit/MINOR` as it is now. Plugins that were built
//! then must run now, so things may only be added, and nothing that a plugin would have to have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use setpoint_testkit::guests::root;
use wit_parser::{
    Function, FunctionKind, Handle, InterfaceId, PackageId, Resolve, Type, TypeDefKind, TypeId, WorldItem, WorldKey,
};

/// Compares every released minor with what it is now.
pub(crate) fn check() -> anyhow::Result<()> {
    let wit = root().join("wit");
    let mut problems = Vec::new();
    let mut minors = 0;
    for entry in fs::read_dir(wit.join("released")).context("wit/released")? {
        let entry = entry?;
        let (released, now) = (entry.path(), wit.join(entry.file_name()));
        let minor = entry.file_name().to_string_lossy().into_owned();
        problems.extend(
            differences(&Contract::read(&released)?, &Contract::read(&now)?)
                .into_iter()
                .map(|problem| format!("wit/{minor}: {problem}")),
        );
        minors += 1;
    }
    if minors == 0 {
        bail!("wit/released holds no contract");
    }
    if !problems.is_empty() {
        bail!("plugins that were built for it no longer run:\n  {}", problems.join("\n  "));
    }
    eprintln!("{minors} released contract(s) are what they were, or more");
    Ok(())
}

/// What a package defines, item by item.
struct Contract {
    package: String,
    /// What each item is, by a name that says where it is.
    items: BTreeMap<String, Item>,
    /// Interfaces that plugins export.
    exported: BTreeSet<String>,
    worlds: BTreeSet<String>,
}

struct Item {
    place: Place,
    text: String,
}

enum Place {
    Type,
    FunctionOf(String),
    Import,
    ExportOf(String),
}

impl Contract {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(folder).with_context(|| folder.display().to_string())?;
        Ok(Self::of(&resolve, package))
    }

    fn of(resolve: &Resolve, package: PackageId) -> Self {
        let package = &resolve.packages[package];
        let version = package.name.version.as_ref().map(|version| (version.major, version.minor));
        let mut contract = Self {
            package: format!("{}:{} {version:?}", package.name.namespace, package.name.name),
            items: BTreeMap::new(),
            exported: BTreeSet::new(),
            worlds: package.worlds.keys().cloned().collect(),
        };
        for (name, &interface) in &package.interfaces {
            contract.add_interface(resolve, name, interface);
        }
        for (name, &world) in &package.worlds {
            let world = &resolve.worlds[world];
            for (key, item) in &world.imports {
                let import = format!("world `{name}`, import `{}`", key_name(resolve, key));
                contract.add(import, Place::Import, world_item(resolve, item));
            }
            for (key, item) in &world.exports {
                let export = key_name(resolve, key);
                contract.exported.insert(export.clone());
                let path = format!("world `{name}`, export `{export}`");
                contract.add(path, Place::ExportOf(name.clone()), world_item(resolve, item));
            }
        }
        contract
    }

    fn add(&mut self, path: String, place: Place, text: String) {
        self.items.insert(path, Item { place, text });
    }

    fn add_interface(&mut self, resolve: &Resolve, name: &str, interface: InterfaceId) {
        let interface = &resolve.interfaces[interface];
        for (type_name, &id) in &interface.types {
            let path = format!("interface `{name}`, type `{type_name}`");
            self.add(path, Place::Type, kind(resolve, &resolve.types[id].kind));
        }
        for (function, definition) in &interface.functions {
            let path = format!("interface `{name}`, function `{function}`");
            self.add(path, Place::FunctionOf(name.to_owned()), signature(resolve, definition));
        }
    }
}

/// What in `now` would stop a plugin built for `released`.
fn differences(released: &Contract, now: &Contract) -> Vec<String> {
    let mut problems = Vec::new();
    if released.package != now.package {
        problems.push(format!("the package was {}, and is {}", released.package, now.package));
    }
    for (path, was) in &released.items {
        match now.items.get(path) {
            None => problems.push(format!("{path} was removed")),
            Some(is) if is.text != was.text => problems.push(format!("{path} was {}, and is {}", was.text, is.text)),
            Some(_) => {}
        }
    }
    for (path, added) in now.items.iter().filter(|(path, _)| !released.items.contains_key(*path)) {
        match &added.place {
            Place::FunctionOf(interface) if released.exported.contains(interface) => {
                problems.push(format!("{path} was added, and plugins export that interface without it"));
            }
            Place::ExportOf(world) if released.worlds.contains(world) => {
                problems.push(format!("{path} was added, and plugins of that world don't have it"));
            }
            Place::Type | Place::FunctionOf(_) | Place::Import | Place::ExportOf(_) => {}
        }
    }
    problems
}

fn key_name(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(id) => interface_name(resolve, *id),
    }
}

fn interface_name(resolve: &Resolve, id: InterfaceId) -> String {
    resolve.interfaces[id].name.clone().unwrap_or_default()
}

fn world_item(resolve: &Resolve, item: &WorldItem) -> String {
    match item {
        WorldItem::Interface { id, .. } => format!("interface {}", interface_name(resolve, *id)),
        WorldItem::Function(function) => signature(resolve, function),
        WorldItem::Type { id, .. } => named(resolve, *id),
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let static_of = match function.kind {
        FunctionKind::Static(_) | FunctionKind::AsyncStatic(_) => "static ",
        _ => "",
    };
    let parameters: Vec<String> =
        function.params.iter().map(|parameter| format!("{}: {}", parameter.name, ty(resolve, parameter.ty))).collect();
    let result = function.result.map_or_else(String::new, |result| format!(" -> {}", ty(resolve, result)));
    format!("{static_of}func({}){result}", parameters.join(", "))
}

fn ty(resolve: &Resolve, ty: Type) -> String {
    match ty {
        Type::Id(id) => named(resolve, id),
        plain => format!("{plain:?}").to_lowercase(),
    }
}

fn optional(resolve: &Resolve, of: Option<Type>) -> String {
    of.map_or_else(|| "_".to_owned(), |of| ty(resolve, of))
}

/// A type where it is used: by its name, if it has one.
fn named(resolve: &Resolve, id: TypeId) -> String {
    let definition = &resolve.types[id];
    match &definition.name {
        Some(name) => name.clone(),
        None => kind(resolve, &definition.kind),
    }
}

/// A type where it is defined.
fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match kind {
        TypeDefKind::Record(record) => {
            let field = |field: &wit_parser::Field| format!("{}: {}", field.name, ty(resolve, field.ty));
            format!("record {{ {} }}", list(record.fields.iter().map(field).collect()))
        }
        TypeDefKind::Variant(variant) => {
            let case = |case: &wit_parser::Case| match case.ty {
                Some(of) => format!("{}({})", case.name, ty(resolve, of)),
                None => case.name.clone(),
            };
            format!("variant {{ {} }}", list(variant.cases.iter().map(case).collect()))
        }
        TypeDefKind::Enum(cases) => {
            format!("enum {{ {} }}", list(cases.cases.iter().map(|case| case.name.clone()).collect()))
        }
        TypeDefKind::Flags(flags) => {
            format!("flags {{ {} }}", list(flags.flags.iter().map(|flag| flag.name.clone()).collect()))
        }
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", list(tuple.types.iter().map(|of| ty(resolve, *of)).collect()))
        }
        TypeDefKind::List(of) => format!("list<{}>", ty(resolve, *of)),
        TypeDefKind::Option(of) => format!("option<{}>", ty(resolve, *of)),
        TypeDefKind::Result(result) => {
            format!("result<{}, {}>", optional(resolve, result.ok), optional(resolve, result.err))
        }
        TypeDefKind::Handle(Handle::Own(id)) => named(resolve, *id),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", named(resolve, *id)),
        TypeDefKind::Type(of) => ty(resolve, *of),
        TypeDefKind::Resource => "resource".to_owned(),
        // Nothing that a contract here has; told apart all the same.
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASED: &str = include_str!("../../../wit/released/0.1/scaling.wit");

    fn contract(text: &str) -> Contract {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("scaling.wit", text).expect("good text");
        Contract::of(&resolve, package)
    }

    #[test]
    fn what_only_adds_is_accepted() {
        for (name, was, is) in [
            ("nothing", "", ""),
            ("words", "/// Who the algorithm is. The same at every call.", "/// Who it is."),
            ("a patch", "scaling@0.1.0", "scaling@0.1.7"),
            (
                "a type",
                "    /// Why there is no answer.",
                "    enum mood { good, bad }\n    /// Why there is no answer.",
            ),
            (
                "an interface",
                "/// What a plugin exports.",
                "interface more { more: func() -> u32; }\n/// What a plugin exports.",
            ),
            (
                "an import",
                "    export algorithm;",
                "    export algorithm;\n    import more;\n}\ninterface more { more: func() -> u32;",
            ),
            ("a world", "world plugin {", "world other { import types; }\nworld plugin {"),
        ] {
            let altered = RELEASED.replacen(was, is, 1);
            assert!(was == is || altered != RELEASED, "{name} alters nothing");
            assert_eq!(differences(&contract(RELEASED), &contract(&altered)), [""; 0], "{name}");
        }
    }

    #[test]
    fn what_a_built_plugin_would_not_survive_is_refused_by_name() {
        for (was, is, want) in [
            ("scaling@0.1.0", "scaling@0.2.0", "the package was setpoint:scaling Some((0, 1)), and is"),
            (
                "        ready: u32,\n",
                "",
                "interface `types`, type `observation` was record { now-ms: s64, current: u32, ready: u32",
            ),
            ("        ready: u32,\n", "        ready: u32,\n        pending: u32,\n", "type `observation` was"),
            ("        ready: u32,\n", "        ready: u64,\n", "type `observation` was"),
            ("        hold,\n", "", "interface `types`, type `proposal` was variant"),
            ("        suspend,\n", "        suspend,\n        quit,\n", "interface `types`, type `proposal` was"),
            ("state: option<list<u8>>", "state: list<u8>", "interface `types`, type `answer` was"),
            (
                "        restore: func",
                "        put-back: func",
                "interface `algorithm`, function `[method]instance.restore` was removed",
            ),
            (
                "snapshot: func() -> list<u8>;",
                "snapshot: func() -> string;",
                "function `[method]instance.snapshot` was func(",
            ),
            (
                "create: static func(config: string",
                "create: static func(settings: string",
                "function `[static]instance.create` was static func(",
            ),
            (
                "    describe: func",
                "    more: func();\n    describe: func",
                "function `more` was added, and plugins export that interface",
            ),
            (
                "    export algorithm;",
                "    export algorithm;\n    export more: func();",
                "export `more` was added, and plugins of that world",
            ),
            ("world plugin {", "world module {", "world `plugin`, export `algorithm` was removed"),
        ] {
            let altered = RELEASED.replacen(was, is, 1);
            assert_ne!(altered, RELEASED, "{was} is not there");
            let problems = differences(&contract(RELEASED), &contract(&altered));
            assert!(problems.iter().any(|problem| problem.contains(want)), "{was} to {is}: {problems:?}");
        }
    }
}
