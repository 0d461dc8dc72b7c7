//! Breaking and mending the running town from the command line.

use std::time::Duration;

use crate::args::DemoChange;

/// Longest time the demo may take to answer. Chosen: it answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the demo at an address (`127.0.0.1:9115`) what is to happen; answers in its words.
pub async fn change(at: &str, change: &DemoChange) -> Result<String, String> {
    let path = match change {
        DemoChange::Break { part, fault: Some(fault) } => format!("break/{part}/{fault}"),
        DemoChange::Break { part, fault: None } => format!("break/{part}"),
        DemoChange::Mend { part } => format!("mend/{part}"),
    };
    let cannot = |error: reqwest::Error| format!("cannot reach the demo at {at}: {}", error.without_url());
    // Without redirects, so that the answer is the demo's own; the town needs no proxy.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(cannot)?;
    let request = client.post(format!("http://{at}/demo/{path}")).header("accept", "text/plain");
    let response = request.send().await.map_err(cannot)?;
    let status = response.status();
    let text = response.text().await.map_err(cannot)?.trim().to_owned();
    if status.is_success() { Ok(text) } else { Err(text) }
}
