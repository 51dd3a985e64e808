//! Plain requests to the API server, through `kubectl proxy`, which knows the credentials.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use super::{Cluster, run};

/// What the API server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// An object, or a `Status` that says why not.
    pub body: Value,
    /// The sentences of the `Warning` headers.
    pub warnings: Vec<String>,
}

impl Answer {
    /// The causes of a refusal, each as `(field, message)`.
    #[must_use]
    pub fn causes(&self) -> Vec<(String, String)> {
        let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
        let causes = self.body["details"]["causes"].as_array();
        causes.into_iter().flatten().map(|cause| (text(cause, "field"), text(cause, "message"))).collect()
    }
}

/// A running `kubectl proxy`.
pub(super) struct Proxy {
    child: Child,
    /// `127.0.0.1:port`.
    address: String,
}

impl Proxy {
    fn start(cluster: &Cluster) -> Self {
        let mut command = cluster.kubectl_command(&["proxy", "--port=0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kubectl can be run");
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line);
        let address = line.trim().rsplit(' ').next().filter(|address| address.contains(':'));
        let address = address.unwrap_or_else(|| panic!("kubectl proxy does not serve: {line:?} {read:?}")).to_owned();
        Self { child, address }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cluster {
    /// One request: `method` on `path` (with its query), with a JSON body or a patch where one is given.
    ///
    /// # Panics
    /// Where no answer comes within 30 s, or one that is not JSON.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let proxy = self.proxy.get_or_init(|| Proxy::start(self));
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let mut curl = Command::new("curl");
        curl.args(["-s", "-S", "-i", "--max-time", "30", "-X", method, "-H", &format!("Content-Type: {content}")]);
        curl.args(body.map(|_| ["--data-binary", "@-"]).into_iter().flatten()).arg(format!("http://{}{path}", proxy.address));
        let output = run(&mut curl, &body.map(Value::to_string).unwrap_or_default());
        let text = String::from_utf8(output.stdout).expect("the API server speaks UTF-8");
        assert!(output.status.success(), "{method} {path}: {}", String::from_utf8_lossy(&output.stderr));
        parse(&text).unwrap_or_else(|| panic!("{method} {path}: not an answer: {text}"))
    }
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    if head.split_whitespace().nth(1) == Some("100") {
        return parse(body);
    }
    let code = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { code, body: serde_json::from_str(body).ok()?, warnings: head.lines().filter_map(warning).collect() })
}

/// The sentence of a header `Warning: 299 - "sentence"`, in which quotes have a backslash before them.
fn warning(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    let sentence = value.split_once('"')?.1.strip_suffix('"')?;
    name.eq_ignore_ascii_case("warning").then(|| sentence.replace("\\\"", "\""))
}
