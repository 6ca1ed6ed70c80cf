//! The REST reference lists every code a request can be answered with, and no other.

use std::collections::BTreeSet;

use crate::project::{File, files, report};
use crate::rust::scan;

const REFERENCE: &str = "docs/rest.md";

/// Answers that are made outside `src/rest`, for every edge.
const FROM_ELSEWHERE: [(&str, &str); 4] =
    [("unauthorized", "401"), ("internal", "500"), ("bad_filter", "400"), ("bad_limit", "400")];

/// Names of statuses as code spells them.
const STATUSES: [(&str, &str); 14] = [
    ("BAD_REQUEST", "400"),
    ("FORBIDDEN", "403"),
    ("NOT_FOUND", "404"),
    ("METHOD_NOT_ALLOWED", "405"),
    ("REQUEST_TIMEOUT", "408"),
    ("CONFLICT", "409"),
    ("GONE", "410"),
    ("PAYLOAD_TOO_LARGE", "413"),
    ("UNSUPPORTED_MEDIA_TYPE", "415"),
    ("UNPROCESSABLE_ENTITY", "422"),
    ("FAILED_DEPENDENCY", "424"),
    ("PRECONDITION_REQUIRED", "428"),
    ("INTERNAL_SERVER_ERROR", "500"),
    ("SERVICE_UNAVAILABLE", "503"),
];

type Codes = BTreeSet<(String, String)>;

/// Codes with their statuses, wherever one stands right behind the other.
fn in_code(text: &str) -> Codes {
    let literals = scan(text).literals.into_iter();
    let pairs = literals.filter_map(|literal| {
        // What stands before a literal ends with its opening quote.
        let (_, status) = literal.before.strip_suffix(",\"")?.rsplit_once("StatusCode::")?;
        // Otherwise the literal is the text behind a code, or a header's.
        let is_name = status.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let number = STATUSES.iter().find(|(name, _)| *name == status).map_or(status, |(_, number)| number);
        is_name.then(|| (literal.text, number.to_owned()))
    });
    pairs.collect()
}

/// Rows of the table: | `code` | status | meaning |
fn in_reference(text: &str) -> Codes {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let codes = rows.filter_map(|(code, rest)| Some((code.to_owned(), rest.split_once(" | ")?.0.to_owned())));
    codes
        .filter(|(_, status)| status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

fn problems(code: &Codes, reference: &Codes) -> Vec<String> {
    let missing =
        code.difference(reference).map(|(code, status)| format!("{REFERENCE}: {code} ({status}) is missing"));
    let extra = reference
        .difference(code)
        .map(|(code, status)| format!("{REFERENCE}: nothing answers {code} ({status})"));
    missing.chain(extra).collect()
}

#[test]
fn the_reference_lists_every_code() {
    let elsewhere = FROM_ELSEWHERE.map(|(code, status)| (code.to_owned(), status.to_owned()));
    let mut code: Codes = elsewhere.into_iter().collect();
    let is_ours = |file: &File| {
        file.path.starts_with("src/rest/") || ["src/body.rs", "src/socket/guard.rs"].contains(&&*file.path)
    };
    code.extend(files("src").into_iter().filter(is_ours).flat_map(|file| in_code(&file.text)));
    let reference = files("docs").into_iter().find(|file| file.path == REFERENCE).expect("the reference");
    report(problems(&code, &in_reference(&reference.text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_both() {
        let code = in_code(
            "f(StatusCode::NOT_FOUND, \"gone\", \"text\"); g(\n    StatusCode::CONFLICT,\n    \"taken\")",
        );
        let reference = in_reference("| `gone` | 404 | x |\n| `x` | y | z |\n| `spare` | 400 | x |\n");
        assert_eq!(
            problems(&code, &reference),
            ["docs/rest.md: taken (409) is missing", "docs/rest.md: nothing answers spare (400)"]
        );
    }
}
