//! The outputs of a result: pictures and videos are shown, probes too, and everything is linked.

use panofleet_job_schema::manifest::{FileRecord, Manifest, OutputRecord};

use crate::api::view::output_base;
use crate::pages::html::Text;
use crate::pages::{assets, words};

/// Pictures of an output that are shown; a pyramid has thousands, and a viewer.
const PICTURES_SHOWN_MAX: usize = 4;

/// The media type of HLS.
const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// Every output, with its files by purpose.
pub(super) fn section(manifest: &Manifest) -> String {
    let outputs = manifest.outputs.iter().map(|(name, record)| {
        let base = output_base(manifest.job, manifest.generation, name);
        let size = words::size(record.total_bytes);
        let files = words::count(record.files.len() as u64, words::FILE);
        format!(
            "<section class=\"output\">\n<h2>{name} <small>{op} · {files}, {size}</small></h2>\n{pictures}{films}\
             {probe}<ul class=\"files\">\n{links}</ul>\n</section>\n",
            op = Text(&record.op),
            pictures = pictures(record, &base),
            films = films(record, &base),
            probe = probe(manifest, record),
            links = links(record, &base),
        )
    });
    outputs.collect()
}

/// The files that have a purpose: those that a person may want.
fn entry_files(record: &OutputRecord) -> impl Iterator<Item = (&str, &FileRecord)> {
    record.entry_points.iter().filter_map(|(purpose, path)| {
        let file = record.files.iter().find(|file| file.path == *path)?;
        Some((purpose.as_str(), file))
    })
}

fn pictures(record: &OutputRecord, base: &str) -> String {
    let pictures = entry_files(record).filter(|(_, file)| file.content_type.starts_with("image/"));
    let pictures = pictures.take(PICTURES_SHOWN_MAX).map(|(purpose, file)| {
        let address = format!("{base}{}", file.path);
        format!(
            "<a href=\"{0}\"><img class=\"picture\" src=\"{0}\" alt=\"{1}\"></a>\n",
            Text(address),
            Text(purpose)
        )
    });
    pictures.collect()
}

/// Videos play in the page. Nothing is fetched of them before somebody asks for it, but where they begin.
fn films(record: &OutputRecord, base: &str) -> String {
    let films = entry_files(record).filter_map(|(_, file)| {
        let address = format!("{base}{}", file.path);
        let source = match &*file.content_type {
            // The script plays it where the browser does not; without it, the browser may.
            PLAYLIST if assets::has_viewer() => "data-stream",
            PLAYLIST => "src",
            film if film.starts_with("video/") => "src",
            _ => return None,
        };
        Some(format!(
            "<video class=\"picture\" controls preload=\"metadata\" {source}=\"{}\"></video>\n",
            Text(address)
        ))
    });
    films.take(PICTURES_SHOWN_MAX).collect()
}

/// Whether there is a stream among the outputs, which the page needs a script for.
pub(super) fn has_stream(manifest: &Manifest) -> bool {
    let mut files = manifest.outputs.values().flat_map(entry_files);
    files.any(|(_, file)| file.content_type == PLAYLIST)
}

/// What the probe wrote stands in the manifest too.
fn probe(manifest: &Manifest, record: &OutputRecord) -> String {
    if !record.entry_points.contains_key("probe") {
        return String::new();
    }
    let text = serde_json::to_string_pretty(&manifest.source.media).unwrap_or_default();
    format!("<pre class=\"json\">{}</pre>\n", Text(text))
}

fn links(record: &OutputRecord, base: &str) -> String {
    let links = entry_files(record).map(|(purpose, file)| {
        format!(
            "<li><a href=\"{}\">{}</a> <small>{} · {} · {}</small></li>\n",
            Text(format!("{base}{}", file.path)),
            Text(&file.path),
            Text(purpose),
            Text(&file.content_type),
            words::size(file.bytes)
        )
    });
    links.collect()
}
