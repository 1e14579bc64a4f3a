//! Sources against servers that are slow, old, fenced in, or worried.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use setpoint::{Metric, MetricSource, PrometheusQuery, Target, Timestamp};
use setpoint_runtime::source::{Fetch, HttpJson, Prometheus, PrometheusServer};
use setpoint_runtime::{Measured, Question, Source, TokioClock};
use setpoint_testkit::http::{AUTHORITY, Answer, Asked, Server};

use crate::parts::{Pools, engine, policy, run_for, target};

/// When all of this happens, in seconds.
const NOW: i64 = 1_000_000;

fn clock() -> Arc<TokioClock> {
    Arc::new(TokioClock::starting(Timestamp::from_millis(NOW * 1000)))
}

fn metric(query: &str, server: Option<&Server>) -> Metric {
    let mut asked = PrometheusQuery::new(query);
    asked.server = server.map(Server::url);
    Metric::new(query, Target::average_value(4.0).expect("above 0")).with_source(MetricSource::Prometheus(asked))
}

async fn read(source: &dyn Source, metrics: &[Metric]) -> Vec<Measured> {
    let question = |metric: &Metric| Question::new(Arc::new(target("a")), Arc::new(metric.clone()));
    source.read(&metrics.iter().map(question).collect::<Vec<_>>()).await
}

fn vector(value: &str, more: &str) -> Answer {
    Answer::ok(format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{NOW},"{value}"]}}]}}{more}}}"#
    ))
}

fn well(_: &Asked) -> Answer {
    vector("7", "")
}

#[tokio::test]
async fn slow_queries_don_t_take_the_answers_of_the_others_with_them() {
    let slow = Server::start(|asked| if asked.body.contains("slow") { Answer::Silence } else { vector("7", "") });
    let other = Server::start(well);
    let number = Server::start(|_| Answer::ok("7"));
    let fetch = Fetch::within(Duration::from_millis(600), 1000).expect("a client");
    let prometheus = Prometheus::new(fetch.clone(), Some(PrometheusServer::new(slow.url()))).with_clock(clock());
    let mut policy = policy();
    policy.metrics = (0..40).map(|index| metric(&format!("slow_{index}"), None)).collect();
    policy.metrics.push(metric("quick", None));
    policy.metrics.push(metric("other", Some(&other)));
    let http = setpoint::HttpQuery { url: format!("{}/depth", number.url()), pointer: String::new() };
    let target_value = Target::average_value(4.0).expect("above 0");
    policy.metrics.push(Metric::new("number", target_value).with_source(MetricSource::Http(http)));
    let pools = Pools::new(&[("a", 2)]);
    let (builder, _) = engine(&pools, 0.0);
    let engine = builder
        .source(Arc::new(prometheus))
        .source(Arc::new(HttpJson::new(fetch)))
        .timeout(Duration::from_secs(1))
        .build();
    engine.add("a", &policy, target("a")).expect("the first");
    run_for(&engine, 1).await;
    let look = engine.last("a").expect("looked at");
    let of = |name: &str| &look.readings.iter().find(|(known, _)| known == name).expect("a metric").1;
    for name in ["quick", "other", "number"] {
        assert_eq!(*of(name), Measured::Value(7.0), "{name}");
    }
    for index in 0..40 {
        assert_eq!(of(&format!("slow_{index}")).state().0, "missing", "{index}");
    }
}

#[tokio::test]
async fn a_token_is_for_the_server_that_is_known_and_read_anew() {
    let known = Server::start(|asked| match asked.header("authorization") {
        Some("Bearer first" | "Bearer second") => vector("7", ""),
        _ => Answer::Body(401, "Unauthorized".into()),
    });
    let stranger = Server::start(well);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let server = PrometheusServer::new(known.url()).with_token_file(&file);
    let prometheus = Prometheus::new(Fetch::new().expect("a client"), Some(server)).with_clock(clock());
    let metrics = [metric("up", None), metric("down", Some(&stranger)), metric("same", Some(&known))];
    let cases = [
        ("no file", None, Err("the token file")),
        ("a token", Some("first\n"), Ok(())),
        ("another", Some("second"), Ok(())),
        ("one that is refused", Some("third"), Err("401 Unauthorized")),
        ("an empty file", Some(" \n"), Err("is empty")),
    ];
    for (name, token, want) in cases {
        if let Some(token) = token {
            std::fs::write(&file, token).expect("it is written");
        }
        let readings = read(&prometheus, &metrics).await;
        assert_eq!(readings[1], Measured::Value(7.0), "{name}: the other is asked without one");
        for reading in [&readings[0], &readings[2]] {
            match want {
                Ok(()) => assert_eq!(*reading, Measured::Value(7.0), "{name}"),
                Err(text) => {
                    assert!(matches!(reading, Measured::Missing(why) if why.contains(text)), "{name}: {reading:?}")
                }
            }
        }
    }
    assert!(stranger.asked().iter().all(|asked| asked.header("authorization").is_none()));
    assert!(known.asked().iter().all(|asked| asked.header("authorization").is_some()), "never without");
}

#[tokio::test]
async fn a_server_of_an_authority_of_its_own_is_trusted_where_that_is_said() {
    let server = Server::start_tls(well);
    let known = |fetch: Option<Fetch>| {
        let known = PrometheusServer::new(server.url());
        let known = fetch.into_iter().fold(known, PrometheusServer::with_fetch);
        Prometheus::new(Fetch::new().expect("a client"), Some(known)).with_clock(clock())
    };
    let trusting = |pem: &str| Fetch::trusting(pem.as_bytes(), Fetch::TIMEOUT, Fetch::BYTES);
    let of_authority = trusting(AUTHORITY).expect("an authority");
    let metrics = [metric("up", None)];
    assert_eq!(read(&known(Some(of_authority)), &metrics).await, [Measured::Value(7.0)]);
    let distrusted = read(&known(None), &metrics).await;
    assert_eq!(distrusted[0].state().0, "missing", "{distrusted:?}");
    for (name, pem) in [("nothing", ""), ("words", "trust me"), ("another thing", "-----BEGIN CERTIFICATE-----\nx")] {
        assert!(trusting(pem).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_sample_that_is_too_old_is_stale_with_its_age() {
    let server = Server::start(|asked| match asked.body.as_str() {
        // When it was taken: 100 s before the answer.
        "query=timestamp%28depth%0A%29" => vector(&(NOW - 100).to_string(), ""),
        "query=timestamp%28sum%0A%29" => Answer::Body(400, "expected an instant vector".into()),
        _ => vector("7", ""),
    });
    let known = Some(PrometheusServer::new(server.url()));
    let prometheus = Prometheus::new(Fetch::new().expect("a client"), known).with_clock(clock());
    let aged = |query: &str, seconds: u64| {
        let mut metric = metric(query, None);
        let Some(MetricSource::Prometheus(asked)) = &mut metric.source else { unreachable!("it was made so") };
        asked.max_age = Some(setpoint::Span::from_secs(seconds));
        metric
    };
    let metrics = [metric("depth", None), aged("depth", 120), aged("depth", 60), aged("sum", 60)];
    let readings = read(&prometheus, &metrics).await;
    assert_eq!(readings[..2], [Measured::Value(7.0), Measured::Value(7.0)]);
    assert_eq!(readings[2], Measured::Stale("the sample is 1m 40s old, more than 1m".into()));
    assert!(readings[3].state().1.contains("expected an instant vector"), "{:?}", readings[3]);
    assert_eq!(server.asked().len(), 4, "each query once");
    // The same answer, ten minutes later, as a cache would give it.
    let later = Arc::new(TokioClock::starting(Timestamp::from_millis((NOW + 600) * 1000)));
    let readings = read(&prometheus.with_clock(later), &metrics[..1]).await;
    assert_eq!(readings, [Measured::Stale("the answer is 10m old, more than 5m".into())]);
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn warnings_of_an_answer_are_told() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(writer)).finish();
    let _told = tracing::subscriber::set_default(subscriber);
    let server = Server::start(|_| vector("7", r#","warnings":["a store is down"],"infos":["no counter"]"#));
    let known = Some(PrometheusServer::new(server.url()));
    let prometheus = Prometheus::new(Fetch::new().expect("a client"), known).with_clock(clock());
    assert_eq!(read(&prometheus, &[metric("up", None)]).await, [Measured::Value(7.0)]);
    let told = String::from_utf8(log.0.lock().expect("whole").clone()).expect("text");
    assert!(told.contains("WARN") && told.contains("a store is down") && told.contains("query=\"up\""), "{told}");
}
