//! `setpoint plugin`.

use serde_json::Value;
use setpoint_testkit::hostile::{self, Ends, Input, Row, TABLE};
use setpoint_testkit::{guests, laws};

use crate::{Folder, Ran};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("standard output holds JSON alone: {error}: {ran:?}"))
}

/// What the report says of one file's law.
fn verdict<'a>(file: &'a Value, law: &str) -> (&'a str, &'a str) {
    let laws = file["laws"].as_array().expect("a list");
    let law = laws.iter().find(|other| other["law"] == law).expect("a law that is checked");
    (law["verdict"].as_str().expect("a word"), law["why"].as_str().unwrap_or_default())
}

#[test]
fn inspect_says_what_a_plugin_is_and_what_it_wants() {
    let folder = Folder::new();
    let plugin = guests::component("chatty");
    folder.write("chatty.wasm", &plugin);
    let ran = folder.run(&["plugin", "inspect", "chatty.wasm", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let told = json(&ran);
    let want = [
        ("file", "chatty.wasm".into()),
        ("bytes", plugin.len().into()),
        ("name", "chatty".into()),
        ("version", "0.1.0".into()),
        ("summary", "tells what it finds around itself, and logs; for tests of hosts".into()),
        ("contract", "setpoint:scaling@0.2.0".into()),
        ("batch", true.into()),
        ("deterministic", false.into()),
        ("metrics", serde_json::json!([{ "name": "p99", "meaning": "the 99th percentile of latency, in ms" }])),
        (
            "capabilities",
            serde_json::json!([
                { "name": "clock", "required": false },
                { "name": "random", "required": false },
                { "name": "log", "required": true },
            ]),
        ),
    ];
    for (field, value) in want {
        assert_eq!(told[field], value, "{field}");
    }
    let digest = told["digest"].as_str().and_then(|digest| digest.strip_prefix("blake3:")).expect("a digest");
    assert!(digest.len() == 64 && digest.chars().all(|digit| digit.is_ascii_hexdigit()), "{digest}");
    let imports = told["imports"].as_array().expect("a list");
    assert!(imports.contains(&"setpoint:scaling/log@0.2.0".into()), "{imports:?}");
    assert!(imports.iter().any(|import| import.as_str().expect("text").starts_with("wasi:clocks/")), "{imports:?}");
    assert!(told["config_schema"]["properties"]["lines"].is_object(), "{told}");

    let ran = folder.run(&["plugin", "inspect", "chatty.wasm"]);
    for want in [
        "chatty 0.1.0\n",
        "contract      setpoint:scaling@0.2.0, with batches\n",
        "deterministic no, it says\n",
        "metrics       p99: the 99th percentile of latency, in ms\n",
        "log: required, write `capabilities: [log]` in its policy\n",
        "lines: How many lines it logs of each look.\n",
    ] {
        assert!(ran.out.contains(want), "{want} in {}", ran.out);
    }
}

#[test]
fn a_plugin_of_a_released_contract_says_so() {
    let folder = Folder::new();
    folder.write("old.wasm", guests::released("0.1", "capped-smooth-ratio"));
    let told = json(&folder.run(&["plugin", "inspect", "old.wasm", "--json"]));
    assert_eq!((&told["contract"], &told["batch"]), (&"setpoint:scaling@0.1.0".into(), &false.into()));
    assert_eq!(told["metrics"], serde_json::json!([]));
}

#[test]
fn what_is_no_plugin_can_t_be_inspected() {
    let folder = Folder::new();
    folder.write("notes.txt", "not a plugin");
    let ran = folder.run(&["plugin", "inspect", "notes.txt"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("notes.txt: the file is something else, not a WebAssembly component"), "{}", ran.err);
    let ran = folder.run(&["plugin", "inspect", "nothing.wasm"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("nothing.wasm: can't be read"), "{}", ran.err);
}

#[test]
fn a_good_plugin_keeps_all_laws_within_all_limits() {
    let folder = Folder::new();
    folder.write("good.wasm", guests::component("capped-smooth-ratio"));
    let ran = folder.run(&["plugin", "check", "good.wasm", "--monotone", "--cases", "8", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let report = json(&ran);
    let file = &report["files"][0];
    assert_eq!((&report["passed"], &file["passed"], &file["refused"]), (&true.into(), &true.into(), &Value::Null));
    for law in laws::names() {
        assert_eq!(verdict(file, law), ("kept", ""), "{law}");
    }
    let limits = file["limits"].as_array().expect("a list");
    assert_eq!(limits.len(), 5, "{limits:?}");
    for limit in limits {
        let (used, most) = (limit["used"].as_u64().expect("a number"), limit["most"].as_u64().expect("a number"));
        assert!(limit["within"] == true && used <= most, "{limit}");
    }
    let ran = folder.run(&["plugin", "check", "good.wasm", "--cases", "2"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    for want in [
        "good.wasm: capped-smooth-ratio-plugin 0.1.0\n",
        "  kept       state survives a restart\n",
        "  unchecked  more load never means fewer replicas\n             not every algorithm promises it: --monotone\n",
        "\n1 passed, 0 failed\n",
    ] {
        assert!(ran.out.contains(want), "{want} in {}", ran.out);
    }
}

#[test]
fn a_broken_law_says_how_and_one_that_is_broken_by_design_can_be_left_out() {
    let folder = Folder::new();
    folder.write("chatty.wasm", guests::component("chatty"));
    let check = |except: &[&str]| {
        let mut arguments = vec!["plugin", "check", "chatty.wasm", "--cases", "8", "--json"];
        arguments.extend(except.iter().flat_map(|law| ["--except", law]));
        let ran = folder.run(&arguments);
        assert_eq!(ran.err, "");
        ran
    };
    // It hands on what it reads, whatever that is, and takes no reading for a zero.
    let (nothing, target) = ("nothing usable, nothing done", "what is at its target stays");
    let all = check(&[]);
    let report = json(&all);
    let (word, why) = verdict(&report["files"][0], laws::ANSWERS);
    assert!(
        all.code == 1 && word == "broken" && why.contains("nonsense: plugin chatty answered with a need of"),
        "{why}"
    );
    let others = check(&[laws::ANSWERS]);
    let report = json(&others);
    let file = &report["files"][0];
    let (word, why) = verdict(file, nothing);
    assert!(others.code == 1 && word == "broken" && why.contains("from no reading\nthe looks: [Look {"), "{why}");
    assert_eq!(verdict(file, target).0, "broken");
    assert_eq!(verdict(file, laws::REPLAYS), ("unchecked", "it says of itself that it is not deterministic"));
    let none = check(&[laws::ANSWERS, nothing, target]);
    assert_eq!(none.code, 0, "{}", none.out);
    assert_eq!(verdict(&json(&none)["files"][0], nothing), ("unchecked", "left out with --except"));
    // The same sequences each time.
    assert_eq!(all.out, check(&[]).out);
}

#[test]
fn a_configuration_is_taken_as_a_policy_s() {
    let folder = Folder::new();
    folder.write("good.wasm", guests::component("capped-smooth-ratio"));
    let check =
        |config: &str| folder.run(&["plugin", "check", "good.wasm", "--cases", "2", "--json", "--config", config]);
    assert_eq!(check(r#"{ "tolerance": 0.2 }"#).code, 0);
    let ran = check(r#"{ "tolerence": 0.2 }"#);
    assert_eq!(ran.code, 1);
    let report = json(&ran);
    let (word, why) = verdict(&report["files"][0], laws::ANSWERS);
    assert!(word == "broken" && why.contains("did you mean `tolerance`?"), "{word}: {why}");
    assert_eq!(verdict(&report["files"][0], "state survives a restart"), ("unchecked", "it does not answer"));
    let ran = check("{");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("--config: "), "{}", ran.err);
}

#[test]
fn the_liar_breaks_the_law_that_it_says_it_keeps() {
    let folder = Folder::new();
    folder.write("liar.wasm", hostile::liar());
    let ran = folder.run(&["plugin", "check", "liar.wasm", "--cases", "8", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(verdict(&json(&ran)["files"][0], laws::REPLAYS).0, "broken");
}

#[test]
fn a_slow_leak_is_found() {
    let Some(Input::AMillionTimes(leak)) =
        TABLE.iter().map(|row| row.input).find(|it| matches!(it, Input::AMillionTimes(_)))
    else {
        panic!("a row that leaks")
    };
    let folder = Folder::new();
    folder.write("leak.wasm", leak());
    let ran = folder.run(&["plugin", "check", "leak.wasm", "--cases", "1"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("  beyond     bytes of memory that thousands of looks leave behind: "), "{}", ran.out);
}

/// Each hostile file of the table, given to somebody who tries it before using it.
#[test]
fn hostile_files_are_told_from_good_ones() {
    // Whatever isn't ended by its deadline is so on a busy machine too.
    for (by_a_deadline, deadline) in [(true, "100"), (false, "60000")] {
        told_from_good_ones(deadline, TABLE.iter().filter(|row| row.ends.by_a_deadline() == by_a_deadline));
    }
}

fn told_from_good_ones<'a>(deadline: &str, rows: impl Iterator<Item = &'a Row>) {
    let folder = Folder::new();
    let mut files = Vec::new();
    for (index, row) in rows.enumerate() {
        let Input::File(file) = row.input else { continue };
        let name = format!("{index}.wasm");
        folder.write(&name, file());
        files.push((row, name));
    }
    let mut check = vec!["plugin", "check", "--cases", "2", "--json", "--deadline", deadline];
    check.extend(files.iter().map(|(_, name)| name.as_str()));
    let ran = folder.run(&check);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    let report = json(&ran);
    let checked = report["files"].as_array().expect("a list");
    assert_eq!(checked.len(), files.len());
    for ((row, name), file) in files.iter().zip(checked) {
        assert_eq!(file["file"], **name);
        let refused = file["refused"].as_str().unwrap_or_default();
        match row.ends {
            Ends::RefusedAtLoad(want) => assert!(refused.contains(want), "{}: {file}", row.name),
            Ends::RefusedAtStart(want) | Ends::Fails(_, want) => {
                let (word, why) = verdict(file, laws::ANSWERS);
                assert!(word == "broken" && why.contains(want), "{}: {file}", row.name);
            }
            _ => assert_eq!(verdict(file, laws::ANSWERS).0, "kept", "{}: {file}", row.name),
        }
        assert!(
            !matches!(row.ends, Ends::RefusedAtLoad(_) | Ends::RefusedAtStart(_) | Ends::Fails(..))
                || file["passed"] == false
        );
    }
}

#[test]
fn bench_times_loads_and_decisions_beside_the_library_s_own() {
    let folder = Folder::new();
    folder.write("good.wasm", guests::component("capped-smooth-ratio"));
    let ran = folder.run(&["plugin", "bench", "good.wasm", "--millis", "1", "--metrics", "2,1", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let report = json(&ran);
    assert_eq!(report["name"], "capped-smooth-ratio-plugin");
    let figures = |list: &str| -> Vec<(String, bool)> {
        let figures = report[list].as_array().expect("a list").iter();
        let figure = |figure: &Value| {
            let (median, least) =
                (figure["median_ns"].as_f64().expect("a time"), figure["least_ns"].as_f64().expect("a time"));
            assert!(median >= least && least > 0.0, "{figure}");
            (
                figure["what"].as_str().expect("words").to_owned(),
                figure["times_native"].as_f64().is_some_and(|times| times > 0.0),
            )
        };
        figures.map(figure).collect()
    };
    let named =
        |list: &[&str], beside: bool| -> Vec<_> { list.iter().map(|what| ((*what).to_owned(), beside)).collect() };
    assert_eq!(figures("loads"), named(&["compiled anew", "from the cache"], false));
    let decisions = [
        "warm, 1 metric",
        "warm, 2 metrics",
        "in a store of its own, 3 metrics",
        "a new instance for it, 3 metrics",
        "one of 1000 in one call, 3 metrics",
    ];
    assert_eq!(figures("decisions"), named(&decisions, true));
}

#[test]
fn what_gives_no_answer_has_no_cost() {
    let folder = Folder::new();
    folder.write("bad.wasm", guests::component("hostile"));
    let ran = folder.run(&["plugin", "bench", "bad.wasm", "--config", "\"nan\"", "--millis", "1"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("bad.wasm: it gives no answer that could be timed: "), "{}", ran.err);
    let ran = folder.run(&["plugin", "bench", "bad.wasm", "--config", "{"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("--config: "), "{}", ran.err);
}
