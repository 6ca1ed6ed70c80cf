//! The files of the project, and how problems are reported.

use std::path::Path;

/// What is made, not written. `.git` is a file in a worktree.
const MADE: [&str; 5] = [".git", ".rowbell", "node_modules", "target", "dist"];

/// One text file.
pub struct File {
    /// Below the project's directory, with `/`.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }
}

/// All text files below some directory of the project, in order; none where it does not exist.
pub fn files(below: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(root, &root.join(below), &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Rust files below some directory.
pub fn rust_files(below: &str) -> Vec<File> {
    let mut files = files(below);
    files.retain(|file| file.extension() == "rs");
    files
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<File>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().expect("the kind of a file is known");
        if MADE.iter().any(|made| name == *made) {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, found);
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("below the root");
            let path = path.to_str().expect("names here are UTF-8").replace('\\', "/");
            found.push(File { path, text });
        }
    }
}

/// Fails with all problems at once, since they are usually mended together.
pub fn report(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n\n{}\n", problems.join("\n"));
}
