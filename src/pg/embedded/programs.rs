//! PostgreSQL's programs on this machine.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::words::{Error, Result};

const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where packagers put one directory per version, and how its name begins.
const VERSIONED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// A directory with all we need, and the version of what is in it.
#[derive(Debug)]
pub(super) struct Programs {
    directory: PathBuf,
    version: String,
}

impl Programs {
    /// Those in `named`, else the first on the machine that fit the data there may be.
    pub(super) async fn find(named: Option<&Path>, data: &Path) -> Result<Self> {
        let candidates = match named {
            Some(named) if !is_complete(named) => {
                let text = format!("could not find {} in {}", NEEDED.join(", "), named.display());
                return Err(Error::machine(text).with_hint(
                    "set ROWBELL_PG_BIN to the bin directory of PostgreSQL's server programs, or unset it",
                ));
            }
            Some(named) => vec![named.to_owned()],
            None => candidates().await,
        };
        Self::choose(candidates, made_by(data), data).await
    }

    async fn choose(candidates: Vec<PathBuf>, made_by: Option<String>, data: &Path) -> Result<Self> {
        let mut other = None;
        for directory in candidates.into_iter().filter(|directory| is_complete(directory)) {
            let Some(version) = version_of(&directory).await else { continue };
            let found = Self { directory, version };
            if made_by.as_deref().is_none_or(|made_by| made_by == found.major()) {
                return Ok(found);
            }
            other.get_or_insert(found);
        }
        let Some(other) = other else {
            return Err(Error::machine("could not find PostgreSQL's server programs on this machine").with_hint(
                "install them (apt-get install postgresql, dnf install postgresql-server, brew install postgresql), \
                 or set ROWBELL_PG_BIN to their directory, or give a database URL",
            ));
        };
        let made_by = made_by.unwrap_or_default();
        let text = format!(
            "could not start PostgreSQL {} from {} on {}, which PostgreSQL {made_by} made",
            other.major(),
            other.directory.display(),
            data.display()
        );
        Err(Error::machine(text).with_hint(format!(
            "set ROWBELL_PG_BIN to the bin directory of PostgreSQL {made_by}, or move the data away for a new start"
        )))
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn major(&self) -> &str {
        major(&self.version)
    }
}

/// Runs a program to its end; its last words are the source of the error.
pub(super) async fn run(mut command: Command, what: &str) -> Result<()> {
    let output = command.output().await.map_err(|error| Error::machine(what).with_source(error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { said };
    Err(Error::machine(what).with_source(last_lines(&said)))
}

/// The end of a program's output or log.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

/// The error of something that could not be done with a file.
pub(super) fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::machine(format!("could not {what} {}", path.display())).with_source(error)
}

/// `17` of `17.2` and of `17beta1`, which is what `PG_VERSION` holds.
fn major(version: &str) -> &str {
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    &version[..end]
}

fn is_complete(directory: &Path) -> bool {
    NEEDED.iter().all(|program| directory.join(program).is_file())
}

fn made_by(data: &Path) -> Option<String> {
    let version = std::fs::read_to_string(data.join("PG_VERSION")).ok()?;
    Some(version.trim().to_owned())
}

async fn version_of(directory: &Path) -> Option<String> {
    let said = Command::new(directory.join("postgres")).arg("--version").output().await.ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

async fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(said) = Command::new("pg_config").arg("--bindir").output().await {
        found.push(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
    }
    let mut versioned: Vec<_> =
        VERSIONED.iter().flat_map(|(parent, prefix, bin)| versions(parent, prefix, bin)).collect();
    versioned.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.extend(versioned.into_iter().map(|(_, directory)| directory));
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    found
}

fn versions(parent: &str, prefix: &str, bin: &str) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((major(name.strip_prefix(prefix)?).parse().ok()?, entry.path().join(bin)))
    });
    versions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_leading_number() {
        assert_eq!(["15.18", "17beta1", "16"].map(major), ["15", "17", "16"]);
    }

    #[tokio::test]
    async fn missing_programs_name_the_package() {
        let error = Programs::choose(vec!["/nowhere".into()], None, Path::new("/x")).await.expect_err("none");
        assert!(error.hint().is_some_and(|hint| hint.contains("apt-get install postgresql")), "{error:?}");
    }
}
