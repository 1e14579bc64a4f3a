//! Telling others of what was scaled.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Uri;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use setpoint::BoxFuture;
use setpoint_runtime::source::Fetch;
use setpoint_runtime::{Listener, Look, Written};
use sha2::Sha256;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many changes wait for one address. A server that falls this far behind is told of no more until it catches up.
const WAITING: usize = 256;
/// How long is waited after each attempt but the last.
const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// An address to which each change of a count is posted, as JSON.
#[derive(Clone)]
pub struct Webhook {
    url: String,
    /// The address without what may be secret in it, for messages.
    place: String,
    secret: Option<String>,
}

/// An address or a secret that can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// No address to post to.
    #[error("a webhook is an address that begins with http:// or https://")]
    Address,
    /// One that could be guessed.
    #[error("a webhook's secret must have at least {min} characters, got {got}", min = Webhook::SHORTEST_SECRET)]
    Secret {
        /// How many there are.
        got: usize,
    },
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Webhook {
    /// The fewest characters of a secret.
    pub const SHORTEST_SECRET: usize = 16;

    /// One at `url`.
    ///
    /// # Errors
    ///
    /// [`WebhookError::Address`].
    pub fn new(url: &str) -> Result<Self, WebhookError> {
        let uri: Uri = url.parse().map_err(|_| WebhookError::Address)?;
        let (Some(scheme @ ("http" | "https")), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(WebhookError::Address);
        };
        let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { url: url.to_owned(), place: format!("{scheme}://{host}{port}"), secret: None })
    }

    /// The same with what is posted signed: a header `X-Setpoint-Signature: sha256=…` has the HMAC-SHA256 of the body with
    /// `secret`, in hexadecimal.
    ///
    /// # Errors
    ///
    /// [`WebhookError::Secret`].
    pub fn signed(mut self, secret: &str) -> Result<Self, WebhookError> {
        if secret.chars().count() < Self::SHORTEST_SECRET {
            return Err(WebhookError::Secret { got: secret.chars().count() });
        }
        self.secret = Some(secret.to_owned());
        Ok(self)
    }
}

/// A change on its way.
struct Change {
    id: String,
    body: Vec<u8>,
}

/// Queues changes, and lets no look wait for whoever is told of them.
pub(crate) struct Webhooks {
    /// By address; empty once it has ended.
    queues: Mutex<Vec<(String, Sender<Arc<Change>>)>>,
    /// Whose delivery each is.
    deliveries: Mutex<JoinSet<()>>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Webhooks {
    /// Begins to deliver; inside a runtime.
    pub(crate) fn start(webhooks: Vec<Webhook>, fetch: &Fetch) -> Self {
        let mut deliveries = JoinSet::new();
        let queue = |webhook: Webhook| {
            let (queue, changes) = channel(WAITING);
            let place = webhook.place.clone();
            deliveries.spawn(deliver_each(webhook, fetch.clone(), changes));
            (place, queue)
        };
        let queues = webhooks.into_iter().map(queue).collect();
        Self { queues: Mutex::new(queues), deliveries: Mutex::new(deliveries) }
    }

    /// Gives what waits the time of one request. What is left then is lost, and said to be.
    pub(crate) async fn end(&self) {
        let queues = std::mem::take(&mut *self.queues.lock().unwrap_or_else(PoisonError::into_inner));
        drop(queues);
        let mut deliveries = std::mem::take(&mut *self.deliveries.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while deliveries.join_next().await.is_some() {} };
        if timeout(Fetch::TIMEOUT, all).await.is_err() {
            tracing::warn!("webhooks that were not told of all changes are told no more: this instance ends");
        }
    }
}

impl Listener for Webhooks {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        if let Written::Done { from, to } = look.written {
            let change = Arc::new(Change::of(look, from, to));
            for (place, queue) in &*self.queues.lock().unwrap_or_else(PoisonError::into_inner) {
                if queue.try_send(Arc::clone(&change)).is_err() {
                    tracing::error!(webhook = %place, change = %change.id, "{WAITING} changes wait for it already: it is not told");
                }
            }
        }
        Box::pin(std::future::ready(()))
    }
}

impl Change {
    fn of(look: &Look, from: u32, to: u32) -> Self {
        let at = look.at.as_millis();
        let id = format!("{}-{at}", look.key);
        let readings = look.readings.iter().map(|(metric, measured)| (metric.clone(), json!(measured.usable())));
        let body = json!({
            "id": id,
            "event": "scaled",
            "autoscaling_id": &*look.key,
            "workload_type": look.target.kind,
            "workload_namespace": look.target.namespace,
            "workload_name": look.target.name,
            "at": jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX).to_string(),
            "from": from,
            "to": to,
            "readings": readings.collect::<serde_json::Map<_, _>>(),
            "reasons": look.reasons.iter().map(|reason| json!({ "stage": reason.stage, "text": reason.text })).collect::<Vec<_>>(),
        });
        Self { id, body: body.to_string().into_bytes() }
    }
}

/// One after the other, so that they come in the order in which they were made.
async fn deliver_each(webhook: Webhook, fetch: Fetch, mut changes: Receiver<Arc<Change>>) {
    while let Some(change) = changes.recv().await {
        deliver(&webhook, &fetch, &change).await;
    }
}

async fn deliver(webhook: &Webhook, fetch: &Fetch, change: &Change) {
    let signature = webhook.secret.as_ref().map(|secret| format!("sha256={}", signature(secret, &change.body)));
    let mut headers = vec![("X-Setpoint-Delivery", change.id.as_str())];
    headers.extend(signature.as_deref().map(|signature| ("X-Setpoint-Signature", signature)));
    let mut waits = WAITS.into_iter();
    loop {
        let Err(problem) = fetch.post_json(&webhook.url, &headers, change.body.clone()).await else { return };
        let Some(wait) = waits.next() else {
            tracing::error!(webhook = %webhook.place, change = %change.id, attempts = WAITS.len() + 1, "it is not told: {problem}");
            return;
        };
        tracing::warn!(webhook = %webhook.place, change = %change.id, "it is told again in {wait:?}: {problem}");
        sleep(wait).await;
    }
}

/// The HMAC-SHA256 of `body`, in hexadecimal.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length is one");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn addresses_and_secrets_are_checked_and_not_told() -> Result<(), WebhookError> {
        for url in ["", "example.org", "ftp://example.org/", "http://", "/hook", "http:// a"] {
            assert_eq!(Webhook::new(url).err(), Some(WebhookError::Address), "{url}");
        }
        let webhook = Webhook::new("https://me:secret@example.org:8443/hooks/T0K3N?key=K")?;
        assert_eq!(webhook.clone().signed("too short").err(), Some(WebhookError::Secret { got: 9 }));
        let told = format!("{:?}", webhook.signed("sixteen and more characters")?);
        assert_eq!(told, r#"Webhook { place: "https://example.org:8443", .. }"#);
        Ok(())
    }
}
