//! The agent's log: lines of keys and values as Prometheus' programs write them, or one JSON object a line.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{LogFormat, LogLevel};

/// What the lines about single probes are filtered by, apart from the agent's own.
pub const PROBER: &str = "prober";

/// A library that writes a line for every answer that proves nothing; the run that asked says so itself.
const DNSSEC: &str = "hickory_net::dnssec";

/// Starts the log on the standard error.
pub fn start(level: LogLevel, prober: LogLevel, format: LogFormat) {
    let filter = Targets::new().with_default(filter(level)).with_target(PROBER, filter(prober));
    let filter = filter.with_target(DNSSEC, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(Lines(format));
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

/// Events as lines.
#[derive(Debug, Clone, Copy)]
pub struct Lines(pub LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let others: Vec<(&str, &str)> = fields.others.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let message = fields.message.as_deref().unwrap_or_default();
        line.write_str(&self.0.line(SystemTime::now(), event.metadata().level().as_str(), message, &others))
    }
}

impl LogFormat {
    /// One line: `time=… level=… msg=… key=value …`, or the same as a JSON object.
    pub fn line(self, at: SystemTime, level: &str, message: &str, fields: &[(&str, &str)]) -> String {
        let time = Timestamp::try_from(at).unwrap_or_default();
        match self {
            Self::Logfmt => {
                let mut line = format!("time={time:.3} level={level} msg={}", Value(message));
                for (key, value) in fields {
                    // Writing to a string cannot fail.
                    let _ = write!(line, " {key}={}", Value(value));
                }
                line.push('\n');
                line
            }
            Self::Json => {
                let time = format!("{time:.3}");
                let head = [("time", time.as_str()), ("level", level), ("msg", message)];
                let pairs = head.iter().chain(fields).map(|(key, value)| ((*key).to_owned(), (*value).into()));
                format!("{}\n", serde_json::Value::Object(pairs.collect()))
            }
        }
    }
}

/// The fields of an event, as text.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = Some(value);
        } else {
            self.others.push((field.name(), value));
        }
    }
}

/// A value, in quotation marks where a reader would otherwise be misled.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
        if !self.0.is_empty() && self.0.chars().all(is_plain) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat) -> String {
        let written = Written::default();
        let into = written.clone();
        let log = tracing_subscriber::fmt().event_format(Lines(format)).with_writer(move || into.clone()).finish();
        tracing::subscriber::with_default(log, || {
            tracing::warn!(check = "home page", number = 3, target = "a\nb=\"c\"", "not loaded:\nline two");
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let text = logged(LogFormat::Logfmt);
        let (time, rest) = text.split_once(" level=").unwrap();
        assert!(time.starts_with("time=2") && time.ends_with('Z'), "{time}");
        assert_eq!(
            rest,
            "WARN msg=\"not loaded:\\nline two\" check=\"home page\" number=3 target=\"a\\nb=\\\"c\\\"\"\n"
        );
    }

    #[test]
    fn an_event_is_one_json_object_if_wanted() {
        let text = logged(LogFormat::Json);
        let (time, rest) = text.split_once(",\"level\"").unwrap();
        assert!(time.starts_with("{\"time\":\"2"), "{time}");
        assert_eq!(
            rest,
            ":\"WARN\",\"msg\":\"not loaded:\\nline two\",\"check\":\"home page\",\"number\":\"3\",\
             \"target\":\"a\\nb=\\\"c\\\"\"}\n"
        );
    }
}
