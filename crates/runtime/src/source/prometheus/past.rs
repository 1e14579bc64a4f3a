//! What instant queries would have answered at times in the past: range queries, page by page.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use setpoint::{PrometheusQuery, Timestamp};

use super::{Measured, NOTHING, Prometheus, number, several};

/// Times in the past, the same step apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    from: Timestamp,
    step_ms: u64,
    points: usize,
}

/// Why what was can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PastError {
    /// Nobody says whom to ask.
    #[error("no Prometheus server is known here, and the metric names none")]
    NoServer,
    /// It was asked, and what it answers can't be used.
    #[error("Prometheus at {server}: {problem}")]
    Unanswered {
        /// Whom.
        server: String,
        /// What came instead.
        problem: String,
    },
}

impl Grid {
    /// `points` times from `from` on, `step` apart, which is at least a millisecond.
    #[must_use]
    pub fn new(from: Timestamp, step: Duration, points: usize) -> Self {
        Self { from, step_ms: u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1), points }
    }

    /// How many there are.
    #[must_use]
    pub const fn points(&self) -> usize {
        self.points
    }

    /// How far apart they are.
    #[must_use]
    pub const fn step(&self) -> Duration {
        Duration::from_millis(self.step_ms)
    }

    /// One of them, from 0 on.
    #[must_use]
    pub fn at(&self, point: usize) -> Timestamp {
        let after = u64::try_from(point).unwrap_or(u64::MAX).saturating_mul(self.step_ms);
        Timestamp::from_millis(self.from.as_millis().saturating_add_unsigned(after))
    }

    /// Which of them a time in milliseconds is, if it is one.
    fn point(&self, ms: i64) -> Option<usize> {
        let after = u64::try_from(ms.checked_sub(self.from.as_millis())?).ok()?;
        let point = usize::try_from(after / self.step_ms).ok()?;
        (after % self.step_ms == 0 && point < self.points).then_some(point)
    }

    /// The same times in pages of at most `most`.
    fn pages(self, most: usize) -> impl Iterator<Item = Self> {
        (0..self.points).step_by(most).map(move |first| Self {
            from: self.at(first),
            points: most.min(self.points - first),
            ..self
        })
    }
}

impl Prometheus {
    /// How many times are asked for at once: fewer than the 11,000 that Prometheus has an answer for.
    pub const PAGE: usize = 2000;

    /// What `query` would have been answered at each time of `grid`. It differs from what was answered then where samples
    /// came late, and where the server has thrown away what is old. `progress` is told how many times are done.
    ///
    /// # Errors
    ///
    /// [`PastError`]: unlike a reading of now, one of the past can be asked for again.
    pub async fn past(
        &self,
        query: &PrometheusQuery,
        grid: Grid,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Measured>, PastError> {
        let server = self.address(query).ok_or(PastError::NoServer)?;
        let token = self.token().await;
        let failed = |problem| PastError::Unanswered { server: without_secrets(server), problem };
        let mut readings = Vec::with_capacity(grid.points);
        for page in grid.pages(Self::PAGE) {
            let (start, end) = (seconds(page.at(0)), seconds(page.at(page.points - 1)));
            let step = seconds(Timestamp::from_millis(i64::try_from(grid.step_ms).unwrap_or(i64::MAX)));
            let form = [("query", &*query.query), ("start", &start), ("end", &end), ("step", &step)];
            let body = self.post(server, "query_range", &token, &form).await.map_err(failed)?;
            readings.extend(read(&body, page).map_err(failed)?);
            progress(readings.len());
        }
        Ok(readings)
    }
}

/// A server's address without what stands before an `@`, which may be a password.
fn without_secrets(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("", server));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// A time as Prometheus takes it.
fn seconds(time: Timestamp) -> String {
    let ms = time.as_millis();
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "resultType", content = "result")]
enum Data {
    Matrix(Vec<Series>),
    Vector(IgnoredAny),
    Scalar(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// The readings of a page: a time without a sample is missing, as it would have been.
fn read(body: &[u8], page: Grid) -> Result<Vec<Measured>, String> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("this is no answer to a query: {error}"))?;
    let Data::Matrix(matrix) = answer.data else { return Err("this is no answer to a range query".to_owned()) };
    let mut samples: Vec<(usize, String)> = vec![(0, String::new()); page.points];
    for (time, text) in matrix.into_iter().flat_map(|series| series.values) {
        // Exact for all times of this millennium.
        #[expect(clippy::cast_possible_truncation, reason = "what is no time of the grid is refused")]
        let point = page.point((time * 1000.0).round() as i64);
        let point = point.ok_or_else(|| format!("it answers for {time}, a time that it was not asked about"))?;
        samples[point] = (samples[point].0 + 1, text);
    }
    let reading = |(series, text): (usize, String)| match series {
        0 => Measured::Missing(NOTHING.to_owned()),
        1 => number(&text).map_or_else(|problem| problem, Measured::Value),
        series => several(series),
    };
    Ok(samples.into_iter().map(reading).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_same_times_in_parts() {
        let grid = Grid::new(Timestamp::from_millis(1_000_500), Duration::from_secs(15), 5);
        let times = |grid: Grid| (0..grid.points()).map(move |point| seconds(grid.at(point)));
        let pages: Vec<Vec<String>> = grid.pages(2).map(|page| times(page).collect()).collect();
        assert_eq!(pages, [vec!["1000.500", "1015.500"], vec!["1030.500", "1045.500"], vec!["1060.500"]]);
        assert_eq!(pages.concat(), times(grid).collect::<Vec<_>>());
        assert_eq!(Grid::new(Timestamp::default(), Duration::ZERO, 0).pages(2).count(), 0);
    }

    #[test]
    fn each_time_has_the_reading_that_it_would_have_had() {
        let page = Grid::new(Timestamp::from_millis(100_000), Duration::from_secs(15), 4);
        let matrix = |series: &str| format!(r#"{{"data":{{"resultType":"matrix","result":[{series}]}}}}"#);
        let states = |body: &str| -> Result<Vec<String>, String> {
            let readings = read(body.as_bytes(), page)?;
            let told = |reading: &Measured| match reading {
                Measured::Value(value) => value.to_string(),
                other => other.state().0.to_owned(),
            };
            Ok(readings.iter().map(told).collect())
        };
        let gap = matrix(r#"{"metric":{},"values":[[100,"1.5"],[130,"NaN"],[145.000,"+Inf"]]}"#);
        assert_eq!(states(&gap).expect("readings"), ["1.5", "missing", "missing", "invalid"]);
        let two = matrix(r#"{"values":[[100,"1"],[115,"2"]]},{"values":[[115,"3"],[130,"4"]]}"#);
        assert_eq!(states(&two).expect("readings"), ["1", "invalid", "4", "missing"]);
        assert_eq!(states(&matrix("")).expect("readings"), ["missing"; 4]);
        let cases = [
            ("a time between", matrix(r#"{"values":[[101,"1"]]}"#), "for 101, a time that"),
            ("a time after", matrix(r#"{"values":[[160,"1"]]}"#), "for 160, a time that"),
            (
                "another answer",
                r#"{"data":{"resultType":"vector","result":[]}}"#.to_owned(),
                "no answer to a range query",
            ),
            ("a page", "<html>".to_owned(), "no answer to a query"),
        ];
        for (name, body, want) in cases {
            let problem = states(&body).expect_err(name);
            assert!(problem.contains(want), "{name}: {problem}");
        }
    }

    #[test]
    fn a_password_is_not_told() {
        let cases = [
            ("http://me:secret@prometheus:9090/x", "http://prometheus:9090/x"),
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("me@host", "host"),
        ];
        for (server, want) in cases {
            assert_eq!(without_secrets(server), want);
        }
    }
}
