//! Embeds the files that pages load: our own, and the viewers if `viewer/build.mjs` has made them
//! (`./dev viewer` runs it).

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let crate_folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let pages = crate_folder.join("src/pages/assets");
    let viewer = crate_folder.join("viewer");
    let dist = viewer.join("dist");
    // Cargo takes a path that is missing for one that always changes, so an absent `dist` is watched for
    // through the folder that it will appear in.
    let watched = if dist.exists() { &dist } else { &viewer };
    for folder in [&pages, watched] {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    fs::write(out.join("page_files.rs"), table(&files_of(&pages)?)?)?;
    fs::write(out.join("viewer_files.rs"), table(&files_of(&dist)?)?)
}

fn variable(name: &str) -> io::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "Cargo speaks to build scripts this way")]
    let value = std::env::var(name);
    value.map_err(io::Error::other)
}

fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // `./dev viewer` keeps a note there of what it built.
        if !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A slice of `Asset`s, as an expression.
fn table(files: &[PathBuf]) -> io::Result<String> {
    let mut text = String::from("&[\n");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| io::Error::other("a file to embed has an unreadable name"))?;
        let etag = etag_of(&fs::read(file)?);
        let line = format!(
            "Asset {{ name: {name:?}, etag: {etag:?}, body: include_bytes!({:?}) }},",
            file.display().to_string()
        );
        writeln!(text, "    {line}").map_err(io::Error::other)?;
    }
    text.push(']');
    Ok(text)
}

fn etag_of(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
