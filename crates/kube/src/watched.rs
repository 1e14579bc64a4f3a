//! One kind's policies, watched while the cluster has the kind.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, unfold};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{Config, Error, Event, Result as Watched};
use kube::runtime::{WatchStreamExt as _, watcher};

use crate::kind::{Kind, Names};

/// How long until it is asked again whether a kind is installed by now.
const AGAIN: Duration = Duration::from_secs(10);

/// What is seen of a kind.
pub(crate) enum Seen {
    /// The cluster doesn't have it, so there are no policies of it. Told once, until it has.
    NotInstalled,
    /// As the watch has it.
    Event(Box<Watched<Event<DynamicObject>>>),
}

/// What a stream is doing.
enum Doing {
    /// Asks whether the kind is installed. Whether it was told that it isn't.
    Asking { told: bool },
    /// Waits, to ask again.
    Waiting { told: bool },
    /// Watches.
    Watching(BoxStream<'static, Watched<Event<DynamicObject>>>),
}

/// All that is seen of `kind`'s policies in `namespace`, or in all. It never ends by itself.
pub(crate) fn watch_kind(client: Client, namespace: Option<&str>, kind: Kind) -> BoxStream<'static, (Kind, Seen)> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind.resource()),
        None => Api::all_with(client.clone(), &kind.resource()),
    };
    let next = move |mut doing: Doing| {
        let (client, api) = (client.clone(), api.clone());
        async move {
            loop {
                doing = match doing {
                    Doing::Waiting { told } => {
                        tokio::time::sleep(AGAIN).await;
                        Doing::Asking { told }
                    }
                    Doing::Asking { told } => match is_served(&client, kind).await {
                        Ok(true) => {
                            tracing::info!(%kind, "policies of this kind are watched");
                            Doing::Watching(watcher(api.clone(), Config::default()).default_backoff().boxed())
                        }
                        Ok(false) if told => Doing::Waiting { told },
                        Ok(false) => {
                            tracing::info!(%kind, "the cluster doesn't have this kind: none of it are watched until it has");
                            return Some(((kind, Seen::NotInstalled), Doing::Waiting { told: true }));
                        }
                        Err(error) => {
                            // Whether it is there isn't known. A watch says so, and tries again in its own time.
                            tracing::warn!(%kind, %error, "the cluster doesn't say whether it has this kind");
                            Doing::Watching(watcher(api.clone(), Config::default()).default_backoff().boxed())
                        }
                    },
                    Doing::Watching(mut events) => match events.next().await {
                        Some(Err(error)) if is_absent(&error) => Doing::Waiting { told: false },
                        // It doesn't end by itself; should it, another begins.
                        None => Doing::Waiting { told: false },
                        Some(event) => return Some(((kind, Seen::Event(Box::new(event))), Doing::Watching(events))),
                    },
                };
            }
        }
    };
    unfold(Doing::Asking { told: false }, next).boxed()
}

async fn is_served(client: &Client, kind: Kind) -> kube::Result<bool> {
    let Names { group, version, plural, .. } = kind.names();
    match client.list_api_group_resources(&format!("{group}/{version}")).await {
        Ok(served) => Ok(served.resources.iter().any(|resource| resource.name == plural)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a watch failed because there is no such kind.
fn is_absent(error: &Error) -> bool {
    match error {
        Error::InitialListFailed(kube::Error::Api(status)) | Error::WatchStartFailed(kube::Error::Api(status)) => {
            status.code == 404
        }
        _ => false,
    }
}
