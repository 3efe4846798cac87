//! A shell that keeps a server: it obeys words on its standard input, and takes the server and its folder away when
//! that ends, which it does when this process does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The shell of one server.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    talk: Mutex<Option<Talk>>,
}

#[derive(Debug)]
struct Talk {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts a script in a shell (or in what starts one), with the first line that it says: empty if it failed,
    /// and then why stands on standard error.
    pub(crate) fn start(command: &mut Command) -> (Self, String) {
        let mut shell = command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for this process; the server goes when it has gone.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let stdin = shell.stdin.take().expect("it was asked for");
        let stdout = BufReader::new(shell.stdout.take().expect("it was asked for"));
        let mut talk = Talk { stdin, stdout };
        let said = talk.line();
        (Self { shell, talk: Mutex::new(Some(talk)) }, said)
    }

    /// The process: its server, and what the server starts, is below it.
    pub(crate) fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// Says a word, and waits until the shell says it back: it has obeyed.
    ///
    /// # Panics
    /// If it answers something else.
    pub(crate) fn tell(&self, word: &str) {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let talk = talk.as_mut().expect("it is open until the drop");
        writeln!(talk.stdin, "{word}").expect("the keeper listens");
        assert_eq!(talk.line(), word, "the server is not what it was told to be");
    }
}

impl Talk {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the keeper speaks");
        line.trim_end().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.talk.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        self.shell.wait().expect("the keeper ends");
    }
}
