//! Migrations are embedded by a macro that cannot see files being added; what browsers load is embedded small as well.

use std::io::{Result, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};

/// What browsers load, below `web/`.
const FOLDERS: [&str; 4] = ["dist", "page", "console", "demo"];

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=sql/migrations");
    println!("cargo:rerun-if-changed=sql/business");
    let into = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    for folder in FOLDERS {
        let from = Path::new("web").join(folder);
        println!("cargo:rerun-if-changed={}", from.display());
        for entry in std::fs::read_dir(from)? {
            pack(&entry?.path(), &into)?;
        }
    }
    println!("cargo:rerun-if-changed=web/element.js");
    pack(Path::new("web/element.js"), &into)
}

/// Writes the file as gzip under the same path.
fn pack(file: &Path, into: &Path) -> Result<()> {
    let path = into.join(format!("{}.gz", file.display()));
    std::fs::create_dir_all(path.with_file_name(""))?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&std::fs::read(file)?)?;
    std::fs::write(path, packed.finish()?)
}
