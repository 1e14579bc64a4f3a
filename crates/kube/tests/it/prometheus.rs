//! As much of a Prometheus as a policy's queries need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers instant queries with what was last set for them, and with an empty vector else. It ends with this value.
pub(crate) struct Prometheus {
    answers: Arc<Mutex<BTreeMap<String, f64>>>,
    address: String,
    serving: JoinHandle<()>,
}

impl Prometheus {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let answers: Arc<Mutex<BTreeMap<String, f64>>> = Arc::default();
        let known = Arc::clone(&answers);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                // A client that goes away early has nothing to be told.
                drop(tokio::spawn(answer(stream, Arc::clone(&known))));
            }
        });
        Self { answers, address, serving }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn set(&self, query: &str, value: Option<f64>) {
        let mut answers = self.answers.lock().expect("whole");
        match value {
            Some(value) => drop(answers.insert(query.to_owned(), value)),
            None => drop(answers.remove(query)),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, answers: Arc<Mutex<BTreeMap<String, f64>>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let (head, body) = loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    assert!(head.starts_with("POST /api/v1/query "), "{head}");
    let query = decode(body.strip_prefix("query=").expect("a query"));
    let value = answers.lock().expect("whole").get(&query).copied();
    let result: Vec<_> = value
        .iter()
        .map(|value| json!({ "metric": {}, "value": [jiff::Timestamp::now().as_second(), value.to_string()] }))
        .collect();
    let answer = json!({ "status": "success", "data": { "resultType": "vector", "result": result } }).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.as_bytes()).await
}

/// What a form holds.
fn decode(form: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = form.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().expect("two digits"), rest.next().expect("two digits")];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                u8::from_str_radix(digits, 16).expect("two digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}
