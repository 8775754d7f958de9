//! Chromium without a window, driven over the pipe of its debugging protocol.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One page in a browser of its own. What goes wrong in it is remembered.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: String,
    number: u64,
    events: VecDeque<Value>,
    /// Errors on the console, exceptions, and addresses that were asked for beside the page.
    pub(crate) troubles: Vec<String>,
    _profile: Profile,
}

impl Browser {
    /// Opens a file; `None` where there is no Chromium, which is said.
    pub(crate) fn open(page: &Path, name: &str, size: (u32, u32)) -> Option<Self> {
        let Some(program) = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|program| is_there(program))
        else {
            crate::support::passed_over("no Chromium here to look at the page with");
            return None;
        };
        let profile = Profile::new(name);
        // The pipe is expected at descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                "sh",
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-dev-shm-usage",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.0.display()))
            .arg(format!("--window-size={},{}", size.0, size.1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut browser = Self {
            child,
            input,
            output,
            session: String::new(),
            number: 0,
            events: VecDeque::new(),
            troubles: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({"targetId": target["targetId"], "flatten": true}),
        );
        let session = attached["sessionId"].as_str().expect("an id");
        session.clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": size.0, "height": size.1, "deviceScaleFactor": 1, "mobile": size.0 < 600}),
        );
        let url = format!("file://{}", page.display());
        browser.call("Page.navigate", &json!({"url": url}));
        browser.wait("document.readyState === 'complete'");
        Some(browser)
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let result = self.call(
            "Runtime.evaluate",
            &json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// The text that an expression gives.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// Waits until an expression is true; a page that never gets there is an error of the test.
    pub(crate) fn wait(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.value(expression) != Value::Bool(true) {
            assert!(Instant::now() < until, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A key of the keyboard.
    pub(crate) fn key(&mut self, key: &str) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                &json!({"type": kind, "key": key, "code": key}),
            );
        }
    }

    /// A picture of what is seen, for people.
    pub(crate) fn picture(&mut self, path: &Path) {
        use base64::Engine as _;
        let picture = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(picture["data"].as_str().expect("a picture"))
            .expect("base64");
        std::fs::write(path, bytes).expect("a picture");
    }

    /// Sets what a stylesheet can ask for.
    pub(crate) fn prefers(&mut self, name: &str, value: &str) {
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": name, "value": value}]}),
        );
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("the browser lives");
        self.input.flush().expect("the browser lives");
        loop {
            let mut line = Vec::new();
            self.output
                .read_until(0, &mut line)
                .expect("the browser lives");
            line.pop();
            let answer: Value = serde_json::from_slice(&line).expect("the protocol is JSON");
            if answer["id"] == json!(self.number) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        let trouble = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(parameters["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") => Some(parameters.to_string()),
            Some("Log.entryAdded") => Some(parameters["entry"].to_string()),
            Some("Page.javascriptDialogOpening") => Some("a dialog".to_owned()),
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                let own = parameters["type"] == "Document" && url.starts_with("file:");
                (!own && !url.starts_with("data:")).then(|| format!("asked for {url}"))
            }
            _ => None,
        };
        self.troubles.extend(trouble);
        self.events.push_back(event.clone());
        self.events.truncate(100);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for the browser, removed at the end.
struct Profile(std::path::PathBuf);

impl Profile {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{name}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Longest wait for a page: shared test machines are slow at times.
const PATIENCE: Duration = Duration::from_mins(1);
