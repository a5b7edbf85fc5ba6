//! The real program as a process of its own, in an empty folder, with no variables but those given.

use super::{PATIENCE, postgres, wait_for};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// What a command did.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it complained of.
    pub err: String,
}

/// The program with a folder and variables.
pub struct Program {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    script: Option<String>,
    _database: Option<postgres::Database>,
}

impl Program {
    /// In a new folder; free ports, loopback only, on the database that is tested.
    pub fn new() -> Program {
        let program = Program::on_sqlite();
        if !postgres::wanted() {
            return program;
        }
        let database = postgres::Database::create().expect("TEST_POSTGRES_URL names a server");
        let program = program.set("DATABASE_URL", &database.url());
        Program { _database: Some(database), ..program }
    }

    /// The same on SQLite in any case: `openrouter_proxy.db` in its folder.
    pub fn on_sqlite() -> Program {
        let folder = tempfile::tempdir().expect("a folder");
        let preset = [("SERVER_HOST", "127.0.0.1"), ("SERVER_PORT", "0"), ("ADMIN_PORT", "0")];
        let variables = preset.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Program { folder, variables: variables.into(), script: None, _database: None }
    }

    /// In a new folder, with the operator's port free and nothing else given: as people run it.
    pub fn bare() -> Program {
        let folder = tempfile::tempdir().expect("a folder");
        let variables = BTreeMap::from([("ADMIN_PORT".to_owned(), "0".to_owned())]);
        Program { folder, variables, script: None, _database: None }
    }

    /// With a file in its folder.
    pub fn file(self, name: &str, text: &str) -> Program {
        std::fs::write(self.folder().join(name), text).expect("a file");
        self
    }

    /// With one more variable.
    pub fn set(mut self, variable: &str, value: &str) -> Program {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
    }

    /// Gives the processes that start from now on another variable.
    pub fn change(&mut self, variable: &str, value: &str) {
        self.variables.insert(variable.to_owned(), value.to_owned());
    }

    /// Started by a shell that runs `script` first.
    pub fn after(mut self, script: &str) -> Program {
        self.script = Some(script.to_owned());
        self
    }

    /// Its working directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let path = env!("CARGO_BIN_EXE_openrouter-proxy");
        let mut command = match &self.script {
            None => Command::new(path),
            Some(script) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("{script}; exec \"$0\" \"$@\""), path]);
                shell
            }
        };
        command.current_dir(self.folder()).env_clear().envs(&self.variables).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    /// Runs a command to its end, with something on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("an input");
        // A program that has no use for its input may be gone by now.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ended { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts a command that goes on until it is told to stop.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().expect("the program starts");
        let (tell, lines) = channel();
        let mut readers = Vec::new();
        for pipe in [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>),
        ] {
            let (tell, pipe) = (tell.clone(), pipe.expect("a pipe"));
            readers.push(std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            }));
        }
        Running { child, lines, seen: Vec::new(), readers }
    }
}

/// A running program. Dropping it kills it.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What it has said so far, on either stream.
    pub seen: Vec<String>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits for a line with `words` and gives it.
    pub fn line(&mut self, words: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(words)) {
            return line.clone();
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line with {words:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// The address in the line with `words`.
    pub fn address(&mut self, words: &str) -> SocketAddr {
        let line = self.line(words);
        let address = line.split("://").nth(1).and_then(|rest| rest.split('/').next());
        address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    /// Sends it a signal: `TERM`, `INT`, `HUP` or `KILL`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().is_ok_and(|status| status.success()));
    }

    /// Lets it write files up to so many bytes, or up to any.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(id, Resource::Fsize, limit).expect("a limit");
    }

    /// Kills it, unless it has ended by itself.
    pub fn kill(&mut self) {
        // One that has ended cannot be killed, which is as good.
        let _ = self.child.kill();
    }

    /// How much memory it holds resident, in bytes (`VmRSS` of proc(5)).
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib = line.trim().trim_end_matches("kB").trim();
        kib.parse::<u64>().expect("a number") * 1024
    }

    /// The limits that the kernel holds it to (proc(5)).
    pub fn limits(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).expect("its limits")
    }

    /// Waits for its end; its exit code, or -1 when a signal ended it.
    pub fn ended(&mut self) -> i32 {
        let status = wait_for("the program to end", || self.child.try_wait().expect("its status"));
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.seen.extend(self.lines.try_iter());
        status.code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
