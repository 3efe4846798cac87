//! A terminal with `panofleet top` in it: a real one, as far as the program can tell, of `script` (util-linux).

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use panofleet_tests::fleet::ADMIN_KEY;
use panofleet_tests::processes;

use crate::site::Site;

const LINES: NonZeroU16 = NonZeroU16::new(36).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(150).unwrap();
/// Top reads anew every half second here; a loaded machine takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks at the screen.
const LOOK: Duration = Duration::from_millis(20);
/// Notes how the terminal is set before and after, in the lines around what the program draws.
const SCRIPT: &str = "stty rows 36 cols 150 && echo before $(stty -g) && \"$PANOFLEET\" \"$@\"; echo ended $? after $(stty -g)";

/// A running terminal. It is ended when it is dropped.
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts the program in it.
    #[expect(clippy::disallowed_methods, reason = "the test is a person at a terminal")]
    pub(crate) fn start(site: &Site, arguments: &[&str]) -> Self {
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let command = format!("set -- {}; {SCRIPT}", words.join(" "));
        let mut child = Command::new("script")
            .args(["--quiet", "--flush", "--return", "--command", &command, "/dev/null"])
            .env("PANOFLEET", processes::program("panofleet"))
            .env("PANOFLEET_API", &site.fleet.api.url)
            .env("PANOFLEET_API_KEY", ADMIN_KEY)
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is there, of util-linux");
        let keys = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(LINES, COLUMNS, 100)));
        let drawn = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { child, keys, screen }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// The screen as text.
    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// The line below the head that is drawn inverse: where somebody stands.
    pub(crate) fn chosen(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let is_inverse =
            |row| screen.cell(row, COLUMNS.get() - 1).is_some_and(vt100::Cell::inverse);
        let row = (3..LINES.get()).find(|row| is_inverse(*row));
        row.and_then(|row| screen.rows(0, COLUMNS.get()).nth(row.into())).unwrap_or_default()
    }

    /// Whether the program has the screen to itself, and whether the cursor is hidden.
    pub(crate) fn is_taken(&self) -> (bool, bool) {
        let parser = self.screen.lock().unwrap();
        (parser.screen().alternate_screen(), parser.screen().hide_cursor())
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what}; the screen shows:\n{}", self.text());
            #[expect(
                clippy::disallowed_methods,
                reason = "a terminal tells nobody of what is drawn"
            )]
            std::thread::sleep(LOOK);
        }
    }

    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        self.until(words, |terminal| terminal.text().contains(words));
    }

    /// Goes down until the chosen line has these words.
    #[track_caller]
    pub(crate) fn go_to(&mut self, words: &str) {
        self.press("g");
        for _ in 0..20 {
            if self.chosen().contains(words) {
                return;
            }
            let before = self.chosen();
            self.press("j");
            self.until("another line is chosen", |terminal| terminal.chosen() != before);
        }
        panic!("no line has {words}:\n{}", self.text());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
