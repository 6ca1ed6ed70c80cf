//! Filters and orders as SQL: names from the catalog, values as parameters, types left to PostgreSQL.
//!
//! In a row's JSON the null of a `json` or `jsonb` value looks like no value, so to a filter it is none: what is read
//! and what is filtered by are the same, of a table as of the images of its rows in the log.

use super::refusal::Refusal;
use super::table::{Column, Holds, Table};
use crate::pg::statement::Parameters;
use crate::words::{Comparison, Condition, Filter, Letters, Ordering, Test};

/// SQL that says row `t` passes.
pub(super) fn filter(table: &Table, filter: &Filter, parameters: &mut Parameters) -> Result<String, Refusal> {
    let (members, word) = match filter {
        Filter::One(one) => return condition(table.column(&one.column)?, one, parameters),
        Filter::All(members) if members.is_empty() => return Ok("true".to_owned()),
        Filter::Any(members) if members.is_empty() => return Ok("false".to_owned()),
        Filter::All(members) => (members, " and "),
        Filter::Any(members) => (members, " or "),
    };
    let texts = members.iter().map(|member| self::filter(table, member, parameters));
    Ok(format!("({})", texts.collect::<Result<Vec<_>, _>>()?.join(word)))
}

fn condition(column: &Column, asked: &Condition, parameters: &mut Parameters) -> Result<String, Refusal> {
    let name = format!("t.{}", column.quoted);
    let value = match column.holds {
        Holds::Jsonb => format!("nullif({name}, 'null'::jsonb)"),
        Holds::Json | Holds::Lists | Holds::Other => name.clone(),
    };
    let test = match &asked.test {
        Test::Compare(Comparison::Contains, given) if column.holds == Holds::Jsonb && !asked.negated => {
            // The column itself stands before the operator, so that an index on it serves.
            format!("{name} @> {} and {name} <> 'null'::jsonb", parameters.add(given.as_str()))
        }
        Test::Compare(comparison, given) => {
            format!("{value} {} {}", operator(*comparison), parameters.add(given.as_str()))
        }
        Test::Like(letters, pattern) => {
            format!("{value} {} {}", like(*letters), parameters.add(sql_pattern(pattern)))
        }
        // Arrays have no array of arrays to be one of.
        Test::In(given) if given.is_empty() => "false".to_owned(),
        Test::In(given) if column.holds == Holds::Lists => {
            let each = given.iter().map(|one| format!("{value} = {}", parameters.add(one.as_str())));
            each.collect::<Vec<_>>().join(" or ")
        }
        Test::In(given) => format!("{value} = any ({})", parameters.add(array(given))),
        Test::Is(truth) if column.holds == Holds::Json => {
            format!("nullif(json_typeof({name}), 'null') is {}", truth.word())
        }
        Test::Is(truth) => format!("{value} is {}", truth.word()),
    };
    Ok(if asked.negated { format!("not ({test})") } else { format!("({test})") })
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Neq => "<>",
        Comparison::Gt => ">",
        Comparison::Gte => ">=",
        Comparison::Lt => "<",
        Comparison::Lte => "<=",
        Comparison::Contains => "@>",
    }
}

fn like(letters: Letters) -> &'static str {
    match letters {
        Letters::AsWritten => "like",
        Letters::AnyCase => "ilike",
    }
}

/// The pattern as SQL knows it: `*`, which needs no encoding in a URL, is `%`; after a backslash it is itself.
pub(super) fn sql_pattern(pattern: &str) -> String {
    let (mut sql, mut escaped) = (String::with_capacity(pattern.len()), false);
    for char in pattern.chars() {
        sql.push(if char == '*' && !escaped { '%' } else { char });
        escaped = char == '\\' && !escaped;
    }
    sql
}

/// An array in PostgreSQL's text form, every value in quotes.
pub(super) fn array(values: &[String]) -> String {
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
pub(super) fn unsuitable(table: &Table, filter: &Filter, wanted: &[Ordering]) -> Refusal {
    let names = filter.conditions().map(|one| &one.column).chain(wanted.iter().map(|one| &one.column));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_unless_escaped() {
        for (pattern, sql) in
            [("a*b", "a%b"), (r"\*", r"\*"), (r"\\*", r"\\%"), ("%_", "%_"), (r"\%*", r"\%%"), ("", "")]
        {
            assert_eq!(sql_pattern(pattern), sql, "{pattern}");
        }
    }
}
