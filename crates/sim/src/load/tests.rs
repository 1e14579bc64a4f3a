use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Load, Trace};
use crate::testing::{generated, scenario};
use crate::{Request, Scenario};

fn count(load: Value, duration: &str) -> usize {
    let (_, load) = generated(json!({ "duration": duration, "load": load }));
    load.requests(1).count()
}

#[test]
fn even_arrivals_are_the_integral() {
    let cases = [
        ("constant", json!({ "constant": { "rate": 10 } }), "100s", 1_000),
        ("a third a second", json!({ "constant": { "rate": 1.0 / 3.0 } }), "24h", 28_800),
        ("a tenth, for long", json!({ "constant": { "rate": 0.1 } }), "10days", 86_400),
        (
            "0.1 + 0.2",
            json!({ "sum": [{ "constant": { "rate": 0.1 } }, { "constant": { "rate": 0.2 } }] }),
            "1000s",
            300,
        ),
        ("not a whole number", json!({ "constant": { "rate": 0.999 } }), "1s", 0),
        ("nothing", json!({ "constant": { "rate": 0 } }), "1h", 0),
        ("step", json!({ "step": { "at": "40s", "rate": 5 } }), "100s", 300),
        ("step after the end", json!({ "step": { "at": "2h", "rate": 5 } }), "100s", 0),
        ("ramp and what follows", json!({ "ramp": { "from": 0, "to": 10, "start": "10s", "end": "30s" } }), "40s", 200),
        ("ramp down", json!({ "ramp": { "from": 10, "to": 0, "start": "0s", "end": "20s" } }), "40s", 100),
        ("whole days", json!({ "diurnal": { "low": 2, "high": 18 } }), "48h", 1_728_000),
        ("one burst", json!({ "burst": { "at": "10s", "length": "10s", "rate": 7 } }), "100s", 70),
        (
            "bursts, the last cut",
            json!({ "burst": { "at": "5s", "every": "30s", "length": "10s", "rate": 1 } }),
            "70s",
            25,
        ),
        (
            "bursts without a gap",
            json!({ "burst": { "at": "0s", "every": "3s", "length": "3s", "rate": 2 } }),
            "100s",
            200,
        ),
    ];
    for (name, load, duration, want) in cases {
        assert_eq!(count(load, duration), want, "{name}");
    }
}

#[test]
fn even_arrivals_are_evenly_spaced() {
    let (_, load) = generated(json!({ "duration": "10s", "load": { "constant": { "rate": 4 } } }));
    let times: Vec<_> = load.requests(3).map(|request| request.at_micros).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 250_000), "{times:?}");
    assert!(times[0] < 250_000);
}

#[test]
fn poisson_arrivals_have_poisson_counts() {
    let spec = json!({ "duration": "20000s", "arrivals": "poisson", "load": { "constant": { "rate": 5 } } });
    let (_, load) = generated(spec);
    let mut counts = vec![0_f64; 20_000];
    for request in load.requests(11) {
        counts[(request.at_micros / 1_000_000) as usize] += 1.0;
    }
    let mean = counts.iter().sum::<f64>() / 20_000.0;
    let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 20_000.0;
    assert!((mean - 5.0).abs() < 0.05 && (variance - 5.0).abs() < 0.2, "{mean} {variance}");
}

#[test]
fn work_has_its_mean_and_variation() {
    let cases = [("constant", None, 0.0), ("exponential", None, 1.0), ("lognormal", Some(0.5), 0.5)];
    for (distribution, cv, want) in cases {
        let mut time = json!({ "mean": "100ms", "distribution": distribution });
        if let Some(cv) = cv {
            time["cv"] = json!(cv);
        }
        let (_, load) = generated(json!({
            "duration": "1000s", "load": { "constant": { "rate": 200 } }, "service": { "time": time },
        }));
        let work: Vec<f64> = load.requests(5).map(|request| request.work_micros as f64).collect();
        let mean = work.iter().sum::<f64>() / work.len() as f64;
        let variance = work.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / work.len() as f64;
        let found = variance.sqrt() / mean;
        assert!((mean / 100_000.0 - 1.0).abs() < 0.01, "{distribution}: mean {mean}");
        assert!((found - want).abs() < 0.02, "{distribution}: variation {found}");
    }
}

#[test]
fn the_built_in_day_has_its_shape() {
    let load = Load::generated(&Scenario::builtin()).expect("it is valid");
    let mut hours = [0_u32; 24];
    for request in load.requests(1) {
        hours[(request.at_micros / 3_600_000_000) as usize] += 1;
    }
    let total: u32 = hours.iter().sum();
    assert!((900_000..=1_100_000).contains(&total), "{total}");
    assert!(hours[14] > 7 * hours[2] && hours[9] > hours[7], "{hours:?}");
}

/// Pinned: a change here changes every simulation anyone has recorded.
#[test]
fn the_first_requests_of_the_built_in_day() {
    let load = Load::generated(&Scenario::builtin()).expect("it is valid");
    let first: Vec<_> = load.requests(1).take(2).collect();
    let want =
        [(185_769, 1_580_735), (588_242, 1_110_285)].map(|(at_micros, work_micros)| Request { at_micros, work_micros });
    assert_eq!(first, want);
}

#[test]
fn a_rate_trace_is_replayed() {
    let spec = json!({ "load": { "trace": { "file": "x.csv" } } });
    let cases = [
        ("as it is", None, "time,rate\n100,5\n110,0\n120,2\n", 70),
        ("cut", Some("15s"), "time,rate\n0,5\n10,1\n20,2\n", 55),
        ("followed by nothing", Some("1h"), "time,rate\n0,5\n10,1\n", 60),
        ("one row", None, "time,rate\n0,5\n", 5),
    ];
    for (name, duration, text, want) in cases {
        let mut spec = spec.clone();
        if let Some(duration) = duration {
            spec["duration"] = json!(duration);
        }
        let trace = Trace::read(text.as_bytes(), "x.csv").expect(name);
        let load = Load::from_trace(&scenario(spec), trace).expect(name);
        assert_eq!(load.requests(1).count(), want, "{name}");
    }
}

#[test]
fn tokens_make_the_work() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.5,100,10\n2023-11-16 18:17:04,0,0";
    let scenario = Scenario::for_trace("x.csv".as_ref()).expect("a name");
    let load = Load::from_trace(&scenario, Trace::read(text.as_bytes(), "x.csv").expect("valid")).expect("small");
    let requests: Vec<_> = load.requests(1).map(|r| (r.at_micros, r.work_micros)).collect();
    // 50 ms + 100 · 0.2 ms + 10 · 20 ms, then the base alone.
    assert_eq!(requests, [(0, 270_000), (500_000, 50_000)]);
}

#[test]
fn a_trace_that_is_not_there_is_named() {
    let scenario = Scenario::for_trace("missing.csv".as_ref()).expect("a name");
    let error = Load::open(&scenario, "nowhere".as_ref()).expect_err("no file").to_string();
    assert!(error.contains("missing.csv"), "{error}");
    assert!(Load::generated(&scenario).is_err());
}

proptest! {
    #[test]
    fn even_arrivals_of_any_trace_are_the_integral(
        rows in prop::collection::vec((1_u32..100, 0_u32..200), 2..50), seed: u32,
    ) {
        let (mut text, mut at, mut tenths) = (String::from("time,rate\n"), 0, 0_u64);
        for (i, (gap, rate)) in rows.iter().enumerate() {
            text.push_str(&format!("{at},{}\n", f64::from(*rate) / 10.0));
            // The last row holds as long as the gap before it.
            let holds = if i + 1 == rows.len() { rows[i - 1].0 } else { *gap };
            tenths += u64::from(holds) * u64::from(*rate);
            at += gap;
        }
        let scenario = Scenario::for_trace("x.csv".as_ref()).unwrap();
        let load = Load::from_trace(&scenario, Trace::read(text.as_bytes(), "x.csv").unwrap()).unwrap();
        let requests: Vec<_> = load.requests(seed.into()).collect();
        prop_assert_eq!(requests.len() as u64, tenths / 10);
        prop_assert!(requests.windows(2).all(|pair| pair[0].at_micros <= pair[1].at_micros));
        prop_assert!(requests.iter().all(|r| r.at_micros < load.duration_micros()));
    }
}
