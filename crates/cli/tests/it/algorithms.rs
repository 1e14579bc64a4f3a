//! `setpoint algorithms`, `schema` and `completions`.

use serde_json::Value;
use setpoint_testkit::guests;

use crate::Folder;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("standard output holds JSON alone")
}

#[test]
fn plugins_stand_beside_the_native_ones() {
    let folder = Folder::new();
    folder.write("plugins/a.wasm", guests::component("capped-smooth-ratio"));
    folder.write("plugins/notes.txt", "not a plugin");
    let ran = folder.run(&["algorithms", "--json", "--plugins", "plugins"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let listed = json(&ran.out);
    let names = |kind: &str| -> Vec<String> {
        let entries = listed[kind].as_array().expect("a list");
        entries.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
    };
    let algorithms = [
        "aibrix-apa",
        "aibrix-kpa",
        "average-ratio",
        "capped-smooth-ratio",
        "capped-smooth-ratio-plugin",
        "formula",
        "hpa",
        "knative-kpa",
        "max-ratio",
        "nomad",
        "nomad-fixed-value",
        "nomad-pass-through",
        "nomad-target-value",
        "nomad-threshold",
        "watermark",
        "weighted-ratio",
    ];
    assert_eq!(names("algorithms"), algorithms);
    assert_eq!(names("combinators"), ["all-agree-down", "any-of", "first", "max", "median", "min"]);
    let stages = [
        "activation",
        "behavior",
        "capped",
        "cooled",
        "delayed",
        "legacy-behavior",
        "remembered",
        "smoothed",
        "stabilized",
        "substituted",
    ];
    assert_eq!(names("stages"), stages);
    for entry in listed["algorithms"].as_array().expect("a list") {
        assert!(entry["config_schema"]["properties"].is_object(), "{entry}");
        assert!(!entry["summary"].as_str().expect("text").is_empty(), "{entry}");
    }
    let ran = folder.run(&["algorithms", "--plugins", "plugins"]);
    for name in algorithms {
        assert!(ran.out.contains(&format!("\n  {name}\n")), "{name} in {}", ran.out);
    }
}

#[test]
#[cfg(unix)]
fn compiled_plugins_are_kept_where_one_says_and_a_bad_one_is_said() {
    let folder = Folder::new();
    folder.write("plugins/a.wasm", guests::component("hostile"));
    let kept = || -> Vec<String> {
        let files = std::fs::read_dir(folder.path().join("kept")).expect("a folder");
        files.map(|file| file.expect("a file").path()).filter(|file| file.extension().is_some()).map(named).collect()
    };
    let run = |cache: &str| folder.run(&["algorithms", "--plugins", "plugins", "--plugin-cache", cache]);
    for _ in 0..2 {
        let ran = run("kept");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    let entries = kept();
    assert_eq!(entries.len(), 1, "{entries:?}");
    folder.write(&format!("kept/{}", entries[0]), "something else");
    let ran = run("off");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = run("kept");
    let said = "warning: plugin hostile: its entry in the cache was not used, it is no entry of a cache";
    assert!(ran.code == 0 && ran.err.starts_with(said), "{}", ran.err);
    let ran = run("kept");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(!folder.files().contains(&"off".to_owned()));

    let ran = run("plugins/a.wasm");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no plugin can run here: no plugin cache in plugins/a.wasm: "), "{}", ran.err);
}

#[cfg(unix)]
fn named(file: std::path::PathBuf) -> String {
    file.file_name().expect("a file").to_string_lossy().into_owned()
}

#[test]
fn a_taken_name_is_an_error_that_names_the_file() {
    let folder = Folder::new();
    for file in ["plugins/a.wasm", "plugins/b.wasm"] {
        folder.write(file, guests::component("capped-smooth-ratio"));
    }
    let ran = folder.run(&["algorithms", "--plugins", "plugins"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("plugins/b.wasm: the name \"capped-smooth-ratio-plugin\" is taken"), "{}", ran.err);
}

#[test]
fn schemas_know_what_is_registered() {
    let folder = Folder::new();
    folder.write("plugins/a.wasm", guests::component("capped-smooth-ratio"));
    let ran = folder.run(&["schema", "--plugins", "plugins"]);
    let schema = json(&ran.out);
    let names = &schema["$defs"]["AlgorithmSpec"]["oneOf"][0]["properties"]["name"]["enum"];
    assert!(names.as_array().expect("names").contains(&"capped-smooth-ratio-plugin".into()), "{names}");
    assert!(schema["$defs"]["StageSpec"]["properties"]["stabilized"]["properties"]["scaleDownWindow"].is_object());
    assert_eq!(schema["additionalProperties"], false);
    let scenario = json(&folder.run(&["schema", "scenario"]).out);
    assert_eq!(scenario["additionalProperties"], false);
}

#[test]
fn completions_are_printed_for_a_shell() {
    let ran = Folder::new().run(&["completions", "bash"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("complete -F _setpoint"), "{}", ran.out);
}
