//! Which kind of JSON a column takes: the kind its values are read as, so that a mistake of a client is not stored as
//! the text of it.

/// The kinds of JSON that a column takes, besides null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Takes {
    /// Whatever there is.
    Any,
    /// A string.
    Text,
    /// A number that every client can keep.
    Number,
    /// A number, or its text: not every client can keep all of them, and some are none in JSON, as NaN.
    NumberOrText,
    /// True or false.
    Truth,
    /// An array.
    Array,
}

impl Takes {
    /// From the word for it in the answer to `table_shape.sql`.
    pub(super) fn of_word(word: &str) -> Self {
        match word {
            "text" => Self::Text,
            "number" => Self::Number,
            "number or text" => Self::NumberOrText,
            "truth" => Self::Truth,
            "array" => Self::Array,
            _ => Self::Any,
        }
    }

    /// True for JSON of such a kind, and for null.
    pub(super) fn fits(self, json: &str) -> bool {
        let first = json.trim_start().as_bytes().first();
        match (self, first) {
            (Self::Any, _) | (_, Some(b'n')) => true,
            (Self::Text, first) => first == Some(&b'"'),
            (Self::Number, first) => is_number(first),
            (Self::NumberOrText, first) => is_number(first) || first == Some(&b'"'),
            (Self::Truth, first) => matches!(first, Some(b't' | b'f')),
            (Self::Array, first) => first == Some(&b'['),
        }
    }

    /// What a client is told to send.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "JSON",
            Self::Text => "a JSON string",
            Self::Number => "a JSON number",
            Self::NumberOrText => "a JSON number or its text in a string",
            Self::Truth => "true or false",
            Self::Array => "a JSON array",
        }
    }
}

fn is_number(first: Option<&u8>) -> bool {
    first.is_some_and(|first| *first == b'-' || first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_takes_its_kind_and_null() {
        let samples = ["null", "\"\"", "7", "-1e5", "true", "false", "[]", "{}"];
        for (takes, fit) in [
            (Takes::Any, &samples[..]),
            (Takes::Text, &["null", "\"\""]),
            (Takes::Number, &["null", "7", "-1e5"]),
            (Takes::NumberOrText, &["null", "\"\"", "7", "-1e5"]),
            (Takes::Truth, &["null", "true", "false"]),
            (Takes::Array, &["null", "[]"]),
        ] {
            let found: Vec<_> = samples.into_iter().filter(|json| takes.fits(json)).collect();
            assert_eq!(found, fit, "{takes:?}");
        }
    }
}
