//! `setpoint cluster diff`: when a changed policy would have decided otherwise.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use setpoint::Metric;
use setpoint_runtime::source::Grid;

use super::found;
use super::recording::Recording;
use super::replay::Summary;
use super::simulate::{Named, Recorded, changed, start, table, unshown};
use crate::catalog::Catalog;
use crate::check::Check;
use crate::cli::cluster::DiffArguments;
use crate::decide::explain::time;
use crate::error::BadInput;
use crate::live;
use crate::output::{self, DIM};

/// Everything, as `--json` writes it: docs/kubectl.md describes it.
#[derive(Serialize)]
struct Differing<'a> {
    #[serde(flatten)]
    recorded: Recorded<'a>,
    now: Summary,
    changed: Summary,
    differences: &'a [Difference],
    differing_ms: u128,
    largest: Option<&'a Difference>,
}

/// A time for which the two have other counts than each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Difference {
    from_ms: i64,
    until_ms: i64,
    now: u32,
    changed: u32,
}

impl Difference {
    const fn size(&self) -> u32 {
        self.now.abs_diff(self.changed)
    }
}

pub(super) fn run(arguments: &DiffArguments) -> Result<Check, BadInput> {
    let mut catalog = Catalog::new(&arguments.recording.plugins)?;
    let found = live::runtime()?.block_on(found::find(&arguments.cluster))?;
    let now = Named { name: found::name(&found), spec: found::spec(&found)? };
    let changed = changed(&mut catalog, &arguments.policy, &now.spec)?;
    let both = [&now.spec, &changed.spec];
    let recording = live::runtime()?.block_on(Recording::fetch(&arguments.recording, &both))?;
    let start = start(&arguments.recording, &found, &now.spec)?;
    let (before, after) =
        (now.replay(&recording, catalog.registry(), start)?, changed.replay(&recording, catalog.registry(), start)?);
    let differences = differences(&before.counts, &after.counts, recording.grid);
    // Of equally large ones the first.
    let largest = differences.iter().rev().max_by_key(|difference| difference.size());
    let differing: u64 = differences.iter().map(|one| one.until_ms.abs_diff(one.from_ms)).sum();
    let outcome = if arguments.exit_code && !differences.is_empty() { Check::Failed } else { Check::Passed };
    let recorded = Recorded::new(&found, &recording, start);
    if arguments.recording.json {
        output::print_json(&Differing {
            recorded,
            now: before.summary,
            changed: after.summary,
            differences: &differences,
            differing_ms: differing.into(),
            largest,
        })?;
        return Ok(outcome);
    }
    let mut metrics = now.spec.metrics.clone();
    let is_new = |metric: &&Metric| !now.spec.metrics.iter().any(|other| other.source == metric.source);
    metrics.extend(changed.spec.metrics.iter().filter(is_new).cloned());
    let mut out = recorded.in_words(&recording, &metrics);
    table(&[(&now.name, &before.summary), (&changed.name, &after.summary)], &mut out);
    out.push('\n');
    in_words(&differences, arguments.recording.show, &mut out);
    if let Some(Difference { from_ms, now, changed, .. }) = largest {
        let length = humantime::format_duration(Duration::from_millis(differing));
        let most = now.abs_diff(*changed);
        let _ =
            writeln!(out, "They differ for {length}, the most by {most}: {now} and {changed} at {}", time(*from_ms));
    }
    output::print(&out)?;
    Ok(outcome)
}

/// The times for which the counts differ, each as long as both stay as they are.
fn differences(now: &[u32], changed: &[u32], grid: Grid) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    for (point, (&now, &changed)) in now.iter().zip(changed).enumerate() {
        if now == changed {
            continue;
        }
        let from_ms = grid.at(point).as_millis();
        // At the end of the recording nothing lasts any more.
        let until_ms = grid.at((point + 1).min(grid.points() - 1)).as_millis();
        match found.last_mut() {
            Some(last) if last.until_ms == from_ms && (last.now, last.changed) == (now, changed) => {
                last.until_ms = until_ms;
            }
            _ => found.push(Difference { from_ms, until_ms, now, changed }),
        }
    }
    found
}

fn in_words(differences: &[Difference], show: usize, out: &mut String) {
    if differences.is_empty() {
        out.push_str("They never differ.\n");
        return;
    }
    let (dim, reset) = (DIM.render(), DIM.render_reset());
    let width = time(differences[0].from_ms).len();
    let _ = writeln!(out, "{dim}{:<width$}  {:<width$}  now  changed{reset}", "from", "until");
    for Difference { from_ms, until_ms, now, changed } in differences.iter().take(show) {
        let _ = writeln!(out, "{:<width$}  {:<width$}  {now:>3}  {changed:>7}", time(*from_ms), time(*until_ms));
    }
    unshown(differences.len(), show, out);
}

#[cfg(test)]
mod tests {
    use setpoint::Timestamp;

    use super::*;

    #[test]
    fn a_difference_lasts_as_long_as_both_counts() {
        let grid = Grid::new(Timestamp::from_millis(0), Duration::from_secs(10), 6);
        let of = |now: [u32; 6], changed: [u32; 6]| -> Vec<(i64, i64, u32, u32)> {
            let found = differences(&now, &changed, grid);
            found.iter().map(|one| (one.from_ms / 1000, one.until_ms / 1000, one.now, one.changed)).collect()
        };
        assert_eq!(of([2, 2, 3, 3, 4, 4], [2, 2, 3, 3, 4, 4]), []);
        assert_eq!(of([2, 3, 3, 4, 2, 2], [2, 2, 2, 2, 2, 2]), [(10, 30, 3, 2), (30, 40, 4, 2)]);
        assert_eq!(of([2, 3, 2, 3, 2, 2], [2, 2, 2, 2, 2, 2]), [(10, 20, 3, 2), (30, 40, 3, 2)], "twice the same");
        assert_eq!(of([2, 2, 2, 2, 3, 3], [2; 6]), [(40, 50, 3, 2)], "the end has no length");
        assert_eq!(of([2, 2, 2, 2, 2, 3], [2; 6]), [(50, 50, 3, 2)], "nor has a difference there");
    }
}
