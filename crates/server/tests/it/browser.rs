//! The live page in a browser.

use std::process::Command;

use serde_json::json;
use setpoint_testkit::required::skip;

use crate::support::{Served, file, quick};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The page at `address` as a browser has it after a few seconds.
fn page(address: &str) -> Option<String> {
    let profile = tempfile::tempdir().expect("a folder");
    for browser in BROWSERS {
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--virtual-time-budget=4000", "--timeout=20000", "--dump-dom"])
            .arg(format!("http://{address}/"))
            .output();
        if let Ok(output) = output {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return Some(String::from_utf8_lossy(&output.stdout).into_owned());
        }
    }
    skip("chromium", "none of chromium, chromium-browser and google-chrome is installed");
    None
}

#[test]
fn the_page_shows_counts_and_reasons() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let id = server.create(&quick());
    server.ask("PUT", "/api/v1/readings/default/Deployment/nginx-deployment", Some(&json!({ "cpu": 91 })));
    server.until(&id, "a change", |details| details["scale_up_count"].as_u64() >= Some(1));
    let Some(page) = page(&server.address) else { return };
    for shown in [id.as_str(), "default/nginx-deployment", "replicas over time", "cpu percent 91", "max-ratio"] {
        assert!(page.contains(shown), "`{shown}` is not in {page}");
    }
}

#[test]
fn the_page_asks_for_a_token() {
    let (_folder, path) = file();
    let server = Served::with_token(&path, "correct-horse-battery");
    let id = server.create(&quick());
    let Some(page) = page(&server.address) else { return };
    assert!(page.contains("a token is needed") && !page.contains(&id), "{page}");
    assert!(page.contains("<form id=\"login\">"), "the form is shown: {page}");
}
