//! Lines over time as SVG paths, in a plot 1000 wide and 100 high that the page stretches.

use std::fmt::Write as _;

use crate::view::clock;

/// One line: a value a bucket, or none.
pub(super) struct Line {
    pub(super) colour: &'static str,
    /// Whether it is left out until it is asked for.
    pub(super) hidden: bool,
    /// The policy it belongs to, to be hidden with.
    pub(super) policy: Option<usize>,
    pub(super) values: Vec<Option<f64>>,
}

/// A chart, ready for the template.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) subtitle: &'static str,
    pub(super) paths: Vec<Path>,
    /// Labels of the vertical axis, with their heights in percent from the bottom.
    pub(super) ys: Vec<Tick>,
    /// Labels of the time axis, with their places in percent from the left.
    pub(super) xs: Vec<Tick>,
    /// The height of the promise, from the top, where there is one.
    pub(super) promise: Option<String>,
}

pub(super) struct Path {
    pub(super) colour: &'static str,
    pub(super) hidden: bool,
    /// Empty for no policy.
    pub(super) policy: String,
    pub(super) d: String,
}

pub(super) struct Tick {
    pub(super) percent: String,
    pub(super) label: String,
}

impl Chart {
    /// From zero up, evenly.
    pub(super) fn linear(
        title: &'static str,
        subtitle: &'static str,
        lines: Vec<Line>,
        duration: f64,
        show: fn(f64) -> String,
    ) -> Self {
        let top = round_up(highest(&lines));
        let height = move |value: f64| value / top;
        let ys = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| tick(part, show(part * top)));
        Self { title, subtitle, paths: paths(&lines, height), ys: ys.into(), xs: times(duration), promise: None }
    }

    /// By powers of ten, so that one spike doesn't flatten the rest.
    pub(super) fn logarithmic(
        title: &'static str,
        subtitle: &'static str,
        lines: Vec<Line>,
        duration: f64,
        promise: f64,
        show: fn(f64) -> String,
    ) -> Self {
        let positive = lines.iter().flat_map(|line| line.values.iter().flatten()).copied().filter(|&value| value > 0.0);
        let lowest = positive.fold(promise, f64::min).log10().floor();
        let top = highest(&lines).max(promise).log10().ceil().max(lowest + 1.0);
        let height = move |value: f64| ((value.max(1e-9).log10() - lowest) / (top - lowest)).clamp(0.0, 1.0);
        let mut ys = Vec::new();
        let mut power = lowest;
        while power <= top {
            ys.push(tick(height(10f64.powf(power)), show(10f64.powf(power))));
            power += 1.0;
        }
        let promise = format!("{:.2}", 100.0 - 100.0 * height(promise));
        Self { title, subtitle, paths: paths(&lines, height), ys, xs: times(duration), promise: Some(promise) }
    }
}

fn highest(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|line| line.values.iter().flatten()).copied().fold(0.0, f64::max)
}

/// The next of 1, 2, 4, 5, 8, 10 times a power of ten: labels at its quarters stay short.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

fn tick(part: f64, label: String) -> Tick {
    Tick { percent: format!("{:.2}", part * 100.0), label }
}

fn times(duration: f64) -> Vec<Tick> {
    const STEPS: [f64; 14] = [
        1.0,
        5.0,
        15.0,
        60.0,
        300.0,
        600.0,
        1800.0,
        3600.0,
        7200.0,
        10_800.0,
        21_600.0,
        86_400.0,
        604_800.0,
        2_592_000.0,
    ];
    let step = STEPS.into_iter().find(|step| duration / step <= 9.0).unwrap_or(duration / 8.0);
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= duration && duration > 0.0 {
        ticks.push(tick(at / duration, clock(at, step < 60.0)));
        at += step;
    }
    ticks
}

fn paths(lines: &[Line], height: impl Fn(f64) -> f64) -> Vec<Path> {
    let path = |line: &Line| Path {
        colour: line.colour,
        hidden: line.hidden,
        policy: line.policy.map(|policy| policy.to_string()).unwrap_or_default(),
        d: steps(&line.values, &height),
    };
    lines.iter().map(path).collect()
}

/// Steps, as counts are: level over each bucket, broken where there is no value.
fn steps(values: &[Option<f64>], height: &impl Fn(f64) -> f64) -> String {
    let mut d = String::new();
    let width = 1000.0 / values.len().max(1) as f64;
    let mut last: Option<String> = None;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            last = None;
            continue;
        };
        let (x, y) = (index as f64 * width, format!("{:.1}", 100.0 - 100.0 * height(*value)));
        match &last {
            None => {
                let _ = write!(d, "M{x:.1} {y}");
            }
            Some(before) if *before != y => {
                let _ = write!(d, "H{x:.1}V{y}");
            }
            Some(_) => {}
        }
        // The end of the line, or of its part before a gap.
        if values.get(index + 1).is_none_or(Option::is_none) {
            let _ = write!(d, "H{:.1}", x + width);
        }
        last = Some(y);
    }
    d
}
