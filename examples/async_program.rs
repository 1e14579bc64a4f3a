//! A plugin in a program on tokio: loaded beside its workers, and asked between two ticks of another task.

use std::time::Duration;

use setpoint::{AlgorithmManager, AlgorithmSpec, Metric, Observation, PolicySpec, Reading, Target, Timestamp, Trace};
use setpoint_wasm::{Plugin, PluginHost};

// One worker: whatever blocked it would stop every other task.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1);
    let file = file.unwrap_or_else(|| "guest-plugins/prebuilt/capped-smooth-ratio.wasm".to_owned());
    let ticks = tokio::spawn(count_ticks());
    let plugin = load(std::fs::read(file)?).await?;
    ticks.abort();
    println!("{} {}", plugin.name(), plugin.version());
    for (replicas, p99) in [(4, 500.0), (4, 900.0), (6, 1500.0)] {
        println!("{replicas} replicas, p99 is {p99} ms: {}", decide(&plugin, replicas, p99)?);
    }
    Ok(())
}

/// Compiling takes some tenths of a second: on a thread that may block. From a cache it takes a millisecond.
async fn load(component: Vec<u8>) -> anyhow::Result<Plugin> {
    let loaded = tokio::task::spawn_blocking(move || {
        let host = PluginHost::new()?;
        Ok(Plugin::load(&host, &component)?)
    });
    loaded.await?
}

/// A decision takes about a microsecond, and is ended after 100 ms: it can be made where it is needed.
fn decide(plugin: &Plugin, replicas: u32, p99: f64) -> anyhow::Result<u32> {
    let mut manager = AlgorithmManager::new();
    manager.registry_mut().register_algorithm(plugin.name().to_owned(), plugin.clone())?;
    let metrics = vec![Metric::new("p99", Target::value(500.0)?)];
    let policy = PolicySpec::new(2, 40, metrics, AlgorithmSpec::named(plugin.name(), serde_json::json!({})))?;
    let workload = manager.add(&policy)?;
    let readings = [Reading::Value(p99)];
    let look = Observation::new(Timestamp::default(), replicas, &readings);
    Ok(manager.decide(workload, &look, &mut Trace::off())?.desired)
}

/// Whatever else the program does.
async fn count_ticks() {
    let mut every = tokio::time::interval(Duration::from_millis(50));
    for tick in 1_u64.. {
        every.tick().await;
        println!("tick {tick}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_only_worker_goes_on_while_a_plugin_is_compiled() {
        let ticks = Arc::new(AtomicU64::new(0));
        let counting = tokio::spawn({
            let ticks = Arc::clone(&ticks);
            async move {
                loop {
                    ticks.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        });
        let component = include_bytes!("../guest-plugins/prebuilt/capped-smooth-ratio.wasm");
        let plugin = load(component.to_vec()).await.expect("a good component");
        // Had compiling blocked it, the other task would have had its turn once at most.
        assert!(ticks.load(Ordering::Relaxed) > 100, "{ticks:?} turns of the other task");
        counting.abort();
        assert_eq!(decide(&plugin, 4, 900.0).expect("an answer"), 6);
    }
}
