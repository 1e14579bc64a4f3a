//! Components that no compiler would make, written by hand.

/// A component for contract 0.2 that answers each look with seven replicas and has no state: all of its parts, in the
/// order of [`PARTS`], in braces.
///
/// What it says of itself stands at 1024, the strings of that from 2048 on, and the answers between.
const TEMPLATE: &str = r#"
(component
  {outer}
  (component $plugin
    {inner}
    (type $target' (variant (case "value" f64) (case "average-value" f64) (case "utilization" f64)))
    (export $target "target" (type $target'))
    (type $metric' (record (field "name" string) (field "target" $target)))
    (export $metric "metric" (type $metric'))
    (type $observation' (record
      (field "now-ms" s64) (field "current" {count}) (field "ready" u32) (field "min" u32) (field "max" u32)
      (field "explain" bool) (field "values" (list f64)) (field "states" (list u8))))
    (export $observation "observation" (type $observation'))
    (type $proposal' (variant (case "need" f64) (case "hold") (case "no-opinion") (case "suspend")))
    (export $proposal "proposal" (type $proposal'))
    (type $answer' (record
      (field "proposal" $proposal) (field "reason" string) (field "state" (option (list u8)))))
    (export $answer "answer" (type $answer'))
    (type $failure' (variant (case "refused" string) (case "bad-observation" string)))
    (export $failure "failure" (type $failure'))
    (type $config-error' (record (field "path" string) (field "message" string)))
    (export $config-error "config-error" (type $config-error'))
    (type $metric-need' (record (field "name" string) (field "meaning" string)))
    (export $metric-need "metric-need" (type $metric-need'))
    (type $description' (record
      (field "name" string) (field "version" string) (field "summary" {text}) (field "config-schema" string)
      (field "metrics" (list $metric-need)) (field "deterministic" bool)))
    (export $description "description" (type $description'))
    (type $instance' (resource (rep i32)))
    (export $instance "instance" (type $instance'))
    (core func $new (canon resource.new $instance))
    {lowered}
    (core module $code
      (import "host" "new" (func $new (param i32) (result i32)))
      {imports}
      (memory (export "memory") {memory})
      (global $next (mut i32) (i32.const 65536))
      (global $made (mut i32) (i32.const 0))
      (global $asked (mut i32) (i32.const 0))
      {items}
      (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (if (global.get $made) (then {realloc}))
        (local.set $at (i32.and
          (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get 2))))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
      (func (export "done") (param i32) (global.set $next (i32.const 65536)))
      (func (export "describe") (result i32) {describe} (i32.const 1024))
      (func (export "create") (param i32 i32 i32 i32) (result i32)
        {create}
        (global.set $made (i32.const 1))
        (i32.store (i32.const 1220) (call $new (i32.const 1)))
        (i32.const 1216))
      (func (export "evaluate") (param i32 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
        {evaluate}
        (i32.const 1152))
      (func (export "evaluated") (param i32) {evaluated} (global.set $next (i32.const 65536)))
      (func (export "snapshot") (param i32) (result i32) {snapshot} (i32.const 1232))
      (func (export "restore") (param i32 i32 i32) (result i32)
        {restore}
        (i32.store8 (i32.const 1248) (i32.ne (local.get 2) (i32.const 0)))
        (i32.const 1248))
      (data (i32.const 1024) "\00\08\00\00\08\00\00\00\10\08\00\00\05\00\00\00\20\08\00\00\0d\00\00\00\40\08\00\00\02\00\00\00")
      (data (i32.const 1064) "\01")
      (data (i32.const 1152) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\1c\40")
      (data (i32.const 1252) "\60\08\00\00\09\00\00\00")
      (data (i32.const 2048) "handmade")
      (data (i32.const 2064) "1.0.0")
      (data (i32.const 2080) "answers seven")
      (data (i32.const 2112) "{}")
      (data (i32.const 2144) "no state.")
      {data})
    (core instance $host (export "new" (func $new)) {exports})
    (core instance $it (instantiate $code (with "host" (instance $host))))
    {instances}
    (func (export "describe") (result $description)
      (canon lift (core func $it "describe") (memory (core memory $it "memory")) (post-return (core func $it "done"))))
    (func (export "[static]instance.create")
      (param "config" string) (param "metrics" (list $metric))
      (result (result (own $instance) (error $config-error)))
      (canon lift (core func $it "create") (memory (core memory $it "memory")) (realloc (core func $it "realloc"))
        (post-return (core func $it "done"))))
    (func (export "[method]instance.evaluate")
      (param "self" (borrow $instance)) (param "look" $observation)
      (result (result $answer (error $failure)))
      (canon lift (core func $it "evaluate") (memory (core memory $it "memory")) (realloc (core func $it "realloc"))
        (post-return (core func $it "evaluated"))))
    (func (export "[method]instance.snapshot") (param "self" (borrow $instance)) (result (list u8))
      (canon lift (core func $it "snapshot") (memory (core memory $it "memory")) (post-return (core func $it "done"))))
    (func (export {restore-name})
      (param "self" (borrow $instance)) (param "state" (list u8)) (result (result (error string)))
      (canon lift (core func $it "restore") (memory (core memory $it "memory")) (realloc (core func $it "realloc"))
        (post-return (core func $it "done")))))
  (instance $plugin (instantiate $plugin {with}))
  (export {interface} (instance $plugin)))
"#;

/// The parts that can be others, and what they are where nothing is said.
const PARTS: [(&str, &str); 21] = [
    // Around the plugin and in it, before everything else.
    ("outer", ""),
    ("inner", ""),
    // Two types.
    ("count", "u32"),
    ("text", "string"),
    // What the code imports beside its own resource: lowered, given, and taken.
    ("lowered", ""),
    ("exports", ""),
    ("imports", ""),
    ("memory", "2"),
    ("items", ""),
    // Only once there is an instance.
    ("realloc", ""),
    ("describe", ""),
    ("create", ""),
    ("evaluate", ""),
    ("evaluated", ""),
    ("snapshot", ""),
    ("restore", ""),
    // What overwrites the data above it.
    ("data", ""),
    ("instances", ""),
    ("restore-name", "\"[method]instance.restore\""),
    ("with", ""),
    ("interface", "\"setpoint:scaling/algorithm@0.2.0\""),
];

/// Code that never ends.
pub(super) const SPIN: &str = "(loop $again (br $again))";

/// The component in which these parts are others.
pub(super) fn with(parts: &[(&str, &str)]) -> Vec<u8> {
    for (name, _) in parts {
        assert!(PARTS.iter().any(|(known, _)| known == name), "there is no part {name}");
    }
    let mut text = TEMPLATE.to_owned();
    for (name, default) in PARTS {
        let part = parts.iter().find(|(other, _)| *other == name).map_or(default, |(_, part)| part);
        text = text.replace(&format!("{{{name}}}"), part);
    }
    component(&text)
}

/// The component without the names at its end, which nobody would miss.
pub(super) fn without_names() -> Vec<u8> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    let mut component = with(&[]);
    let (mut at, mut last) = (HEADER, HEADER);
    while at < component.len() {
        last = at;
        // A number, then a size in groups of seven bits, then so many bytes.
        let size = &component[at + 1..];
        let groups = size.iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
        let bytes = size[..groups].iter().rev().fold(0, |bytes, group| bytes << 7 | usize::from(group & 0x7f));
        at += 1 + groups + bytes;
    }
    assert_eq!(component[last], CUSTOM, "the names are at the end");
    component.truncate(last);
    component
}

/// The component that imports one function of `interface`, `$import` in its code.
pub(super) fn importing(interface: &str, function: &str, ty: &str, core: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let instance = |name: &str| format!("(import \"{name}\" (instance $import (export \"{function}\" (func {ty}))))");
    let (outer, inner) = (instance(interface), instance("import"));
    let lowered = format!("(core func $import (canon lower (func $import \"{function}\")))");
    let imports = format!("(import \"host\" \"import\" (func $import {core}))");
    let mut all = vec![
        ("outer", outer.as_str()),
        ("inner", inner.as_str()),
        ("with", "(with \"import\" (instance $import))"),
        ("lowered", lowered.as_str()),
        ("exports", "(export \"import\" (func $import))"),
        ("imports", imports.as_str()),
    ];
    all.extend(parts);
    with(&all)
}

/// Data that replaces the little-endian words from `at` on.
pub(super) fn words(at: u32, words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}"));
    format!("(data (i32.const {at}) \"{}\")", bytes.collect::<String>())
}

/// What `text` says.
pub(super) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}
