//! Breaking and mending the running town from the command line.

/// What is to happen to the town.
#[derive(Debug, Clone)]
pub enum Change {
    /// Break a part, in the plainest way if none is named.
    Break {
        /// The part's name.
        part: String,
        /// What is to be wrong with it.
        fault: Option<String>,
    },
    /// Mend a part.
    Mend {
        /// The part's name.
        part: String,
    },
}

/// Tells the demo at an address (`127.0.0.1:9115`) what is to happen; answers in its words.
pub async fn change(at: &str, change: &Change) -> Result<String, String> {
    let path = match change {
        Change::Break { part, fault: Some(fault) } => format!("break/{part}/{fault}"),
        Change::Break { part, fault: None } => format!("break/{part}"),
        Change::Mend { part } => format!("mend/{part}"),
    };
    let cannot = |error: reqwest::Error| format!("cannot reach the demo at {at}: {}", error.without_url());
    // Without redirects, so that the answer is the demo's own; the town needs no proxy.
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().map_err(cannot)?;
    let request = client.post(format!("http://{at}/demo/{path}")).header("accept", "text/plain");
    let response = request.send().await.map_err(cannot)?;
    let status = response.status();
    let text = response.text().await.map_err(cannot)?.trim().to_owned();
    if status.is_success() { Ok(text) } else { Err(text) }
}
