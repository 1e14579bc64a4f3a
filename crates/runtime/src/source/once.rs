//! Many questions about few things.

use std::collections::HashMap;
use std::hash::Hash;

use futures::StreamExt as _;
use futures::stream;
use tokio::time::{Instant, timeout_at};

use super::{Measured, Question};

/// How many are asked at once of one server.
pub const CONCURRENCY: usize = 16;

/// Why there is no answer of something that isn't among the answers.
pub const NO_TURN: &str = "it did not answer within this look's time, or its turn did not come";

/// What `ask` says of each of `things`, asked once for those that are the same.
///
/// [`CONCURRENCY`] of those with the same `server` are asked at once, so that a slow one stands in no other's way. Each is
/// asked only when its turn comes: the time that `ask` allows begins then. Those that haven't answered at the time
/// `until` aren't among the answers; what was answered before is.
pub async fn once_each<T, S, A, F>(
    mut things: Vec<T>,
    until: Option<Instant>,
    server: impl Fn(&T) -> S,
    ask: impl Fn(T) -> F,
) -> HashMap<T, A>
where
    T: Clone + Eq + Hash + Ord,
    S: Eq + Hash,
    F: Future<Output = A>,
{
    things.sort_unstable();
    things.dedup();
    let mut queues: HashMap<S, Vec<_>> = HashMap::new();
    for thing in things {
        let answer = ask(thing.clone());
        queues.entry(server(&thing)).or_default().push(async move { (thing, answer.await) });
    }
    // Collected first: a stream of borrowing closures is not known to be `Send`.
    let queues = queues.into_values().map(|queue| stream::iter(queue).buffer_unordered(CONCURRENCY));
    let mut coming = stream::select_all(queues.collect::<Vec<_>>());
    let mut answers = HashMap::new();
    let all = async {
        while let Some((thing, answer)) = coming.next().await {
            answers.insert(thing, answer);
        }
    };
    match until {
        None => all.await,
        // What came until then is all there is.
        Some(until) => drop(timeout_at(until, all).await),
    }
    answers
}

/// The reading of each of `questions`: what `judge` makes of the answer to its `key`, for which `ask` is called as
/// [`once_each`] does. One without a key has the reading that stands in its place; what fails is missing, with the cause.
pub async fn read_each<K, S, V, F>(
    questions: &[Question],
    key: impl Fn(&Question) -> Result<K, Measured>,
    server: impl Fn(&K) -> S,
    ask: impl Fn(K) -> F,
    judge: impl Fn(&Question, &V) -> Measured,
) -> Vec<Measured>
where
    K: Clone + Eq + Hash + Ord,
    S: Eq + Hash,
    F: Future<Output = Result<V, String>>,
{
    let keys: Vec<Result<K, Measured>> = questions.iter().map(key).collect();
    let asked = keys.iter().filter_map(|key| key.as_ref().ok().cloned()).collect();
    let answers = once_each(asked, Question::earliest(questions), server, ask).await;
    let reading = |(asked, key): (&Question, Result<K, Measured>)| match key.map(|key| answers.get(&key)) {
        Err(reading) => reading,
        Ok(None) => Measured::Missing(NO_TURN.to_owned()),
        Ok(Some(Err(problem))) => Measured::Missing(problem.clone()),
        Ok(Some(Ok(answer))) => judge(asked, answer),
    };
    questions.iter().zip(keys).map(reading).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_slow_take_nothing_from_the_others() {
        let asked = AtomicUsize::new(0);
        let ask = |(server, thing): (u8, usize)| {
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                // The first server never answers before its own time is up, the second at once.
                let takes = Duration::from_secs(if server == 0 { 60 } else { 0 });
                (tokio::time::timeout(Duration::from_secs(4), tokio::time::sleep(takes)).await.is_ok(), thing)
            }
        };
        let of = |server: u8, count: usize| (0..count).map(move |thing| (server, thing));
        let things: Vec<_> = of(0, 20).chain(of(1, 40)).chain(of(1, 40)).collect();
        let until = Some(Instant::now() + Duration::from_secs(5));
        let answers = once_each(things, until, |(server, _)| *server, ask).await;
        assert_eq!(asked.load(Ordering::SeqCst), 60, "each once");
        let answered =
            |server, well| answers.iter().filter(|((of, _), (answer, _))| *of == server && *answer == well).count();
        assert_eq!(answered(1, true), 40);
        assert_eq!(answered(0, false), CONCURRENCY, "these had their time, and the other 4 none");
        assert_eq!(answers.len(), 40 + CONCURRENCY);
    }
}
