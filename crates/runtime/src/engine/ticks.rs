//! The looks of one tick: sources are asked for all of them at once.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared as SharedFuture, join_all};
use tokio::time::Instant;

use super::Shared;
use super::group::Crew;
use super::turn::{Part, Turn};
use super::workload::Workload;
use crate::source::{Measured, Question};

/// What a source answered, for whoever waits for it.
pub(super) type Answers = SharedFuture<BoxFuture<'static, Arc<[Measured]>>>;

/// Where a metric's reading comes from.
pub(super) enum Asked {
    /// From what this source answers to all of a tick, in this place.
    Together { source: usize, answers: Answers, place: usize },
    /// From this source, once the instances are known.
    Apart { source: usize },
    /// From nowhere.
    Nowhere,
}

impl Asked {
    /// The source that is asked once the instances are known, if that is the way.
    pub(super) const fn apart(&self) -> Option<usize> {
        match self {
            Self::Apart { source } => Some(*source),
            Self::Together { .. } | Self::Nowhere => None,
        }
    }
}

/// Looks at all that are `due`. Returns when the last of the looks has ended.
pub(super) async fn run(shared: Arc<Shared>, due: Vec<(Instant, Arc<str>)>) {
    // Those that were let go since are not there any more.
    let known: Vec<(Instant, Arc<str>, Crew)> =
        due.into_iter().filter_map(|(at, key)| shared.crew(&key).map(|crew| (at, key, crew))).collect();
    let mut together: Vec<Vec<Question>> = shared.sources.iter().map(|_| Vec::new()).collect();
    let mut asking = |workload: &Arc<Workload>| {
        let plan = workload.plan();
        let places: Vec<Place> = plan
            .metrics
            .iter()
            .map(|metric| {
                let source = shared.sources.iter().position(|source| source.answers(metric));
                match source {
                    None => Place::Nowhere,
                    Some(source) if shared.sources[source].needs_instances() => Place::Apart { source },
                    Some(source) => {
                        together[source].push(Question::new(Arc::clone(&plan.target), Arc::clone(metric)));
                        Place::Together { source, place: together[source].len() - 1 }
                    }
                }
            })
            .collect();
        (Arc::clone(workload), plan, places)
    };
    let asked: Vec<Vec<_>> = known.iter().map(|(_, _, crew)| crew.members.iter().map(&mut asking).collect()).collect();
    let answers: Vec<Answers> =
        together.into_iter().enumerate().map(|(source, asked)| ask(&shared, source, asked)).collect();
    let turns = known.into_iter().zip(asked).map(|((due, key, crew), asked)| {
        let part = |(workload, plan, places): (_, _, Vec<Place>)| {
            let asked = places.into_iter().map(|place| place.with(&answers)).collect();
            Part { shared: Arc::clone(&shared), workload, plan, asked, due }
        };
        // A task each: one that panics ends alone.
        let turn = Turn { shared: Arc::clone(&shared), key, crew, parts: asked.into_iter().map(part).collect() };
        tokio::spawn(turn.take())
    });
    for ended in join_all(turns.collect::<Vec<_>>()).await {
        super::report(ended);
    }
}

/// As [`Asked`], before anybody was.
enum Place {
    Together { source: usize, place: usize },
    Apart { source: usize },
    Nowhere,
}

impl Place {
    fn with(self, answers: &[Answers]) -> Asked {
        match self {
            Self::Together { source, place } => Asked::Together { source, answers: answers[source].clone(), place },
            Self::Apart { source } => Asked::Apart { source },
            Self::Nowhere => Asked::Nowhere,
        }
    }
}

/// Asks a source, once for all who wait.
fn ask(shared: &Arc<Shared>, source: usize, questions: Vec<Question>) -> Answers {
    let shared = Arc::clone(shared);
    async move {
        if questions.is_empty() {
            return Arc::from([]);
        }
        Arc::from(read(&shared, source, questions).await)
    }
    .boxed()
    .shared()
}

/// What a source answers in time: one answer a question, whatever it does.
pub(super) async fn read(shared: &Shared, source: usize, questions: Vec<Question>) -> Vec<Measured> {
    let source = &shared.sources[source];
    let now = Instant::now();
    // A little before all is lost: what was answered by then is handed over.
    let until = now + shared.timeout.mul_f64(0.9);
    let questions: Vec<Question> = questions.into_iter().map(|asked| asked.with_until(until)).collect();
    let mut answers = match tokio::time::timeout_at(now + shared.timeout, source.read(&questions)).await {
        Ok(answers) => answers,
        Err(_) => {
            let text = format!("{} did not answer within {:?}", source.name(), shared.timeout);
            vec![Measured::Missing(text); questions.len()]
        }
    };
    let took = now.elapsed();
    shared.listeners.iter().for_each(|listener| listener.asked(source.name(), questions.len(), took));
    if answers.len() != questions.len() {
        // Which answer is whose can't be known.
        let text = format!("{} gave {} answers to {} questions", source.name(), answers.len(), questions.len());
        answers = vec![Measured::Invalid(text); questions.len()];
    }
    answers
}
