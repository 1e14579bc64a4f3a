//! Leadership by a `Lease`, by client-go's rules.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Record, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use setpoint_runtime::Permit;
use tokio::time::Instant;

/// How leadership is taken and lost. The defaults are client-go's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LeaseConfig {
    /// Where the lease is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// Who this is: another one in each process, also after a restart.
    pub identity: String,
    /// How long others wait for a holder that doesn't renew, told them in whole seconds, rounded up. Default 15 s.
    pub duration: Duration,
    /// How long a holder that can't renew goes on. Default 10 s; less than `duration`.
    pub renew_deadline: Duration,
    /// How long to wait between two tries, and up to a fifth more. Default 2 s; with that fifth less than `renew_deadline`.
    pub retry_period: Duration,
}

/// Why nobody could lead by a [`LeaseConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseConfigError {
    /// Two could have it at once.
    #[error(
        "the renew deadline of {renew_deadline:?} must be shorter than the duration of {duration:?}: a holder has to stop \
         before others begin"
    )]
    StopsLate {
        /// How long a holder goes on.
        renew_deadline: Duration,
        /// How long others wait for it.
        duration: Duration,
    },
    /// It would be lost between two tries, or the API server would be asked without a pause.
    #[error(
        "the retry period of {retry_period:?} must be above 0, and with a fifth more below the renew deadline of \
         {renew_deadline:?}"
    )]
    RetryPeriod {
        /// How long to wait between two tries.
        retry_period: Duration,
        /// How long a holder goes on.
        renew_deadline: Duration,
    },
    /// A record without a holder is free.
    #[error("the identity must not be empty")]
    Nobody,
}

impl LeaseConfig {
    /// The lease `name` in `namespace`, for `identity`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    fn check(&self) -> Result<(), LeaseConfigError> {
        let Self { duration, renew_deadline, retry_period, .. } = *self;
        if self.identity.is_empty() {
            return Err(LeaseConfigError::Nobody);
        }
        if renew_deadline >= duration {
            return Err(LeaseConfigError::StopsLate { renew_deadline, duration });
        }
        if retry_period.is_zero() || retry_period.mul_f64(1.0 + JITTER) >= renew_deadline {
            return Err(LeaseConfigError::RetryPeriod { retry_period, renew_deadline });
        }
        Ok(())
    }
}

/// How much longer than the retry period a pause can be, as a part of it.
const JITTER: f64 = 0.2;

/// One candidate for a lease. Clones are the same candidate; as a [`Permit`] it lets write who leads.
///
/// Others' clocks are never compared with this one's: a holder is taken to be gone when its record hasn't changed for a
/// whole duration *here*. And a holder that couldn't renew for its deadline stops by itself, before anybody else can begin.
#[derive(Clone)]
pub struct Lease {
    leases: Api<Record>,
    config: Arc<LeaseConfig>,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("config", &self.config).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// When this candidate last took or renewed it: the time before the request.
    renewed: Option<Instant>,
    /// The record as it was last seen, and since when it is so.
    observed: Option<(LeaseSpec, Instant)>,
}

impl Lease {
    /// A candidate that doesn't lead.
    ///
    /// # Errors
    ///
    /// [`LeaseConfigError`].
    pub fn new(client: Client, config: LeaseConfig) -> Result<Self, LeaseConfigError> {
        config.check()?;
        let leases = Api::namespaced(client, &config.namespace);
        Ok(Self { leases, config: Arc::new(config), state: Arc::default() })
    }

    /// Whether this candidate leads: it does until its deadline, whatever happens.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.deadline().is_some()
    }

    /// Until when this candidate leads, if it does now.
    fn deadline(&self) -> Option<Instant> {
        let renewed = self.state.lock().unwrap_or_else(PoisonError::into_inner).renewed?;
        Some(renewed + self.config.renew_deadline).filter(|deadline| Instant::now() < *deadline)
    }

    /// Waits until this candidate leads.
    pub async fn acquire(&self) {
        loop {
            match tokio::time::timeout(self.config.renew_deadline, self.renew()).await {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease was not read or taken"),
                Err(_) => tracing::warn!("the lease was not read in time"),
            }
            self.pause().await;
        }
    }

    /// Renews until leadership is lost or `shutdown`; then, where it still leads, gives the lease back, so that the next one
    /// needn't wait. True after a shutdown, false after a loss.
    pub async fn hold(&self, shutdown: impl Future<Output = ()>) -> bool {
        let renewals = async {
            while let Some(deadline) = self.deadline() {
                let renewed = async {
                    self.pause().await;
                    self.renew().await
                };
                match tokio::time::timeout_at(deadline, renewed).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => return,
                    Ok(Err(error)) => tracing::warn!(%error, "the lease was not renewed"),
                    Err(_) => tracing::warn!("the lease was not renewed in time"),
                }
            }
        };
        tokio::select! {
            () = shutdown => {
                self.give_back().await;
                true
            }
            () = renewals => {
                self.state.lock().unwrap_or_else(PoisonError::into_inner).renewed = None;
                false
            }
        }
    }

    /// The retry period and some more, so that candidates don't keep meeting.
    async fn pause(&self) {
        // As random as the keys of hash maps are.
        let random = RandomState::new().build_hasher().finish() % 1000;
        let part = f64::from(u16::try_from(random).unwrap_or_default()) / 1000.0;
        let more = self.config.retry_period.mul_f64(JITTER * part);
        tokio::time::sleep(self.config.retry_period + more).await;
    }

    /// Takes the lease, or keeps it. False while another one has it.
    async fn renew(&self) -> Result<bool, kube::Error> {
        let begun = Instant::now();
        let Some(mut record) = self.leases.get_opt(&self.config.name).await? else {
            let metadata = ObjectMeta { name: Some(self.config.name.clone()), ..ObjectMeta::default() };
            let record = Record { metadata, spec: Some(self.spec(None)) };
            return self.written(self.leases.create(&PostParams::default(), &record).await, begun);
        };
        let spec = record.spec.clone().unwrap_or_default();
        if !self.may_take(&spec, begun) {
            return Ok(false);
        }
        record.spec = Some(self.spec(Some(&spec)));
        // Only as it was read: of two who find it free, one gets it.
        self.written(self.leases.replace(&self.config.name, &PostParams::default(), &record).await, begun)
    }

    fn written(&self, result: Result<Record, kube::Error>, begun: Instant) -> Result<bool, kube::Error> {
        result?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).renewed = Some(begun);
        Ok(true)
    }

    fn may_take(&self, spec: &LeaseSpec, now: Instant) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &state.observed {
            Some((seen, since)) if seen == spec => *since,
            _ => {
                state.observed = Some((spec.clone(), now));
                now
            }
        };
        // Its own duration: who holds it may be set up otherwise.
        let its = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        let over = now.duration_since(since) >= its.unwrap_or(self.config.duration);
        holder.is_empty() || holder == self.config.identity || over
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let identity = Some(self.config.identity.clone());
        let same = before.filter(|before| before.holder_identity == identity);
        let transitions = before.and_then(|before| before.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: identity,
            lease_duration_seconds: i32::try_from(self.config.duration.as_millis().div_ceil(1000)).ok(),
            acquire_time: same.map_or(now.clone(), |before| before.acquire_time.clone()),
            renew_time: now,
            lease_transitions: Some(transitions + i32::from(before.is_some() && same.is_none())),
            ..LeaseSpec::default()
        }
    }

    async fn give_back(&self) {
        if !self.is_leading() {
            return;
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).renewed = None;
        let given = async {
            let mut record = self.leases.get(&self.config.name).await?;
            let spec = record.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.config.identity.as_str()) {
                spec.holder_identity = Some(String::new());
                spec.lease_duration_seconds = Some(1);
                self.leases.replace(&self.config.name, &PostParams::default(), &record).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(self.config.retry_period, given).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given back: the next leader waits for it"),
            Err(_) => tracing::warn!("the lease was not given back in time: the next leader waits for it"),
        }
    }
}

impl Permit for Lease {
    fn may_write(&self, _: &str) -> bool {
        self.is_leading()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_stops_before_others_begin_and_tries_more_than_once() {
        let seconds = Duration::from_secs;
        let cases = [
            ("as it is", "me", 15, 10, seconds(2), None),
            ("as long as the lease", "me", 15, 15, seconds(2), Some("must be shorter than the duration of 15s")),
            ("longer than the lease", "me", 15, 20, seconds(2), Some("must be shorter than the duration of 15s")),
            ("no pause", "me", 15, 10, seconds(0), Some("must be above 0")),
            ("one try", "me", 15, 10, seconds(9), Some("below the renew deadline of 10s")),
            ("just above one", "me", 15, 10, Duration::from_millis(8_300), None),
            ("nobody", "", 15, 10, seconds(2), Some("must not be empty")),
        ];
        for (name, identity, duration, renew_deadline, retry_period, want) in cases {
            let mut config = LeaseConfig::new("here", "setpoint", identity);
            (config.duration, config.renew_deadline) = (seconds(duration), seconds(renew_deadline));
            config.retry_period = retry_period;
            let said = config.check().err().map(|error| error.to_string());
            match (want, &said) {
                (None, None) => {}
                (Some(want), Some(said)) if said.contains(want) => {}
                _ => panic!("{name}: {said:?}"),
            }
        }
    }
}
