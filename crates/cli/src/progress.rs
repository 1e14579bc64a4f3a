//! A progress bar for work that takes a while, on a terminal.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);
const STEPS: u64 = 100;

/// Work in several parts of the same size. Nothing shows before a second has passed, or where nobody looks.
pub(crate) struct Progress {
    bar: ProgressBar,
    begin: Instant,
    parts: Mutex<Vec<f64>>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, parts: usize, silent: bool) -> Self {
        let target = if silent { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{msg} {bar:32} {percent:>3} %  {eta} left");
        let bar = ProgressBar::with_draw_target(Some(STEPS), target)
            .with_style(style.expect("the template is well-formed"))
            .with_message(what);
        Self { bar, begin: Instant::now(), parts: Mutex::new(vec![0.0; parts]) }
    }

    /// Part number `part` is done to `done`, 0 to 1.
    pub(crate) fn set(&self, part: usize, done: f64) {
        let Ok(mut parts) = self.parts.lock() else { return };
        parts[part] = done;
        if self.begin.elapsed() < PATIENCE {
            return;
        }
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        self.bar.set_position((mean * STEPS as f64) as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
