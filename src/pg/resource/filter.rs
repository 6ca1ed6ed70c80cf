//! Filters and orders as SQL: names from the catalog, values as parameters, types left to PostgreSQL.

use super::refusal::Refusal;
use super::table::Table;
use crate::pg::statement::Parameters;
use crate::words::{Comparison, Condition, Ordering, Test, Truth};

/// SQL that says row `t` passes all conditions.
pub(super) fn filter(
    table: &Table,
    conditions: &[Condition],
    parameters: &mut Parameters,
) -> Result<String, Refusal> {
    if conditions.is_empty() {
        return Ok("true".to_owned());
    }
    let texts: Result<Vec<_>, _> = conditions.iter().map(|one| condition(table, one, parameters)).collect();
    Ok(texts?.join(" and "))
}

fn condition(table: &Table, condition: &Condition, parameters: &mut Parameters) -> Result<String, Refusal> {
    let column = &table.column(&condition.column)?.quoted;
    let test = match &condition.test {
        Test::Compare(comparison, value) => {
            format!("t.{column} {} {}", operator(*comparison), parameters.add(value.as_str()))
        }
        Test::In(values) => format!("t.{column} = any ({})", parameters.add(array(values))),
        Test::Is(truth) => format!("t.{column} is {}", word(*truth)),
    };
    Ok(if condition.negated { format!("not ({test})") } else { format!("({test})") })
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Neq => "<>",
        Comparison::Gt => ">",
        Comparison::Gte => ">=",
        Comparison::Lt => "<",
        Comparison::Lte => "<=",
    }
}

fn word(truth: Truth) -> &'static str {
    match truth {
        Truth::Null => "null",
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "unknown",
    }
}

/// An array in PostgreSQL's text form, every value in quotes.
fn array(values: &[String]) -> String {
    let quoted: Vec<_> = values
        .iter()
        .map(|value| format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"")))
        .collect();
    format!("{{{}}}", quoted.join(","))
}

/// SQL for the order wanted, made total by the key.
pub(super) fn order(table: &Table, wanted: &[Ordering]) -> Result<String, Refusal> {
    let mut parts = Vec::new();
    for ordering in wanted {
        let column = &table.column(&ordering.column)?.quoted;
        let direction = if ordering.descending { " desc" } else { "" };
        let nulls = match ordering.nulls_first {
            None => "",
            Some(true) => " nulls first",
            Some(false) => " nulls last",
        };
        parts.push(format!("t.{column}{direction}{nulls}"));
    }
    parts.extend(table.key_columns().map(|column| format!("t.{}", column.quoted)));
    Ok(parts.join(", "))
}

/// What a client is told whose filter or order the types do not know.
pub(super) fn unsuitable(table: &Table, conditions: &[Condition], wanted: &[Ordering]) -> Refusal {
    let names = conditions.iter().map(|one| &one.column).chain(wanted.iter().map(|one| &one.column));
    let mut columns: Vec<_> = names
        .filter_map(|name| table.column(name).ok())
        .map(|column| format!("{} is {}", column.name, column.type_name))
        .collect();
    columns.sort();
    columns.dedup();
    Refusal::BadFilter(format!(
        "a filter or the order asks something that the column's type does not know: {}",
        columns.join(", ")
    ))
}
