//! Which value was it that did not fit? PostgreSQL does not say, so each is tried alone, after the failure.

use super::filter;
use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::table::{Column, Table};
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::{Filter, ListQuery, Ordering, RowBody, Test};

const FIT_VALUE: &str = include_str!("../../../sql/queries/fit_value.sql");
const FIT_JSON: &str = include_str!("../../../sql/queries/fit_json.sql");

/// Values that are tried; who sends more wrong ones than that is told less.
const MOST_TRIALS: usize = 200;

/// A value that came from a client, and the column it is meant for.
pub(super) struct Trial {
    name: String,
    type_name: String,
    value: String,
    template: &'static str,
}

impl Trial {
    /// A value in text form: part of an id or of a filter.
    pub(super) fn text(column: &Column, value: &str) -> Self {
        let (name, type_name) = (column.name.clone(), column.bare_type.clone());
        Self { name, type_name, value: value.to_owned(), template: FIT_VALUE }
    }

    /// A pattern, which is text whatever it is compared with.
    fn pattern(column: &Column, pattern: &str) -> Self {
        let (name, type_name) = (column.name.clone(), "text".to_owned());
        Self { name, type_name, value: filter::sql_pattern(pattern), template: FIT_VALUE }
    }

    /// The same for one that is stored, and must not be longer than its column.
    pub(super) fn stored(column: &Column, value: &str) -> Self {
        Self::json(column, &serde_json::Value::from(value).to_string())
    }

    fn json(column: &Column, value: &str) -> Self {
        let (name, type_name) = (column.name.clone(), column.type_name.clone());
        Self { name, type_name, value: format!(r#"{{"v":{value}}}"#), template: FIT_JSON }
    }
}

/// The values of a body.
pub(super) fn of_body(table: &Table, row: &RowBody) -> Vec<Trial> {
    let columns = table.columns.iter();
    columns.filter_map(|column| row.get(&column.name).map(|value| Trial::json(column, value))).collect()
}

/// The values of a filter.
pub(super) fn of_filter(table: &Table, filter: &Filter) -> Vec<Trial> {
    let mut trials = Vec::new();
    for condition in filter.conditions() {
        let Ok(column) = table.column(&condition.column) else { continue };
        match &condition.test {
            Test::Compare(_, value) => trials.push(Trial::text(column, value)),
            Test::In(values) => trials.extend(values.iter().map(|value| Trial::text(column, value))),
            Test::Like(_, pattern) => trials.push(Trial::pattern(column, pattern)),
            Test::Is(_) => {}
        }
    }
    trials
}

/// The refusal that names the first value that does not fit.
pub(super) async fn blame(session: &Session, trials: &[Trial]) -> Failure {
    for trial in trials.iter().take(MOST_TRIALS) {
        let mut parameters = Parameters::default();
        let value = parameters.add(trial.value.as_str());
        let sql = fill(trial.template, &[("value", &value), ("type", &trial.type_name)]);
        match session.read(&Statement { sql, parameters }).await {
            Ok(_) => {}
            Err(Failure::Refused(Refusal::Misfit)) => {
                let mut told =
                    format!("{:?} takes {}, and the value given is none", trial.name, trial.type_name);
                if trial.template == FIT_VALUE
                    && trial.value.contains(' ')
                    && trial.type_name.starts_with("time")
                {
                    told.push_str("; a + stands for a blank in a URL, write %2B");
                }
                return Refusal::BadValue(told).into();
            }
            Err(failure) => return failure,
        }
    }
    let told = "a value is nested too deeply, or out of the range that the table's own rules can work with";
    Refusal::BadValue(told.to_owned()).into()
}

/// What a list that failed is told.
pub(super) async fn explain_list(
    session: &Session,
    table: &Table,
    query: &ListQuery,
    failure: Failure,
) -> Failure {
    explain(session, table, &query.filter, &query.order, failure).await
}

/// What the filter of a topic that failed is told.
pub(super) async fn explain_filter(
    session: &Session,
    table: &Table,
    filter: &Filter,
    failure: Failure,
) -> Failure {
    explain(session, table, filter, &[], failure).await
}

async fn explain(
    session: &Session,
    table: &Table,
    filter: &Filter,
    order: &[Ordering],
    failure: Failure,
) -> Failure {
    match failure {
        Failure::Refused(Refusal::Misfit) => blame(session, &of_filter(table, filter)).await,
        Failure::Refused(Refusal::Outdated(_)) if !(filter.is_empty() && order.is_empty()) => {
            filter::unsuitable(table, filter, order).into()
        }
        other => other,
    }
}
