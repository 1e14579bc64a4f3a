//! Workloads that an engine looks at together.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint::group::GroupSpec;
use setpoint::{Handlers, ScalingGroup, Timestamp};
use setpoint_runtime::source::Fixed;
use setpoint_runtime::{
    AddError, Clock, Engine, EngineBuilder, Measured, Stage, StoreError, TokioClock, UpdateError, Written,
};

use crate::parts::{Diary, Pools, Shelf, engine, policy, run_for, target};

fn member(name: &str, ratio: u32, priority: i32, metric: &str) -> Value {
    json!({
        "name": name, "ratio": ratio, "priority": priority,
        "policy": {
            "targetRef": { "apiVersion": "v1", "kind": "Pool", "name": name },
            "minReplicas": 1, "maxReplicas": 20, "interval": "10s",
            "metrics": [{ "name": metric, "target": { "averageValue": 4 } }],
            "algorithm": { "name": "max-ratio" },
        },
    })
}

fn group(budget: Option<u32>, members: &[Value]) -> GroupSpec {
    let document = json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingGroup", "metadata": { "name": "chat" },
        "spec": { "maxReplicas": budget, "members": members },
    });
    ScalingGroup::from_value(&document).expect("a good group").spec
}

/// One prefill for two decodes, ten in all, decode first.
fn chat() -> [Value; 2] {
    [member("prefill", 1, 0, "queue"), member("decode", 2, 10, "kv")]
}

/// An engine of so many of each, and what they read: 4 of each for a replica.
fn parts(prefill: u32, decode: u32) -> (Arc<Pools>, EngineBuilder, Arc<Fixed>) {
    let pools = Pools::new(&[("prefill", prefill), ("decode", decode)]);
    let (builder, readings) = engine(&pools, 4.0);
    readings.set("kv", Measured::Value(8.0));
    (pools, builder, readings)
}

fn counts(pools: &Pools) -> (u32, u32) {
    (pools.replicas("prefill"), pools.replicas("decode"))
}

#[tokio::test(start_paused = true)]
async fn all_members_are_decided_for_at_once_and_growth_is_written_first() {
    let (pools, builder, readings) = parts(1, 2);
    let diary = Arc::new(Diary::default());
    let engine = builder.listener(Arc::<Diary>::clone(&diary)).build();
    engine.add_group("chat", &group(Some(10), &chat())).expect("the first");
    run_for(&engine, 1).await;
    assert_eq!(counts(&pools), (1, 2), "as they are");
    readings.set("queue", Measured::Value(12.0));
    run_for(&engine, 20).await;
    assert_eq!(counts(&pools), (3, 6), "decode follows");
    let reason = |key: &str| engine.last(key).expect("looked at").reasons.last().expect("a reason").text.clone();
    assert_eq!(reason("chat/decode"), "at its ratio to prefill, which needs the most");
    pools.asked.lock().expect("whole").clear();
    readings.set("kv", Measured::Value(32.0));
    run_for(&engine, 20).await;
    assert_eq!(counts(&pools), (2, 8), "of ten, decode is served first");
    let asked = pools.asked.lock().expect("whole").clone();
    assert_eq!(asked, [("decode".to_owned(), 8), ("prefill".to_owned(), 2)], "growth before shrinking");
    assert_eq!(reason("chat/prefill"), "prefill has priority 0, and all together may have 10");
    // One turn is a look at each, at one time.
    let looks = diary.looks();
    let times = |key: &str| looks.iter().filter(|look| &*look.key == key).map(|look| look.at).collect::<Vec<_>>();
    assert_eq!(times("chat/prefill"), times("chat/decode"));
    assert_eq!(engine.keys().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_one_member_lacks_the_others_do_not_lose() {
    struct Row {
        name: &'static str,
        /// The counts before, what prefill and decode read, and the counts then.
        before: (u32, u32),
        readings: [Measured; 2],
        breaks: fn(&Pools),
        while_broken: (u32, u32),
        mends: fn(&Pools),
        after: (u32, u32),
        /// Whose look tells of a failure, and at which stage.
        failed: Option<(&'static str, Stage)>,
        /// Who waited for others.
        waited: Option<&'static str>,
    }
    let missing = || Measured::Missing("the exporter is down".to_owned());
    let willing: fn(&Pools) = |pools| *pools.stubborn.lock().expect("whole") = None;
    let nothing: fn(&Pools) = |_| {};
    let rows = [
        Row {
            name: "without readings it holds, and another grows",
            before: (1, 2),
            readings: [missing(), Measured::Value(16.0)],
            breaks: nothing,
            while_broken: (2, 4),
            mends: nothing,
            after: (2, 4),
            failed: None,
            waited: None,
        },
        Row {
            name: "without readings it holds, and nobody shrinks below its ratio",
            before: (3, 8),
            readings: [missing(), Measured::Value(4.0)],
            breaks: nothing,
            while_broken: (3, 6),
            mends: nothing,
            after: (3, 6),
            failed: None,
            waited: None,
        },
        Row {
            name: "one that can't grow keeps another from shrinking for it",
            before: (6, 4),
            readings: [Measured::Value(4.0), Measured::Value(28.0)],
            breaks: |pools| *pools.stubborn.lock().expect("whole") = Some("decode".to_owned()),
            while_broken: (6, 4),
            mends: willing,
            after: (3, 7),
            failed: Some(("chat/decode", Stage::Write)),
            waited: Some("chat/prefill"),
        },
        Row {
            name: "one that can't shrink keeps nobody from growing",
            before: (6, 4),
            readings: [Measured::Value(4.0), Measured::Value(28.0)],
            breaks: |pools| *pools.stubborn.lock().expect("whole") = Some("prefill".to_owned()),
            while_broken: (6, 7),
            mends: willing,
            after: (3, 7),
            failed: Some(("chat/prefill", Stage::Write)),
            waited: None,
        },
    ];
    for Row { name, before, readings, breaks, while_broken, mends, after, failed, waited } in rows {
        let (pools, builder, source) = parts(before.0, before.1);
        let [queue, kv] = readings;
        source.set("queue", queue);
        source.set("kv", kv);
        let engine = builder.build();
        engine.add_group("chat", &group(Some(10), &chat())).expect("the first");
        breaks(&pools);
        run_for(&engine, 1).await;
        assert_eq!(counts(&pools), while_broken, "{name}");
        let last = |key: &str| engine.last(key).expect("looked at");
        for key in ["chat/prefill", "chat/decode"] {
            let failure = last(key).failure.as_ref().map(|failure| (key, failure.stage));
            assert_eq!(failure, failed.filter(|(of, _)| *of == key), "{name}: {key}");
            assert_eq!(last(key).written == Written::AfterOthers, waited == Some(key), "{name}: {key}");
        }
        mends(&pools);
        run_for(&engine, 20).await;
        assert_eq!(counts(&pools), after, "{name}: it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_keeps_nobody_from_shrinking_and_is_told_as_one() {
    struct Row {
        name: &'static str,
        /// Whose policy is a dry run, and who can't be written.
        dry: &'static str,
        stubborn: Option<&'static str>,
        after: (u32, u32),
        /// Of prefill, which is to shrink, and of decode, which is to grow.
        written: [Written; 2],
    }
    let rows = [
        Row {
            name: "decode would grow",
            dry: "decode",
            stubborn: None,
            after: (3, 4),
            written: [Written::Done { from: 6, to: 3 }, Written::DryRun],
        },
        Row {
            name: "prefill would shrink",
            dry: "prefill",
            stubborn: None,
            after: (6, 7),
            written: [Written::DryRun, Written::Done { from: 4, to: 7 }],
        },
        Row {
            name: "prefill would shrink, and decode can't grow",
            dry: "prefill",
            stubborn: Some("decode"),
            after: (6, 4),
            written: [Written::DryRun, Written::Failed],
        },
    ];
    for Row { name, dry, stubborn, after, written } in rows {
        let (pools, builder, readings) = parts(6, 4);
        readings.set("kv", Measured::Value(28.0));
        *pools.stubborn.lock().expect("whole") = stubborn.map(ToOwned::to_owned);
        let mut members = chat();
        for member in &mut members {
            member["policy"]["dryRun"] = (member["name"] == dry).into();
        }
        let engine = builder.build();
        engine.add_group("chat", &group(Some(10), &members)).expect("the first");
        run_for(&engine, 1).await;
        assert_eq!(counts(&pools), after, "{name}");
        let last = |key: &str| engine.last(key).expect("looked at").written;
        assert_eq!([last("chat/prefill"), last("chat/decode")], written, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_is_left_out_and_counts_as_what_it_may_have_at_least() {
    let pools = Pools::new(&[("decode", 2)]);
    let (builder, readings) = engine(&pools, 40.0);
    readings.set("kv", Measured::Value(60.0));
    let engine = builder.build();
    engine.add_group("chat", &group(Some(10), &chat())).expect("the first");
    run_for(&engine, 1).await;
    assert_eq!(pools.replicas("decode"), 9, "of ten, one is prefill's when it comes");
    let look = engine.last("chat/prefill").expect("looked at");
    assert_eq!(look.failure.as_ref().map(|failure| failure.stage), Some(Stage::Observe));
    assert_eq!(look.decision, None);
}

#[tokio::test(start_paused = true)]
async fn each_member_s_window_goes_on_in_the_next_engine() {
    let shelf = Arc::new(Shelf::default());
    let windowed = || {
        chat().map(|mut member| {
            member["policy"]["stages"] = json!([{ "stabilized": { "scaleDownWindow": "60s" } }]);
            member
        })
    };
    let (pools, builder, readings) = parts(1, 2);
    readings.set("queue", Measured::Value(12.0));
    let first = builder.store(Arc::<Shelf>::clone(&shelf)).build();
    first.add_group("chat", &group(Some(10), &windowed())).expect("the first");
    run_for(&first, 1).await;
    assert_eq!(counts(&pools), (3, 6));
    first.release("chat").await.expect("it is there");
    assert!(first.is_empty());
    let kept: Vec<String> = shelf.states.lock().expect("whole").keys().cloned().collect();
    assert_eq!(kept, ["chat/decode", "chat/prefill"]);

    readings.set("queue", Measured::Value(4.0));
    let handlers = Handlers::new().with_fallback(Arc::<Pools>::clone(&pools));
    let next = Engine::builder()
        .handlers(handlers)
        .source(readings)
        .clock(Arc::new(TokioClock::starting(Timestamp::from_millis(1_010_000))))
        .store(Arc::<Shelf>::clone(&shelf))
        .build();
    next.add_group("chat", &group(Some(10), &windowed())).expect("nobody else");
    run_for(&next, 30).await;
    assert_eq!(counts(&pools), (3, 6), "the window of the first holds");
    run_for(&next, 60).await;
    assert_eq!(counts(&pools), (1, 2));
    next.remove("chat").await.expect("a store that works");
    assert!(shelf.states.lock().expect("whole").is_empty(), "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn a_group_changes_as_a_whole_or_not_at_all() {
    let (pools, builder, readings) = parts(1, 2);
    let shelf = Arc::new(Shelf::default());
    let engine = builder.store(Arc::<Shelf>::clone(&shelf)).build();
    engine.add_group("chat", &group(None, &chat())).expect("the first");
    run_for(&engine, 1).await;
    let taken = engine.add_group("chat", &group(None, &chat())).expect_err("there is one");
    assert!(matches!(taken, AddError::Taken(key) if key == "chat"));
    let taken = engine.add("chat/decode", &policy(), target("decode")).expect_err("that is a member's");
    assert!(matches!(taken, AddError::Taken(key) if key == "chat/decode"));

    // What is somebody else's stays so: a workload that has the name of a member to be.
    engine.add("chat/writers", &policy(), target("decode")).expect("nobody's");
    let mut wider = chat().to_vec();
    wider.push(member("writers", 1, 0, "kv"));
    let taken = engine.update_group("chat", &group(None, &wider)).await.expect_err("it is another's");
    assert!(matches!(taken, UpdateError::Taken(key) if key == "chat/writers"));
    engine.remove("chat/writers").await.expect("a store that works");

    // The first member would do.
    let mut wrong = chat();
    wrong[0]["ratio"] = 5.into();
    wrong[1]["policy"]["algorithm"]["name"] = "max-ration".into();
    let refused = engine.update_group("chat", &group(None, &wrong)).await.expect_err("a typo");
    let UpdateError::Config(error) = refused else { panic!("{refused}") };
    assert_eq!(error.path, "members[1].policy.algorithm.name");
    let mut aimless = chat();
    aimless[1]["policy"].as_object_mut().expect("an object").remove("targetRef");
    let error = engine.add_group("other", &group(None, &aimless)).expect_err("no target");
    assert!(matches!(error, AddError::Config(error) if error.path == "members[1].policy.targetRef"));
    readings.set("queue", Measured::Value(12.0));
    run_for(&engine, 20).await;
    assert_eq!(counts(&pools), (3, 6), "it goes on as it was");

    // Decode goes, and another comes.
    let renamed = [member("prefill", 1, 0, "queue"), {
        let mut member = member("writers", 3, 0, "kv");
        member["policy"]["targetRef"]["name"] = "decode".into();
        member
    }];
    engine.update_group("chat", &group(None, &renamed)).await.expect("a good one");
    run_for(&engine, 20).await;
    assert_eq!(counts(&pools), (3, 9));
    let mut keys = engine.keys();
    keys.sort();
    assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["chat/prefill", "chat/writers"]);
    let kept: Vec<String> = shelf.states.lock().expect("whole").keys().cloned().collect();
    assert_eq!(kept, ["chat/prefill", "chat/writers"]);
    assert!(engine.overdue() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_that_is_made_due_while_it_is_looked_at_has_its_looks_one_after_another() {
    /// Each look begins by asking it.
    struct Slow(TokioClock);

    impl Clock for Slow {
        fn now(&self) -> Timestamp {
            std::thread::sleep(Duration::from_millis(3));
            self.0.now()
        }
    }

    let (_pools, builder, _readings) = parts(1, 2);
    let diary = Arc::new(Diary::default());
    let clock = Slow(TokioClock::starting(Timestamp::from_millis(1_000_000)));
    let engine = builder.clock(Arc::new(clock)).listener(Arc::<Diary>::clone(&diary)).build();
    engine.add_group("chat", &group(Some(10), &chat())).expect("the first");
    let hurry = async {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            engine.look_now("chat").expect("it is there");
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), engine.run(hurry)).await;
    assert!(ended.is_ok(), "the looks wait for each other");
    assert!(diary.looks().len() > 4, "several turns of two looks each");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_can_not_be_removed_keeps_no_other_from_it() {
    let (_pools, builder, _readings) = parts(1, 2);
    let shelf = Arc::new(Shelf::default());
    let engine = builder.store(Arc::<Shelf>::clone(&shelf)).build();
    engine.add_group("chat", &group(None, &chat())).expect("the first");
    run_for(&engine, 1).await;
    *shelf.stuck.lock().expect("whole") = Some("chat/prefill".to_owned());
    let error = engine.remove("chat").await.expect_err("one is left");
    assert_eq!(error.to_string(), StoreError::new("the shelf holds it fast").to_string());
    let kept: Vec<String> = shelf.states.lock().expect("whole").keys().cloned().collect();
    assert_eq!(kept, ["chat/prefill"]);
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_what_a_failed_write_may_have_left() {
    let (pools, builder, readings) = parts(6, 2);
    *pools.stubborn.lock().expect("whole") = Some("prefill".to_owned());
    let engine = builder.build();
    engine.add_group("chat", &group(Some(10), &chat())).expect("the first");
    run_for(&engine, 1).await;
    assert_eq!(counts(&pools), (6, 2), "prefill was to shrink to 1");
    *pools.hidden.lock().expect("whole") = Some("prefill".to_owned());
    readings.set("kv", Measured::Value(36.0));
    run_for(&engine, 20).await;
    assert_eq!(counts(&pools), (6, 4), "decode needs 9, and prefill may have 6 still");
}
