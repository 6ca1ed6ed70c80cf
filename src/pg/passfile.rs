//! libpq's password file: `host:port:database:user:password`, one a line, the first that fits.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whose password is looked for.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password in `file`, if the file is there, nobody else may read it, and a line fits.
pub(super) fn look_up(file: &Path, wanted: &Wanted<'_>) -> Option<String> {
    let meta = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    if meta.permissions().mode() & 0o077 != 0 {
        // As libpq does: a file others can read holds no secret, and using it would hide the mistake.
        log::warn!("ignored the password file {}: others may read it; chmod 600 it", file.display());
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| password_of(line, wanted))
}

fn password_of(line: &str, wanted: &Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let mut rest = line;
    for value in [wanted.host, &port, wanted.database, wanted.user] {
        let (field, after) = next_field(rest);
        if field != value && !(field == "*" && rest.starts_with("*:")) {
            return None;
        }
        rest = after?;
    }
    let (password, _) = next_field(rest);
    Some(password).filter(|password| !password.is_empty())
}

/// Text up to a bare colon, with backslashes undone, and what follows the colon.
fn next_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            ':' => return (field, Some(&text[at + 1..])),
            other => field.push(other),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'_> = Wanted { host: "db", port: 5432, database: "shop", user: "a:b" };

    #[test]
    fn the_line_must_fit_in_every_field() {
        assert_eq!(password_of(r"db:5432:shop:a\:b:p\:w", &WANTED).as_deref(), Some("p:w"));
        assert_eq!(password_of(r"*:*:*:*:x", &WANTED).as_deref(), Some("x"));
        for line in [r"db:5433:shop:a\:b:x", r"other:*:*:*:x", "db:5432:shop", r"\*:*:*:*:x", "", "*:*:*:*:"]
        {
            assert_eq!(password_of(line, &WANTED), None, "{line}");
        }
    }

    #[test]
    fn a_file_others_may_read_is_ignored() {
        let file = std::env::temp_dir().join(format!("rowbell-pgpass-{}", std::process::id()));
        std::fs::write(&file, "# comment\nnot:this:one:x:y\n*:*:shop:*:right\n").expect("written");
        let with_mode = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("mode set");
            look_up(&file, &WANTED)
        };
        assert_eq!(with_mode(0o644), None);
        assert_eq!(with_mode(0o600).as_deref(), Some("right"));
        std::fs::remove_file(&file).expect("removed");
    }
}
