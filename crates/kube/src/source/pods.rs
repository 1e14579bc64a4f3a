//! What pods serve themselves, in Prometheus' text format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint::{BoxFuture, Metric, MetricSource, PodMetricPreset, PodScrape, Sample, TargetRef};
use setpoint_runtime::source::{Fetch, NO_TURN, once_each};
use setpoint_runtime::{InstanceSample, Measured, Question, Source};
use tokio::sync::Semaphore;

use super::api::Now;
use super::exposition::{self, Page};
use super::rates::{Counted, OfPods, Rates, Series};
use super::{of_each, unknown_pods};
use crate::handler::namespace;
use crate::pods::{Listed, PodBook};

/// How long one pod may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// How many bytes one page may have. Those of model servers have some 100 KiB.
pub(super) const BYTES: usize = 2 << 20;
/// How many pages are read at once, of all workloads.
const AT_ONCE: usize = 32;

/// A pod that is to be asked.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PodAddress<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its own IP address, if it has one yet.
    pub ip: Option<&'a str>,
    /// The port that the metric names.
    pub port: u16,
}

impl PodAddress<'_> {
    /// Host and port, of a pod that has an address.
    fn own(&self) -> Option<String> {
        let Self { ip, port, .. } = *self;
        let ip = ip?;
        Some(if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") })
    }
}

type Elsewhere = dyn Fn(&PodAddress<'_>) -> Option<String> + Send + Sync;

/// Where pods are asked: at their own addresses, unless whoever runs the controller says otherwise, as for pods behind a
/// tunnel. What a pod says of itself, as in an annotation, never leads a request elsewhere.
#[derive(Clone, Default)]
pub struct PodAddresses {
    elsewhere: Option<Arc<Elsewhere>>,
}

impl fmt::Debug for PodAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodAddresses").field("elsewhere", &self.elsewhere.is_some()).finish()
    }
}

impl PodAddresses {
    /// At the host and port that `elsewhere` gives, and not at all where it gives none.
    #[must_use]
    pub fn elsewhere(elsewhere: impl Fn(&PodAddress<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { elsewhere: Some(Arc::new(elsewhere)) }
    }

    fn of(&self, pod: &PodAddress<'_>) -> Option<String> {
        match &self.elsewhere {
            None => pod.own(),
            Some(elsewhere) => elsewhere(pod),
        }
    }
}

/// Reads metrics with a `pods` source: each ready pod's page, once a look however many metrics are on it. What can't be
/// read of a pod is a missing sample.
pub(super) struct Pods {
    fetch: Fetch,
    pods: PodBook,
    addresses: PodAddresses,
    rates: Rates,
    seats: Semaphore,
}

impl Pods {
    pub(super) fn new(fetch: Fetch, pods: PodBook, addresses: PodAddresses) -> Self {
        Self { fetch, pods, addresses, rates: Rates::default(), seats: Semaphore::new(AT_ONCE) }
    }

    /// Each ready pod's name, and the address of its page or why it has none.
    fn pages(&self, asked: &Question, scrape: &PodScrape, listed: &Listed) -> Vec<(String, Result<String, String>)> {
        let ready = asked.instances.iter().filter(|instance| instance.ready() && !instance.state.terminating);
        let page = |name: &str| {
            let facts = listed.pods.get(name);
            let ip = facts.and_then(|facts| facts.ip.as_deref());
            let pod = PodAddress { namespace: namespace(&asked.target), name, ip, port: port(scrape) };
            let address = self.addresses.of(&pod).ok_or("it has no address")?;
            Ok(format!("http://{address}{}", scrape.path.as_deref().unwrap_or("/metrics")))
        };
        ready.map(|instance| (instance.name.clone(), page(&instance.name))).collect()
    }

    /// What a page has of series with `wanted` names. The page itself isn't kept: those of all pods may be large.
    async fn ask(&self, url: &str, wanted: &BTreeSet<&str>) -> Answered {
        let _seat = self.seats.acquire().await.map_err(|error| error.to_string())?;
        let body = self.fetch.get(url).await?;
        let at = Instant::now();
        let body = String::from_utf8(body).map_err(|_| "the page is no text".to_owned())?;
        let page = exposition::read(&body, |name| wanted.contains(name)).map_err(|error| error.to_string())?;
        Ok((at, Arc::new(page)))
    }

    /// The reading of one metric, from the pages of its pods.
    fn reading(&self, asked: &Question, scrape: &PodScrape, pages: Vec<(String, Answered)>) -> Measured {
        let (target, name): (&TargetRef, _) = (&asked.target, &asked.metric.name);
        let mut before = self.rates.take(target, name, scrape);
        let (now, mut counted) = (Now::read(), OfPods::new());
        let each = pages.into_iter().map(|(pod, page)| {
            let found = page.and_then(|(at, page)| series(&page, scrape).map(|series| (at, series)));
            let sample = match found {
                Ok((_, Found::Value(value))) => Ok((value, Duration::ZERO)),
                Ok((at, Found::Counters(series))) => {
                    let since = Counted { at, series };
                    let earlier = before.remove(&pod);
                    let rate = earlier.and_then(|earlier| since.rate_since(&earlier));
                    counted.insert(pod.clone(), since);
                    rate.ok_or_else(|| "its counter was read for the first time: a rate takes two looks".to_owned())
                }
                Err(problem) => {
                    // A page that is missed once doesn't end the series of looks.
                    counted.extend(before.remove_entry(&pod));
                    Err(problem)
                }
            };
            let sample = sample.and_then(|(value, window)| {
                let value = milli(value).ok_or_else(|| format!("{value} is beyond any amount"))?;
                Ok(InstanceSample::new(&pod, Some(Sample { value, at: now.0, window })))
            });
            (pod, sample)
        });
        let each = each.collect();
        if !counted.is_empty() {
            self.rates.keep(target, name, scrape, counted);
        }
        of_each(name, &asked.instances, each)
    }
}

/// When a page came, and what is wanted of it.
type Answered = Result<(Instant, Arc<Page>), String>;

fn query(metric: &Metric) -> Option<&PodScrape> {
    match &metric.source {
        Some(MetricSource::Pods(scrape)) => Some(scrape),
        _ => None,
    }
}

impl Source for Pods {
    fn name(&self) -> &'static str {
        "pods"
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some()
    }

    fn needs_instances(&self) -> bool {
        true
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let pages: Vec<_> = questions
                .iter()
                .map(|asked| {
                    let (scrape, listed) = (query(&asked.metric)?, self.pods.of(&asked.target)?);
                    Some((scrape, self.pages(asked, scrape, &listed)))
                })
                .collect();
            let urls = pages.iter().flatten().flat_map(|(_, pages)| pages).filter_map(|(_, url)| url.clone().ok());
            let wanted: BTreeSet<&str> = pages.iter().flatten().flat_map(|(scrape, _)| names(scrape)).collect();
            let wanted = &wanted;
            let ask = |url: String| async move { self.ask(&url, wanted).await };
            let until = Question::earliest(questions);
            let answers = once_each(urls.collect(), until, |_| (), ask).await;
            let reading = |(asked, pages): (&Question, Option<(&PodScrape, Vec<_>)>)| {
                let Some((scrape, pages)) = pages else { return unknown_pods(&asked.target) };
                let page = |url: Result<String, String>| {
                    url.and_then(|url| answers.get(&url).cloned().unwrap_or_else(|| Err(NO_TURN.to_owned())))
                };
                let pages = pages.into_iter().map(|(pod, url)| (pod, page(url))).collect();
                self.reading(asked, scrape, pages)
            };
            questions.iter().zip(pages).map(reading).collect()
        })
    }
}

/// The names under which a preset's series is served, the newest first, and where.
const fn preset(preset: PodMetricPreset) -> Option<(&'static [&'static str], u16)> {
    match preset {
        PodMetricPreset::VllmWaiting => Some((&["vllm:num_requests_waiting"], 8000)),
        PodMetricPreset::VllmRunning => Some((&["vllm:num_requests_running"], 8000)),
        // Newer versions serve it under the first name, older ones under the second.
        PodMetricPreset::VllmCacheUsage => Some((&["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"], 8000)),
        PodMetricPreset::TritonPending => Some((&["nv_inference_pending_request_count"], 8002)),
        PodMetricPreset::DcgmUtilization => Some((&["DCGM_FI_DEV_GPU_UTIL"], 9400)),
        PodMetricPreset::DcgmMemoryUsed => Some((&["DCGM_FI_DEV_FB_USED"], 9400)),
        // One that came after this was written.
        _ => None,
    }
}

fn port(scrape: &PodScrape) -> u16 {
    scrape.port.or_else(|| Some(preset(scrape.preset?)?.1)).unwrap_or(8080)
}

fn names(scrape: &PodScrape) -> Vec<&str> {
    match (&scrape.metric, scrape.preset) {
        (Some(metric), _) => vec![metric],
        (None, Some(known)) => preset(known).map(|(names, _)| names.to_vec()).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}

/// What a page has of a metric.
#[derive(Debug, PartialEq)]
enum Found {
    /// The sum of its series.
    Value(f64),
    /// Series that only grow.
    Counters(Series),
}

fn series(page: &Page, scrape: &PodScrape) -> Result<Found, String> {
    let names = names(scrape);
    let fits =
        |labels: &BTreeMap<String, String>| scrape.labels.iter().all(|(key, value)| labels.get(key) == Some(value));
    let of = |name: &str| -> Vec<_> {
        page.samples.iter().filter(|sample| sample.name == name && fits(&sample.labels)).collect()
    };
    let found = names.iter().map(|name| of(name)).find(|samples| !samples.is_empty());
    let Some(samples) = found else {
        let labels = if scrape.labels.is_empty() { "" } else { " with these labels" };
        return Err(format!("it serves no `{}`{labels}", names.join("` or `")));
    };
    if let Some(sample) = samples.iter().find(|sample| !sample.value.is_finite()) {
        return Err(format!("its `{}` is {}", sample.name, sample.value));
    }
    if samples.iter().all(|sample| !sample.is_counter) {
        return Ok(Found::Value(samples.iter().map(|sample| sample.value).sum()));
    }
    let mut counters = Series::new();
    for sample in samples {
        if counters.insert(sample.labels.clone(), sample.value).is_some() {
            return Err(format!("its `{}` has one series twice", sample.name));
        }
    }
    Ok(Found::Counters(counters))
}

/// In thousandths, the nearest; none beyond what an `i64` holds.
fn milli(value: f64) -> Option<i64> {
    let milli = (value * 1000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "within its range: 2^63 is a double")]
    (milli.abs() < 9_223_372_036_854_775_808.0).then_some(milli as i64)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;
    use setpoint::{Instance, MetricKind, Target};
    use setpoint_testkit::http::{Answer, Server};

    use super::*;

    #[test]
    fn a_page_has_the_wanted_series_or_says_what_is_wrong() {
        let known = |known| PodScrape { preset: Some(known), ..PodScrape::default() };
        let labelled = |key: &str, value: &str| PodScrape {
            labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
            ..named("depth")
        };
        let page = "depth{q=\"a\"} 3\ndepth{q=\"b\"} 4\nbad NaN\nlarge +Inf\n\
                    vllm:gpu_cache_usage_perc 0.25\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 30\n";
        let newer = format!("{page}vllm:kv_cache_usage_perc 0.5\n");
        let value = |value: f64| Ok(Found::Value(value));
        let cases = [
            ("its series add up", page, named("depth"), value(7.0)),
            ("one of them", page, labelled("q", "b"), value(4.0)),
            ("none of them", page, labelled("q", "c"), Err("it serves no `depth` with these labels")),
            ("another name", page, named("dept"), Err("it serves no `dept`")),
            ("NaN", page, named("bad"), Err("its `bad` is NaN")),
            ("infinity", page, named("large"), Err("its `large` is inf")),
            ("an older vLLM", page, known(PodMetricPreset::VllmCacheUsage), value(0.25)),
            ("a newer one that has both", &newer, known(PodMetricPreset::VllmCacheUsage), value(0.5)),
            ("DCGM", page, known(PodMetricPreset::DcgmUtilization), value(30.0)),
            ("no Triton", page, known(PodMetricPreset::TritonPending), Err("`nv_inference_pending_request_count`")),
            ("twice", "a_total 1\na_total 2", named("a_total"), Err("has one series twice")),
        ];
        for (name, page, scrape, want) in cases {
            let page = exposition::read(page, |_| true).expect("in the format");
            match (series(&page, &scrape), want) {
                (Ok(found), Ok(want)) => assert_eq!(found, want, "{name}"),
                (Err(found), Err(want)) => assert!(found.contains(want), "{name}: {found}"),
                (found, want) => panic!("{name}: {found:?} instead of {want:?}"),
            }
        }
        let page = exposition::read("a_total{x=\"1\"} 5\na_total{x=\"2\"} 6", |_| true).expect("in the format");
        let counters = series(&page, &named("a_total")).expect("two");
        assert!(matches!(counters, Found::Counters(series) if series.len() == 2));
    }

    /// Two pods of a workload, and what reads their pages at these servers.
    struct Scene {
        source: Pods,
        target: Arc<TargetRef>,
        instances: Arc<[Instance]>,
    }

    impl Scene {
        fn new(servers: &[&Server]) -> Self {
            let target = TargetRef {
                api_version: "apps/v1".into(),
                kind: "StatefulSet".into(),
                name: "llm".into(),
                namespace: Some("shop".into()),
            };
            let names: Vec<String> = (0..servers.len()).map(|index| format!("llm-{index}")).collect();
            let pods = names.iter().map(|name| serde_json::from_value(json!({ "metadata": { "name": name } })));
            let pods: Vec<Pod> = pods.collect::<Result<_, _>>().expect("pods");
            let book = PodBook::default();
            book.note(&target, "app=llm".into(), &pods);
            let addresses: BTreeMap<String, String> =
                names.iter().cloned().zip(servers.iter().map(|server| server.address())).collect();
            let addresses = PodAddresses::elsewhere(move |pod| addresses.get(pod.name).cloned());
            let fetch = Fetch::directly(Duration::from_millis(500), 1000).expect("a client");
            let instances = names.iter().map(|name| Instance::new(name, true)).collect();
            Self { source: Pods::new(fetch, book, addresses), target: Arc::new(target), instances }
        }

        async fn read(&self, scrapes: &[PodScrape]) -> Vec<Measured> {
            let question = |(index, scrape): (usize, &PodScrape)| {
                let metric = Metric::new(format!("m{index}"), Target::average_value(1.0).expect("above 0"))
                    .with_kind(MetricKind::Pods)
                    .with_source(MetricSource::Pods(scrape.clone()));
                Question::new(Arc::clone(&self.target), Arc::new(metric)).with_instances(Arc::clone(&self.instances))
            };
            self.source.read(&scrapes.iter().enumerate().map(question).collect::<Vec<_>>()).await
        }
    }

    fn named(metric: &str) -> PodScrape {
        PodScrape { metric: Some(metric.to_owned()), ..PodScrape::default() }
    }

    /// The samples, by pod, in thousandths.
    fn samples(measured: &Measured) -> Vec<(&str, Option<i64>)> {
        let Measured::Samples(samples) = measured else { panic!("{measured:?}") };
        samples.iter().map(|one| (one.instance.as_str(), one.sample.map(|sample| sample.value))).collect()
    }

    #[tokio::test]
    async fn a_pod_that_can_t_be_read_is_a_missing_sample_and_each_page_is_read_once() {
        let well = Server::start(|_| Answer::ok("depth 2.5\nbusy 0\n"));
        let cases = [
            ("it doesn't answer", Answer::Silence),
            ("it fails", Answer::Body(503, "not yet".into())),
            ("it has too much", Answer::ok("depth 1\n".repeat(1000))),
            ("it serves something else", Answer::ok("<html></html>")),
            ("it has no such series", Answer::ok("other 1\n")),
            ("it measured nothing", Answer::ok("depth NaN\nbusy NaN\n")),
        ];
        for (name, answer) in cases {
            let told = answer.clone();
            let badly = Server::start(move |_| told.clone());
            let before = well.asked().len();
            let scene = Scene::new(&[&well, &badly]);
            let readings = scene.read(&[named("depth"), named("busy")]).await;
            assert_eq!(samples(&readings[0]), [("llm-0", Some(2500)), ("llm-1", None)], "{name}");
            assert_eq!(samples(&readings[1]), [("llm-0", Some(0)), ("llm-1", None)], "{name}: zero is a value");
            assert_eq!(well.asked().len() - before, 1, "{name}: for both");
            let alone = Scene::new(&[&badly]).read(&[named("depth")]).await;
            let (state, why) = alone[0].state();
            assert!(state == "missing" && why.contains("llm-0: "), "{name}: {alone:?}");
        }
        assert!(well.asked().iter().all(|asked| asked.target == "/metrics"));
    }

    #[tokio::test]
    async fn only_ready_pods_are_asked() {
        let server = Server::start(|_| Answer::ok("depth 2\n"));
        let mut scene = Scene::new(&[&server, &server, &server]);
        let mut ending = Instance::new("llm-2", true);
        ending.state = ending.state.with_terminating(true);
        scene.instances = [Instance::new("llm-0", true), Instance::new("llm-1", false), ending].into();
        assert_eq!(samples(&scene.read(&[named("depth")]).await[0]), [("llm-0", Some(2000))]);
        assert_eq!(server.asked().len(), 1);
        scene.instances = [Instance::new("llm-1", false)].into();
        assert_eq!(scene.read(&[named("depth")]).await, [Measured::Missing("no pod is ready".into())]);
        scene.instances = [].into();
        assert_eq!(scene.read(&[named("depth")]).await, [Measured::Missing("there are no pods".into())]);
    }

    #[tokio::test]
    async fn a_counter_is_read_as_its_rate_between_looks() {
        let count = Arc::new(AtomicU64::new(1000));
        let is_up = Arc::new(AtomicBool::new(true));
        let server = Server::start({
            let (count, is_up) = (Arc::clone(&count), Arc::clone(&is_up));
            move |_| match is_up.load(Ordering::SeqCst) {
                true => Answer::ok(format!("# TYPE done counter\ndone {}\n", count.load(Ordering::SeqCst))),
                false => Answer::Body(500, String::new()),
            }
        });
        let scene = Scene::new(&[&server]);
        let first = scene.read(&[named("done")]).await;
        assert!(first[0].state().1.contains("a rate takes two looks"), "{first:?}");
        // One look that fails is bridged.
        is_up.store(false, Ordering::SeqCst);
        assert_eq!(scene.read(&[named("done")]).await[0].state().0, "missing");
        is_up.store(true, Ordering::SeqCst);
        count.store(1500, Ordering::SeqCst);
        let next = scene.read(&[named("done")]).await;
        let Measured::Samples(samples) = &next[0] else { panic!("{next:?}") };
        let sample = samples[0].sample.expect("measured");
        // 500 over the time that it says, to a thousandth.
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let came = sample.value as f64 / 1000.0 * sample.window.as_secs_f64();
        assert!((came - 500.0).abs() < 0.01, "{sample:?}");
        let idle = scene.read(&[named("done")]).await;
        assert_eq!(idle[0].usable(), Some(0.0), "nothing came: {idle:?}");
    }

    #[test]
    fn a_pod_is_asked_at_its_own_address_and_the_preset_s_port() {
        let pod = |ip, port| PodAddress { namespace: "shop", name: "web-1", ip, port };
        let scrape = |preset, port| PodScrape { preset, port, ..PodScrape::default() };
        assert_eq!(pod(Some("10.1.0.7"), 8000).own().as_deref(), Some("10.1.0.7:8000"));
        assert_eq!(pod(Some("fd00::7"), 8000).own().as_deref(), Some("[fd00::7]:8000"));
        assert_eq!(pod(None, 8000).own(), None);
        let cases = [
            (scrape(None, None), 8080),
            (scrape(Some(PodMetricPreset::VllmWaiting), None), 8000),
            (scrape(Some(PodMetricPreset::VllmRunning), Some(8001)), 8001),
            (scrape(Some(PodMetricPreset::TritonPending), None), 8002),
            (scrape(Some(PodMetricPreset::DcgmMemoryUsed), None), 9400),
        ];
        for (scrape, want) in cases {
            assert_eq!(port(&scrape), want, "{scrape:?}");
        }
    }

    #[test]
    fn thousandths_are_the_nearest_or_none() {
        let cases = [(0.0, Some(0)), (0.0004, Some(0)), (1.2345, Some(1235)), (-2.5, Some(-2500)), (1e17, None)];
        for (value, want) in cases {
            assert_eq!(milli(value), want, "{value}");
        }
    }
}
