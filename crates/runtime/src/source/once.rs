//! Many questions about few things.

use std::collections::HashMap;
use std::hash::Hash;

use futures::StreamExt as _;
use futures::stream;

/// How many are asked at once.
const CONCURRENCY: usize = 16;

/// What `ask` says of each of `things`, asked once for those that are the same.
pub(super) async fn once_each<T, A, F>(mut things: Vec<T>, ask: impl Fn(T) -> F) -> HashMap<T, A>
where
    T: Clone + Eq + Hash + Ord,
    F: Future<Output = A>,
{
    things.sort_unstable();
    things.dedup();
    let asked = things.into_iter().map(|thing| {
        let answer = ask(thing.clone());
        async move { (thing, answer.await) }
    });
    // Collected first: a stream of borrowing closures is not known to be `Send`.
    stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).collect().await
}
