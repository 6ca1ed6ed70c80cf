//! Where names and values end: at a comma, at a quote, at a brace.

/// Characters of a client's text that an error repeats.
const EXCERPT: usize = 60;

/// A column's name: as it stands, or in double quotes, where a backslash takes the next character as it is.
pub fn read_name(text: &str) -> String {
    match text.strip_prefix('"').and_then(unquote) {
        Some((name, "")) => name,
        // Not quoted as a whole: the quotes are part of the name.
        _ => text.to_owned(),
    }
}

/// The parts of a text between its commas; in a part that begins with a double quote, those after the closing one.
pub fn split_names(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let quoted =
            rest.strip_prefix('"').and_then(unquote).map_or(0, |(_, after)| rest.len() - after.len());
        match rest[quoted..].find(',') {
            Some(end) => {
                parts.push(&rest[..quoted + end]);
                rest = &rest[quoted + end + 1..];
            }
            None => {
                parts.push(rest);
                return parts;
            }
        }
    }
}

/// The beginning of a client's text, for an error.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What stands before the closing quote, and what after it.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(char),
        }
    }
    None
}

/// Where the brace that a text begins with is closed: an array of PostgreSQL's, or a JSON object.
pub(super) fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut within, mut escaped) = (0usize, false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => within = !within,
            '{' if !within => depth += 1,
            '}' if !within => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_part_no_names() {
        assert_eq!(split_names(r#"a,"b,\",c".desc,d"e,"f"#), ["a", r#""b,\",c".desc"#, "d\"e", "\"f"]);
        assert_eq!(split_names(""), [""]);
        for (text, name) in [(r#""a\"b""#, "a\"b"), ("\"a", "\"a"), ("a\"", "a\""), ("\"a\"b", "\"a\"b")] {
            assert_eq!(read_name(text), name);
        }
    }
}
