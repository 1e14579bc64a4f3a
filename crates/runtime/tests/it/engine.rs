//! What an engine does, and doesn't when something fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use setpoint::{AlgorithmSpec, HandlerError, Handlers, Need, RegisterError, algorithm_factory, algorithm_fn};
use setpoint_runtime::{Engine, Measured, MemoryStore, Stage, StateStore as _, Strange, Written};

use crate::parts::{Census, Diary, Pools, Revocable, Shelf, engine, policy, run_for, target};

#[tokio::test(start_paused = true)]
async fn the_count_follows_the_readings_and_each_look_says_why() {
    let pools = Pools::new(&[("a", 2)]);
    let diary = Arc::new(Diary::default());
    let (builder, queue) = engine(&pools, 30.0);
    let engine = builder.listener(Arc::<Diary>::clone(&diary)).build();
    engine.add("a", &policy(), target("a")).expect("the first");
    run_for(&engine, 1).await;
    assert_eq!(pools.replicas("a"), 8);
    queue.set("queue", Measured::Value(4.0));
    run_for(&engine, 20).await;
    assert_eq!(pools.replicas("a"), 1);
    let looks = diary.looks();
    assert_eq!(looks[0].written, Written::Done { from: 2, to: 8 });
    assert_eq!(looks[0].reasons[0].text, "queue is 30 against 8: 3.75 times 2 replicas");
    assert_eq!((looks[0].ready, looks[0].count.map(|count| count.asked)), (Some(2), Some(2)));
    assert_eq!(looks[0].readings, [("queue".to_owned(), Measured::Value(30.0))]);
    assert!(looks.iter().all(|look| look.failure.is_none() && look.strange.is_none()), "{looks:?}");
    assert_eq!(engine.last("a").expect("looked at").at, looks.last().expect("some").at);
}

#[tokio::test(start_paused = true)]
async fn workloads_of_a_tick_are_read_together_and_none_twice_an_interval() {
    let names: Vec<String> = (0..500).map(|pool| format!("pool-{pool}")).collect();
    let pools = Pools::new(&names.iter().map(|name| (name.as_str(), 1)).collect::<Vec<_>>());
    let (census, diary) = (Arc::new(Census::default()), Arc::new(Diary::default()));
    let engine = Engine::builder()
        .handlers(Handlers::new().with_fallback(Arc::<Pools>::clone(&pools)))
        .source(Arc::<Census>::clone(&census))
        .listener(Arc::<Diary>::clone(&diary))
        .build();
    for name in &names {
        engine.add(name, &policy(), target(name)).expect("a name each");
    }
    run_for(&engine, 101).await;
    let asked = census.asked.lock().expect("whole").clone();
    assert_eq!(asked[0], 500, "the first looks are one question");
    assert!(asked.len() <= 101, "a question a tick at most, and there were {}", asked.len());
    assert_eq!(asked.iter().sum::<usize>(), diary.looks().len());
    let looks = |name: &str| diary.looks().iter().filter(|look| &*look.key == name).count();
    assert!((10..=11).contains(&looks("pool-17")), "one in 10 s: {}", looks("pool-17"));
    assert!(diary.looks().iter().all(|look| look.late < Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_where_something_fails_and_the_next_look_is_at_its_time() {
    struct Row {
        name: &'static str,
        breaks: fn(&Pools, &Shelf),
        mends: fn(&Pools, &Shelf),
        stage: Stage,
        message: &'static str,
    }
    let rows = [
        Row {
            name: "the count can't be read in time",
            breaks: |pools, _| pools.hangs.store(true, Ordering::SeqCst),
            mends: |pools, _| pools.hangs.store(false, Ordering::SeqCst),
            stage: Stage::Observe,
            message: "reading counts and instances took more than 5s",
        },
        Row {
            name: "the state can't be loaded",
            breaks: |_, shelf| shelf.is_locked.store(true, Ordering::SeqCst),
            mends: |_, shelf| shelf.is_locked.store(false, Ordering::SeqCst),
            stage: Stage::State,
            message: "the shelf is locked",
        },
        Row {
            name: "the state can't be kept",
            breaks: |_, shelf| shelf.is_full.store(true, Ordering::SeqCst),
            mends: |_, shelf| shelf.is_full.store(false, Ordering::SeqCst),
            stage: Stage::State,
            message: "the shelf is full",
        },
        Row {
            name: "the write is refused",
            breaks: |pools, _| pools.refuses.store(true, Ordering::SeqCst),
            mends: |pools, _| pools.refuses.store(false, Ordering::SeqCst),
            stage: Stage::Write,
            message: "scaling v1 Pool a failed: a webhook said no",
        },
    ];
    for Row { name, breaks, mends, stage, message } in rows {
        let (pools, shelf) = (Pools::new(&[("a", 2)]), Arc::new(Shelf::default()));
        let (builder, _) = engine(&pools, 30.0);
        let engine = builder.store(Arc::<Shelf>::clone(&shelf)).build();
        engine.add("a", &policy(), target("a")).expect("the first");
        breaks(&pools, &shelf);
        run_for(&engine, 1).await;
        let look = engine.last("a").expect(name);
        let failure = look.failure.as_ref().expect(name);
        assert_eq!((failure.stage, failure.message.as_str()), (stage, message), "{name}");
        assert_eq!(pools.replicas("a"), 2, "{name}");
        mends(&pools, &shelf);
        run_for(&engine, 20).await;
        assert_eq!(pools.replicas("a"), 8, "{name}: it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_is_followed_by_another() {
    let pools = Pools::new(&[("a", 2)]);
    let (builder, _) = engine(&pools, 30.0);
    let engine = builder.build();
    engine.add("a", &policy(), target("a")).expect("the first");
    pools.panics.store(true, Ordering::SeqCst);
    run_for(&engine, 1).await;
    assert_eq!(pools.replicas("a"), 2);
    pools.panics.store(false, Ordering::SeqCst);
    run_for(&engine, 20).await;
    assert_eq!(pools.replicas("a"), 8);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_without_a_permit_or_by_a_dry_run() {
    let pools = Pools::new(&[("a", 2), ("b", 2)]);
    let permit = Arc::new(Revocable::default());
    let store = Arc::new(MemoryStore::default());
    let (builder, _) = engine(&pools, 30.0);
    let engine = builder.permit(Arc::<Revocable>::clone(&permit)).store(Arc::<MemoryStore>::clone(&store)).build();
    permit.0.store(true, Ordering::SeqCst);
    engine.add("a", &policy(), target("a")).expect("the first");
    let mut told = policy();
    told.dry_run = true;
    engine.add("b", &told, target("b")).expect("the second");
    run_for(&engine, 1).await;
    assert_eq!(engine.last("a").expect("looked at").written, Written::NotPermitted);
    assert_eq!(store.load("a").await.expect("an answer"), None, "a state that another process may have kept since");
    permit.0.store(false, Ordering::SeqCst);
    run_for(&engine, 20).await;
    let told = engine.last("b").expect("looked at");
    assert_eq!((told.written, told.decision.map(|decision| decision.desired)), (Written::DryRun, Some(8)));
    assert_eq!((pools.replicas("a"), pools.replicas("b"), pools.writes.load(Ordering::SeqCst)), (8, 2, 1));
    assert!(store.load("a").await.expect("an answer").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_count_that_somebody_else_changed_is_noticed_once() {
    let pools = Pools::new(&[("a", 2)]);
    let diary = Arc::new(Diary::default());
    let (builder, _) = engine(&pools, 8.0);
    let engine = builder.listener(Arc::<Diary>::clone(&diary)).build();
    let mut paused = policy();
    paused.pause = setpoint::Pause::All;
    engine.add("a", &paused, target("a")).expect("the first");
    run_for(&engine, 20).await;
    setpoint::ResourceHandler::update_replicas(&pools.memory, &target("a"), 5).await.expect("known");
    run_for(&engine, 40).await;
    let strange: Vec<Strange> = diary.looks().iter().filter_map(|look| look.strange).collect();
    assert_eq!(strange, [Strange { expected: 2, found: 5 }]);
    assert_eq!(strange[0].to_string(), "somebody else changed the count from 2 to 5");
    assert_eq!(pools.replicas("a"), 5, "paused");
}

#[tokio::test(start_paused = true)]
async fn a_window_goes_on_after_a_restart_as_if_nothing_had_happened() {
    let pools = Pools::new(&[("a", 2)]);
    let shelf = Arc::new(Shelf::default());
    let policy = policy().with_stage("stabilized", json!({ "scaleDownWindow": "2m" }));
    let (builder, _) = engine(&pools, 32.0);
    let first = builder.store(Arc::<Shelf>::clone(&shelf)).build();
    first.add("a", &policy, target("a")).expect("the first");
    run_for(&first, 1).await;
    assert_eq!(pools.replicas("a"), 8);
    drop(first);
    // The load is gone, and the process was too.
    for (seconds, want) in [(30, 8), (60, 8), (60, 1)] {
        let (builder, _) = engine(&pools, 4.0);
        let next = builder.store(Arc::<Shelf>::clone(&shelf)).clock(wall_clock()).build();
        next.add("a", &policy, target("a")).expect("the first");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        run_for(&next, 1).await;
        assert_eq!(pools.replicas("a"), want, "{seconds} s later");
    }
    // Another algorithm's state is no reason to stop, and is told.
    let (builder, _) = engine(&pools, 4.0);
    let next = builder.store(Arc::<Shelf>::clone(&shelf)).clock(wall_clock()).build();
    next.add("a", &crate::parts::policy(), target("a")).expect("the first");
    run_for(&next, 1).await;
    let look = next.last("a").expect("looked at");
    assert!(look.state_reset.as_deref().is_some_and(|why| why.contains("stabilized")), "{look:?}");
}

/// Tokio's time since the first call in this test's thread, the same for each engine of a test.
fn wall_clock() -> Arc<dyn setpoint_runtime::Clock> {
    thread_local! {
        static CLOCK: setpoint_runtime::TokioClock =
            setpoint_runtime::TokioClock::starting(setpoint::Timestamp::from_millis(1_001_000));
    }
    Arc::new(CLOCK.with(|clock| *clock))
}

#[tokio::test(start_paused = true)]
async fn workloads_come_change_and_go_while_it_runs() {
    let pools = Pools::new(&[("a", 2), ("b", 2)]);
    let (shelf, diary) = (Arc::new(Shelf::default()), Arc::new(Diary::default()));
    let (builder, _) = engine(&pools, 30.0);
    let engine = builder.store(Arc::<Shelf>::clone(&shelf)).listener(Arc::<Diary>::clone(&diary)).build();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run(async { drop(stopped.await) }).await }
    });
    engine.add("a", &policy(), target("a")).expect("the first");
    assert!(engine.add("a", &policy(), target("b")).is_err(), "taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(pools.replicas("a"), 8);
    let mut wider = policy();
    wider.min_replicas = 12;
    engine.update("a", &wider, target("a")).expect("known");
    engine.add("b", &policy(), target("b")).expect("the second");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((pools.replicas("a"), pools.replicas("b")), (12, 8));
    engine.release("a").await.expect("known");
    engine.remove("b").await.expect("kept nowhere else");
    assert!(engine.is_empty() && engine.release("a").await.is_err() && engine.look_now("a").is_err());
    assert_eq!(shelf.states.lock().expect("whole").keys().collect::<Vec<_>>(), ["a"], "released, not removed");
    assert_eq!(*diary.gone.lock().expect("whole"), ["a", "b"]);
    let looks = diary.looks().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(diary.looks().len(), looks, "nobody looks at what is gone");
    stop.send(()).expect("it runs");
    running.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_nothing_reads_and_a_target_that_nobody_handles_are_told() {
    let pools = Pools::new(&[("a", 2)]);
    let engine = Engine::builder().handlers(Handlers::new().with_fallback(Arc::<Pools>::clone(&pools))).build();
    engine.add("a", &policy(), target("a")).expect("the first");
    let mut stranger = target("b");
    stranger.kind = "Nobodys".into();
    engine.add("b", &policy(), stranger.clone()).expect("the second");
    run_for(&engine, 1).await;
    let look = engine.last("a").expect("looked at");
    assert_eq!(look.readings[0].1, Measured::Missing("nothing here reads such a metric".into()));
    assert_eq!(pools.replicas("a"), 2, "a missing reading is no zero");
    let failure = engine.last("b").expect("looked at").failure.clone().expect("nobody's");
    let message = HandlerError::Unsupported { target: Box::new(stranger) }.to_string();
    assert_eq!((failure.stage, failure.message), (Stage::Observe, message));
}

#[tokio::test(start_paused = true)]
async fn algorithms_can_come_while_it_runs() {
    let pools = Pools::new(&[("a", 2), ("b", 2)]);
    let (builder, _) = engine(&pools, 30.0);
    let engine = builder.build();
    let mut wants = policy();
    wants.algorithm = AlgorithmSpec::named("seven", json!({}));
    let error = engine.add("a", &wants, target("a")).expect_err("nobody has it");
    assert!(error.to_string().contains("seven"), "{error}");
    let seven = || {
        algorithm_factory("always seven", |_, _: serde_json::Value| {
            Ok(algorithm_fn(|_, _| Ok(Need::replicas(7.0)?.into())))
        })
    };
    engine.register_algorithm("seven", seven()).expect("a free name");
    let taken = engine.register_algorithm("seven", seven()).expect_err("there is one");
    assert_eq!(taken, RegisterError::Taken { name: "seven".to_owned() });
    // Whichever manager decides for it.
    for name in ["a", "b"] {
        engine.add(name, &wants, target(name)).expect("it is there");
    }
    run_for(&engine, 1).await;
    assert_eq!((pools.replicas("a"), pools.replicas("b")), (7, 7));
}

/// Counts how often it is asked, and needs to know the instances.
#[derive(Debug, Default)]
struct Rounds(std::sync::Mutex<Vec<(usize, usize)>>);

impl setpoint_runtime::Source for Rounds {
    fn name(&self) -> &'static str {
        "rounds"
    }

    fn answers(&self, metric: &setpoint::Metric) -> bool {
        metric.name.starts_with("round")
    }

    fn needs_instances(&self) -> bool {
        true
    }

    fn read<'a>(&'a self, asked: &'a [setpoint_runtime::Question]) -> setpoint::BoxFuture<'a, Vec<Measured>> {
        self.0.lock().expect("whole").push((asked.len(), asked[0].instances.len()));
        let number = |name: &str| Measured::Value(name.trim_start_matches("round").parse().expect("a number"));
        Box::pin(std::future::ready(asked.iter().map(|asked| number(&asked.metric.name)).collect()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_knows_instances_is_asked_once_a_look_for_all_its_metrics() {
    let pools = Pools::new(&[("a", 2)]);
    let rounds = Arc::new(Rounds::default());
    let (builder, queue) = engine(&pools, 8.0);
    drop(queue);
    let engine = builder.source(Arc::<Rounds>::clone(&rounds)).build();
    let mut policy = policy();
    let target_value = policy.metrics[0].target;
    policy.metrics = ["round1", "queue", "round2", "lost"].map(|name| setpoint::Metric::new(name, target_value)).into();
    for metric in policy.metrics.iter_mut().filter(|metric| metric.name.starts_with("round")) {
        // So that the first source, which answers for what has none, doesn't.
        metric.source = Some(setpoint::MetricSource::Prometheus(setpoint::PrometheusQuery::new("up")));
    }
    engine.add("a", &policy, target("a")).expect("the first");
    run_for(&engine, 1).await;
    let look = engine.last("a").expect("looked at");
    let readings: Vec<_> = look.readings.iter().map(|(name, reading)| (name.as_str(), reading.usable())).collect();
    assert_eq!(
        readings,
        [("round1", Some(1.0)), ("queue", Some(8.0)), ("round2", Some(2.0)), ("lost", None)],
        "each in its place"
    );
    assert_eq!(*rounds.0.lock().expect("whole"), [(2, 2)]);
}
