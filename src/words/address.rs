//! How a row and its version are named over HTTP, on both ends of it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one part of a path.
pub fn path_part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// A version as its `ETag`: `"7"`.
pub fn tag_of(version: i64) -> String {
    format!("\"{version}\"")
}

/// The version of a tag: of `"7"`, and of `W/"7"`, which proxies make of it.
pub fn version_of(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    quoted.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_it_was_written_as() {
        for version in [0, 7, i64::MAX, -1] {
            assert_eq!(version_of(&tag_of(version)), Some(version));
        }
        assert_eq!(version_of(" W/\"7\" "), Some(7));
        for tag in ["", "7", "\"7", "*", "\"x\"", "w/\"7\"", "\"9223372036854775808\""] {
            assert_eq!(version_of(tag), None, "{tag}");
        }
    }

    #[test]
    fn a_part_of_a_path_holds_no_separator() {
        assert_eq!(path_part("a/b c?\u{e9}-._~"), "a%2Fb%20c%3F%C3%A9-._~");
    }
}
