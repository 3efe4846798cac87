//! What people see: colours and bars on a terminal only, plain lines elsewhere.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Writes a line to standard output; a reader that has gone away is no error.
pub(crate) fn say(line: impl AsRef<str>) {
    let written = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
    drop(written);
}

/// Writes an error with its causes to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let written =
        writeln!(std::io::stderr().lock(), "{} {error:#}", paint(Paint::Bad, "panofleet:"));
    drop(written);
}

/// Asks on the terminal, and gives the answer without the space around it. Where nobody can answer it fails, with `otherwise`,
/// which says what a script does instead.
pub(crate) fn ask(question: &str, hint: &str, otherwise: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("{question} {otherwise}");
    }
    let mut error = std::io::stderr().lock();
    write!(error, "{question} {hint} ")?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// What a colour means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Paint {
    Good,
    Bad,
    Strong,
}

/// Colours text if somebody looks at it.
pub(crate) fn paint(paint: Paint, text: &str) -> String {
    if !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Good => 32,
        Paint::Bad => 31,
        Paint::Strong => 1,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// `4.2 MB`, `512 bytes`: decimal, as disks and networks count.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let exact = count as f64;
    for (unit, size) in UNITS {
        if exact >= size {
            return format!("{:.1} {unit}", exact / size);
        }
    }
    format!("{count} bytes")
}

/// `0.4 s`, `3 min 20 s`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", span.as_secs_f64());
    }
    format!("{} min {} s", seconds / 60, seconds % 60)
}

/// A bar for bytes that move; hidden where nobody looks, or where the output is for a script.
pub(crate) fn byte_bar(length: u64, message: &str, quiet: bool) -> ProgressBar {
    let template =
        "{msg:<12} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
    bar(length, message, template, quiet)
}

/// A bar for the share of work done, in thousandths.
pub(crate) fn work_bar(message: &str, quiet: bool) -> ProgressBar {
    bar(1000, message, "{msg:<12} [{bar:30}] {percent}% {prefix} {eta}", quiet)
}

/// A bar for things that are done one after the other.
pub(crate) fn count_bar(length: u64, message: &str, quiet: bool) -> ProgressBar {
    bar(length, message, "{msg:<12} [{bar:30}] {pos}/{len} {eta}", quiet)
}

fn bar(length: u64, message: &str, template: &str, quiet: bool) -> ProgressBar {
    let target =
        if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_message(message.to_owned());
    bar
}

/// Rows as columns that line up.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut row = String::new();
        for (width, cell) in widths.iter().zip(cells) {
            row.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&mut header.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_as_people_write_them() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(4_200_000), "4.2 MB");
        assert_eq!(duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "bcd".to_owned()], vec!["åäö".to_owned(), "e".to_owned()]];
        assert_eq!(table(&["x", "y"], &rows), "x    y\na    bcd\nåäö  e\n");
    }
}
