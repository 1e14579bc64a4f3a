//! Answers, as the guide has them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Problem, database};
use crate::database::Row;
use crate::progress::{Progress, Step};

#[derive(Serialize)]
pub(super) struct Created {
    autoscaling_id: String,
    status: &'static str,
    message: &'static str,
    details: Details,
}

#[derive(Serialize)]
pub(super) struct Autoscaler {
    autoscaling_id: String,
    status: &'static str,
    message: String,
    details: Details,
}

#[derive(Serialize)]
pub(super) struct List {
    pub(super) autoscalers: Vec<Autoscaler>,
    pub(super) count: usize,
}

#[derive(Serialize)]
pub(super) struct Deleted {
    pub(super) message: &'static str,
    pub(super) autoscaler_id: String,
}

/// A reading that nobody has is `null`: a 0 would be one.
#[derive(Serialize)]
struct Details {
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    current_replicas: Option<u32>,
    desired_replicas: Option<u32>,
    current_cpu_percent: Option<i64>,
    current_memory_percent: Option<i64>,
    current_gpu_percent: Option<i64>,
    current_gpu_memory_percent: Option<i64>,
    current_storage_read_throughput_mbps: Option<f64>,
    current_storage_write_throughput_mbps: Option<f64>,
    current_storage_iops: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scale_time: Option<String>,
    scale_up_count: u64,
    scale_down_count: u64,
    hpa_name: String,
}

#[derive(Serialize)]
pub(super) struct Totals {
    total_autoscalers: usize,
    active_autoscalers: usize,
    total_scale_ups: u64,
    total_scale_downs: u64,
    average_cpu_utilization: Option<f64>,
}

/// The counts at the last looks, and why it is so many now.
#[derive(Serialize)]
pub(super) struct History {
    autoscaling_id: String,
    request: Value,
    history: Vec<Point>,
    reasons: Vec<Step>,
}

#[derive(Serialize)]
struct Point {
    at: String,
    replicas: u32,
}

impl Created {
    pub(super) fn new(id: String, policy: String, created_at: i64, progress: &Progress) -> Self {
        Self {
            autoscaling_id: id,
            status: "active",
            message: "Autoscaler created successfully",
            details: Details::new(policy, created_at, progress),
        }
    }
}

impl Autoscaler {
    pub(super) fn of(row: &Row) -> Result<Self, Problem> {
        let progress = progress(row)?;
        let request: Value = parsed(&row.request)?;
        // A policy is called as its workload.
        let policy = request["workload_name"].as_str().unwrap_or_default().to_owned();
        let (status, message) = match &progress.failure {
            None => ("active", "Autoscaler is active".to_owned()),
            Some(why) => ("failed", format!("the last look failed: {why}")),
        };
        let details = Details::new(policy, row.created_at, &progress);
        Ok(Self { autoscaling_id: row.id.clone(), status, message, details })
    }
}

impl Details {
    fn new(policy: String, created_at: i64, progress: &Progress) -> Self {
        let reading = |metric: &str| progress.readings.get(metric).copied();
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
        let percent = |metric| reading(metric).map(|value| value.round() as i64);
        Self {
            created_at: time(created_at),
            updated_at: progress.looked_at.map(time),
            current_replicas: progress.current_replicas,
            desired_replicas: progress.desired_replicas,
            current_cpu_percent: percent("cpu"),
            current_memory_percent: percent("memory"),
            current_gpu_percent: percent("gpu"),
            current_gpu_memory_percent: percent("gpuMemory"),
            current_storage_read_throughput_mbps: reading("storageReadThroughputMbps"),
            current_storage_write_throughput_mbps: reading("storageWriteThroughputMbps"),
            current_storage_iops: reading("storageIops"),
            last_scale_time: progress.last_scale_at.map(time),
            scale_up_count: progress.scale_ups,
            scale_down_count: progress.scale_downs,
            hpa_name: policy,
        }
    }
}

impl Totals {
    pub(super) fn of(rows: &[Row]) -> Result<Self, Problem> {
        let all = rows.iter().map(progress).collect::<Result<Vec<_>, _>>()?;
        let cpus: Vec<f64> = all.iter().filter_map(|progress| progress.readings.get("cpu").copied()).collect();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let count = cpus.len() as f64;
        Ok(Self {
            total_autoscalers: all.len(),
            active_autoscalers: all.iter().filter(|progress| progress.failure.is_none()).count(),
            total_scale_ups: all.iter().map(|progress| progress.scale_ups).sum(),
            total_scale_downs: all.iter().map(|progress| progress.scale_downs).sum(),
            average_cpu_utilization: (!cpus.is_empty()).then(|| cpus.iter().sum::<f64>() / count),
        })
    }
}

impl History {
    pub(super) fn of(row: &Row) -> Result<Self, Problem> {
        let Progress { history, reasons, .. } = progress(row)?;
        let history = history.iter().map(|point| Point { at: time(point.at), replicas: point.replicas }).collect();
        Ok(Self { autoscaling_id: row.id.clone(), request: parsed(&row.request)?, history, reasons })
    }
}

fn progress(row: &Row) -> Result<Progress, Problem> {
    parsed(&row.progress)
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| database(&sqlx::Error::Decode(error.into())))
}

/// RFC 3339 in UTC, in whole seconds.
fn time(millis: i64) -> String {
    // Beyond the year 9999 there is no notation.
    Timestamp::from_second(millis.div_euclid(1000)).unwrap_or(Timestamp::MAX).to_string()
}
