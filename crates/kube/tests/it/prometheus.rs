//! As much of a Prometheus as a policy's queries need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use setpoint_testkit::http::{Answer, Server};

/// Answers instant queries with what was last set for them, and with an empty vector else. It ends with this value.
pub(crate) struct Prometheus {
    answers: Arc<Mutex<BTreeMap<String, f64>>>,
    server: Server,
}

impl Prometheus {
    pub(crate) fn start() -> Self {
        let answers: Arc<Mutex<BTreeMap<String, f64>>> = Arc::default();
        let known = Arc::clone(&answers);
        let server = Server::start(move |asked| {
            assert_eq!((&*asked.method, &*asked.target), ("POST", "/api/v1/query"));
            let value = known.lock().expect("whole").get(&asked.form()["query"]).map(ToString::to_string);
            Answer::instant(value.as_deref())
        });
        Self { answers, server }
    }

    pub(crate) fn address(&self) -> String {
        self.server.url()
    }

    pub(crate) fn set(&self, query: &str, value: Option<f64>) {
        let mut answers = self.answers.lock().expect("whole");
        match value {
            Some(value) => drop(answers.insert(query.to_owned(), value)),
            None => drop(answers.remove(query)),
        }
    }
}
