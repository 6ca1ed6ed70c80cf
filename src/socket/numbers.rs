//! What a node tells of itself in numbers: the same ones in `/stats` and in `/metrics`.

use serde_json::{Map, Number as JsonNumber, Value, json};

use super::Edge;
use super::around::Database;

/// How a number moves, in Prometheus' words.
#[derive(Clone, Copy)]
enum Kind {
    /// Only grows, from the start of the node.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One number, with its two names.
struct Number {
    /// Its place in `/stats`; a dot leads into an object.
    stat: &'static str,
    /// Its name in `/metrics`, whose units are seconds and bytes.
    metric: &'static str,
    kind: Kind,
    help: &'static str,
    /// None while nobody can say.
    value: Option<JsonNumber>,
    /// What one of `/stats` is in `/metrics`.
    unit: f64,
}

impl Number {
    fn new(
        (stat, metric): (&'static str, &'static str),
        kind: Kind,
        value: impl Into<Value>,
        help: &'static str,
    ) -> Self {
        let value = match value.into() {
            Value::Number(number) => Some(number),
            _ => None,
        };
        Self { stat, metric, kind, help, value, unit: 1.0 }
    }

    fn in_milliseconds(self) -> Self {
        Self { unit: 0.001, ..self }
    }
}

/// `/stats`: the numbers, and what is no number.
pub(super) fn stats(edge: &Edge, database: &Database) -> Value {
    let mut all = Map::new();
    for number in numbers(edge, database) {
        if number.stat == "bells" {
            all.insert("mode".into(), json!(edge.feed().stats().mode.get().word()));
        }
        let value = number.value.map_or(Value::Null, Value::Number);
        match number.stat.split_once('.') {
            None => all.insert(number.stat.into(), value),
            Some((outer, inner)) => match all.entry(outer).or_insert_with(|| json!({})) {
                Value::Object(object) => object.insert(inner.into(), value),
                _ => None,
            },
        };
    }
    let listened = edge.feed().listened(LISTENED);
    let listened = listened.into_iter().map(|(topic, count)| json!({"topic": topic, "subscriptions": count}));
    all.insert("listened".into(), listened.collect());
    all.insert("server".into(), json!(env!("CARGO_PKG_VERSION")));
    Value::Object(all)
}

/// Topics that `/stats` names; there may be any number of filters.
const LISTENED: usize = 50;

/// `/metrics`: the text format of Prometheus, version 0.0.4.
pub(super) fn metrics(edge: &Edge, database: &Database) -> String {
    let mut text = String::new();
    let mode = edge.feed().stats().mode.get().word();
    let version = env!("CARGO_PKG_VERSION");
    let mut sample = |name: &str, kind: &str, help: &str, labels: &str, value: f64| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} {value}\n"));
    };
    sample("rowbell_info", "gauge", "The node's version.", &format!("{{version=\"{version}\"}}"), 1.0);
    let pull = f64::from(u8::from(mode == "pull"));
    sample("rowbell_pull_mode", "gauge", "1 while the log is read all the time, 0 in bell mode.", "", pull);
    for number in numbers(edge, database) {
        let Some(value) = number.value.as_ref().and_then(JsonNumber::as_f64) else { continue };
        let kind = match number.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        sample(number.metric, kind, number.help, "", value * number.unit);
    }
    text
}

fn numbers(edge: &Edge, database: &Database) -> Vec<Number> {
    let mut all = of_the_node(edge);
    all.extend(of_the_database(database));
    all
}

fn of_the_node(edge: &Edge) -> Vec<Number> {
    use Kind::{Counter, Gauge};
    let (feed, stats) = (edge.feed(), edge.feed().stats());
    let sent = ("bytes", "rowbell_sent_bytes_total");
    vec![
        Number::new(("sessions", "rowbell_sessions"), Gauge, stats.sessions.get(), "Open sessions."),
        Number::new(("topics", "rowbell_topics"), Gauge, feed.topics(), "Topics somebody listens to."),
        Number::new(
            ("subscriptions", "rowbell_subscriptions"),
            Gauge,
            stats.subscriptions.get(),
            "Open subscriptions, of all sessions.",
        ),
        Number::new(("bells", "rowbell_bells_total"), Counter, stats.bells.get(), "Bells heard."),
        Number::new(
            ("drains", "rowbell_drains_total"),
            Counter,
            stats.drains.get(),
            "Reads of the log by the listener.",
        ),
        Number::new(
            ("empty_drains", "rowbell_empty_drains_total"),
            Counter,
            stats.empty_drains.get(),
            "Those of them that found nothing.",
        ),
        Number::new(
            ("catch_ups", "rowbell_catch_ups_total"),
            Counter,
            stats.catch_ups.get(),
            "Reads of the log for those behind.",
        ),
        Number::new(
            ("commits", "rowbell_commits_total"),
            Counter,
            stats.commits.get(),
            "Transactions read by the listener.",
        ),
        Number::new(
            ("changes", "rowbell_changes_total"),
            Counter,
            stats.changes.get(),
            "Changes read by the listener.",
        ),
        Number::new(("frames", "rowbell_frames_total"), Counter, stats.frames.get(), "Frames sent."),
        Number::new(sent, Counter, stats.bytes.get(), "Bytes of frames sent."),
        Number::new(
            ("lag_ms", "rowbell_lag_seconds"),
            Gauge,
            stats.lag_ms.get(),
            "From the newest change to its drain, at the last drain that had any.",
        )
        .in_milliseconds(),
        Number::new(
            ("reconnects", "rowbell_reconnects_total"),
            Counter,
            stats.reconnects.get(),
            "Times the listening connection was lost.",
        ),
    ]
}

fn of_the_database(database: &Database) -> Vec<Number> {
    use Kind::Gauge;
    vec![
        Number::new(
            ("pool.size", "rowbell_pool_connections"),
            Gauge,
            database.pool_size,
            "Open connections of the pool.",
        ),
        Number::new(
            ("pool.available", "rowbell_pool_idle_connections"),
            Gauge,
            database.pool_available,
            "Those of them that nobody uses.",
        ),
        Number::new(
            ("pool.waiting", "rowbell_pool_waiting"),
            Gauge,
            database.pool_waiting,
            "Who waits for a connection of the pool.",
        ),
        Number::new(
            ("queue_usage", "rowbell_notification_queue_ratio"),
            Gauge,
            database.queue_usage,
            "How full PostgreSQL's notification queue is, from 0 to 1.",
        ),
        Number::new(
            ("log.bytes", "rowbell_log_bytes"),
            Gauge,
            database.log_bytes,
            "Size of the log with its indexes.",
        ),
        Number::new(
            ("log.retention_seconds", "rowbell_log_retention_seconds"),
            Gauge,
            database.retention.map(|kept| kept.as_secs_f64()),
            "How long changes are kept.",
        ),
    ]
}
