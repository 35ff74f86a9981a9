//! A server as a process: what it prints, what it logs, how signals end it.

use crate::client::{ask, connect, send};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use tempfile::TempDir;

struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
    data: TempDir,
}

impl Process {
    fn start(log_format: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(program())
            .arg(data.path().join("data"))
            .arg(log_format)
            .env("VALETKEY_LOG", "trace")
            .env_remove("VALETKEY_MASTER_KEY")
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(data.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").and_then(|line| line.strip_suffix('\n'));
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{line:?} and the log {:?}", read_log(data.path())));
        Self { child, out, address, data }
    }

    /// The administrator's key, from the commands to paste.
    fn key(&mut self) -> String {
        let lines = self.out.by_ref().lines().map(Result::unwrap);
        let export = lines.map(|line| line.trim().to_owned()).find(|line| line.starts_with("export "));
        let (_, rest) = export.as_deref().unwrap().split_once("VALETKEY_API_KEY=").unwrap();
        rest.split(' ').next().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it accepts no connection any more.
    fn closed(&self) {
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/serve")
}

fn read_log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap()
}

#[test]
fn either_signal_ends_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Process::start("text");
        assert_eq!(ask(server.address, "GET", "/healthz").status, 200);
        server.signal(signal);
        assert_eq!(server.ended().code(), Some(0), "{}", read_log(server.data.path()));
        assert!(!server.data.path().join("data/metadata.sqlite3-wal").exists());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Process::start("text");
    let key = server.key();
    let fields = [("X-API-Key", key.as_str()), ("Content-Type", "application/json")];
    assert_eq!(send(server.address, "POST", "/vk/v1/buckets", &fields, r#"{"name":"demo"}"#).status, 201);
    let mut upload = connect(server.address);
    let head = "PUT /vk/v1/buckets/demo/objects/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n";
    write!(upload, "{head}X-API-Key: {key}\r\n\r\n").unwrap();
    upload.read_exact(&mut [0; 25]).unwrap();
    server.signal(Signal::TERM);
    server.closed();
    assert!(server.child.try_wait().unwrap().is_none(), "an upload is under way");
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(130));
}

#[test]
fn standard_output_is_the_announcement_alone() {
    let mut server = Process::start("text");
    server.signal(Signal::TERM);
    let mut rest = String::new();
    server.out.read_to_string(&mut rest).unwrap();
    let lines: Vec<&str> = rest.lines().filter(|line| !line.is_empty()).collect();
    let [first, export, make, put] = lines.as_slice() else { panic!("{rest}") };
    assert!(first.starts_with("This is the first start."), "{first}");
    assert!(export.starts_with("  export VALETKEY_API_KEY=vk_"), "{export}");
    assert!(export.ends_with(&format!(" VALETKEY_URL=http://{}", server.address)), "{export}");
    let program = program().display().to_string();
    assert_eq!(*make, format!("  {program} bucket create demo"));
    assert!(put.contains(&format!("{program} put - demo/hello.txt && {program} sign demo/hello.txt")), "{put}");
}

#[test]
fn the_log_tells_no_secret() {
    for format in ["text", "json"] {
        let mut server = Process::start(format);
        let key = server.key();
        let bearer = format!("Bearer {key}");
        let fields = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        assert_eq!(send(server.address, "POST", "/vk/v1/buckets", &fields, r#"{"name":"demo"}"#).status, 201);
        assert_eq!(send(server.address, "PUT", "/vk/v1/buckets/demo/objects/a", &fields[..1], "abc").status, 201);
        let mut secrets = vec![key.clone()];
        for form in ["token", "link"] {
            let wish = format!(r#"{{"bucket":"demo","key":"a","permission":"read","form":"{form}","uses":1}}"#);
            let issued = send(server.address, "POST", "/vk/v1/signed-urls", &fields, &wish);
            let (_, url) = issued.body.split_once(r#""url":""#).unwrap();
            let (url, _) = url.split_once('"').unwrap();
            let (_, secret) = url.rsplit_once(['/', '=']).unwrap();
            secrets.push(secret.to_owned());
            let target = url.strip_prefix(&format!("http://{}", server.address)).unwrap();
            let answer = ask(server.address, "GET", target);
            assert_eq!((answer.status, answer.body.as_str()), (200, "abc"));
            let session = answer.field("valetkey-session").to_owned();
            assert!(!session.is_empty());
            secrets.push(session);
        }
        for target in ["/o/demo/a?cat=hunter2", "/l/hunter2", "/nowhere/hunter2?x=hunter2", "/vk/v1/hunter2?x=hunter2"] {
            ask(server.address, "GET", target);
        }
        send(server.address, "GET", "/vk/v1/buckets", &[("X-API-Key", "hunter2")], "");
        secrets.push("hunter2".to_owned());
        server.signal(Signal::TERM);
        assert_eq!(server.ended().code(), Some(0));
        let log = read_log(server.data.path());
        assert!(log.contains("a request was answered"), "{log}");
        for secret in secrets {
            assert!(!log.contains(&secret), "`{secret}` is in the log:\n{log}");
        }
        let is_json = |line: &str| line.starts_with(r#"{"timestamp":"#) && line.ends_with('}');
        assert_eq!(log.lines().all(is_json), format == "json", "{log}");
    }
}
