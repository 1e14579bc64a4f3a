//! From the answers of pods to one sample.
//!
//! AIBrix: pkg/controller/podautoscaler/metrics/collector.go, `collectFromPods` and `collectFromExternal`;
//! metrics/client.go, `UpdateMetrics`.

/// What was collected of a metric at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Collected {
    /// A value: the one from outside, or the mean of the pods that answered. One that isn't finite is none.
    Value(f64),
    /// There was no pod to ask. AIBrix takes that for no error: it goes by what its windows hold, or by 0.
    NoPods,
    /// Nobody answered.
    Failed,
}

impl Collected {
    /// The mean over the pods that answered; `None` is one that didn't.
    ///
    /// ```
    /// use setpoint::aibrix::Collected;
    /// assert_eq!(Collected::of_pods(&[Some(3.0), None, Some(6.0)]), Collected::Value(4.5));
    /// assert_eq!(Collected::of_pods(&[None]), Collected::Failed);
    /// assert_eq!(Collected::of_pods(&[]), Collected::NoPods);
    /// ```
    #[must_use]
    pub fn of_pods(pods: &[Option<f64>]) -> Self {
        if pods.is_empty() {
            return Self::NoPods;
        }
        let (sum, count) = pods.iter().flatten().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
        if count == 0 { Self::Failed } else { Self::Value(sum / f64::from(count)) }
    }

    /// The one value of a metric from outside; `None` when it could not be had.
    #[must_use]
    pub fn external(value: Option<f64>) -> Self {
        value.map_or(Self::Failed, Self::Value)
    }
}
