//! The real server and the real client together.

use crate::terminal::Shell;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const BOOTSTRAP: &str = r#"
    [[tenant]]
    name = "acme"
    [[api_key]]
    tenant = "acme"
    id = "ops"
    secret = "a-secret-of-more-than-sixteen-bytes"
    scopes = ["*"]
    [[api_key]]
    tenant = "acme"
    id = "chief"
    secret = "another-secret-of-more-than-sixteen"
    scopes = ["*", "admin"]
    [[signing_key]]
    tenant = "acme"
    kid = "server-1"
    algorithm = "HS256"
    secret_file = "signing.key"
    owner = "server"
"#;

/// The server, and a shell with its key.
fn start() -> (Server, Shell) {
    let shell = Shell::bare().set("VALETKEY_API_KEY", "a-secret-of-more-than-sixteen-bytes");
    shell.write("bootstrap.toml", BOOTSTRAP);
    shell.write("signing.key", [7; 32]);
    let mut command = shell.command(&["serve", "--listen", "127.0.0.1:0", "--bootstrap", "bootstrap.toml", "--workers", "1"]);
    let mut server = Server(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    (server, shell.set("VALETKEY_URL", url))
}

#[test]
fn from_a_file_to_a_link_that_was_taken_back() {
    let (_server, shell) = start();
    let name = "تقرير \"q3\" it's 100%.pdf";
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 11) as u8).collect();
    shell.write(name, &bytes);
    let path = format!("reports/2024/{name}");

    let missing = shell.run(&["put", name, "reports/2024/"]);
    missing.failed(1, &["hint: `valetkey bucket create reports`"]);
    shell.run(&["bucket", "create", "reports"]).printed("reports\n");
    shell.run(&["put", name, "reports/2024/"]).printed(&format!("{path}\n"));
    shell.run(&["put", "--create", name, "reports/2024/"]).failed(1, &["hint: leave out `--create`"]);
    shell.run_with_input(&["put", "-", "reports/b.csv"], b"1,2").printed("reports/b.csv\n");
    shell.run(&["ls"]).printed("reports/\n");
    shell.run(&["ls", "reports/2024/"]).printed(&format!("{path}\n"));
    let long = shell.run(&["ls", "--long", "reports/b"]);
    assert!(String::from_utf8(long.stdout).unwrap().contains("text/csv"));

    shell.run(&["get", &path, "copy"]).printed("copy\n");
    assert!(shell.read("copy") == bytes);
    shell.run(&["get", "reports/nothing"]).failed(1, &["there is no such object", "hint: `valetkey ls reports/`"]);
    shell.write("wrong.key", "vk_of_nobody\n");
    shell.run(&["ls", "--api-key-file", "wrong.key"]).failed(1, &["(401", "hint: "]);

    let issued = shell.run(&["sign", &path, "--uses", "1", "--expires", "1h", "--json"]);
    let issued: serde_json::Value = serde_json::from_slice(&issued.stdout).unwrap();
    let url = issued["url"].as_str().unwrap();
    std::fs::remove_file(shell.path(name)).unwrap();
    shell.run(&["get", url]).printed(&format!("{name}\n"));
    assert!(shell.read(name) == bytes);
    shell.run(&["get", url, "second"]).failed(1, &["`used_up`", "hint: ask whoever gave it to you"]);

    for form in [&[] as &[&str], &["--link"]] {
        let mut sign = vec!["sign", "reports/b.csv", "--json", "--filename", "named.csv"];
        sign.extend(form);
        let issued: serde_json::Value = serde_json::from_slice(&shell.run(&sign).stdout).unwrap();
        let (url, link_id) = (issued["url"].as_str().unwrap(), issued["link_id"].as_str().unwrap());
        shell.run(&["get", "--force", url]).printed("named.csv\n");
        assert_eq!(shell.read("named.csv"), b"1,2");
        shell.run(&["revoke", link_id]).printed("");
        shell.run(&["get", url, "none"]).failed(1, &["`revoked`"]);
    }

    shell.run(&["bucket", "rm", "reports"]).failed(1, &["hint: delete its objects first"]);
    shell.run(&["rm", &path, "reports/b.csv"]).printed("");
    shell.run(&["bucket", "rm", "reports"]).printed("");
    shell.run(&["bucket", "ls"]).printed("");
}

#[test]
fn keys_come_and_go() {
    let (_server, shell) = start();
    shell.write("chief.key", "another-secret-of-more-than-sixteen\n");
    let chief = |arguments: &[&str]| shell.run(&[arguments, &["--api-key-file", "chief.key"]].concat());
    shell.run(&["bucket", "create", "reports"]).printed("reports\n");
    shell.run_with_input(&["put", "-", "reports/a"], b"hello").printed("reports/a\n");

    let made = chief(&["api-key", "create", "backend", "--scope", "object:read,link:issue", "--bucket", "reports"]);
    shell.write("backend.key", &made.stdout);
    let signed = shell.run(&["sign", "reports/a", "--api-key-file", "backend.key"]);
    let url = String::from_utf8(signed.stdout).unwrap().trim().to_owned();
    shell.run(&["get", &url, "-"]).printed("hello");
    chief(&["api-key", "list"]).printed("backend\nchief\nops\n");
    chief(&["api-key", "disable", "backend"]).printed("");
    shell.run(&["get", &url, "-"]).failed(1, &["`issuer_disabled`"]);
    chief(&["api-key", "enable", "backend"]).printed("");
    chief(&["api-key", "update", "backend", "--scope", "object:read", "--all-buckets"]).printed("");
    shell.run(&["get", &url, "-"]).printed("hello");
    let rotated = chief(&["api-key", "rotate", "backend"]);
    shell.run(&["ls", "reports/", "--api-key-file", "backend.key"]).failed(1, &["(401"]);
    shell.write("backend.key", &rotated.stdout);
    shell.run(&["ls", "reports/", "--api-key-file", "backend.key"]).printed("reports/a\n");
    chief(&["api-key", "delete", "backend"]).printed("");
    shell.run(&["get", &url, "-"]).failed(1, &["`issuer_disabled`"]);
    chief(&["api-key", "create", "backend", "--scope", "*"]).failed(1, &["hint: choose another id"]);
    chief(&["api-key", "disable", "chief"]).failed(1, &["without an administrator", "hint: make another administrator"]);
    shell.run(&["api-key", "list"]).failed(1, &["lacks the scope `admin`", "hint: set VALETKEY_API_KEY"]);

    let signed = shell.run(&["sign", "reports/a"]);
    let url = String::from_utf8(signed.stdout).unwrap().trim().to_owned();
    chief(&["signing-key", "create", "second"]).printed("second\n");
    for kid in String::from_utf8(chief(&["signing-key", "list"]).stdout).unwrap().lines().filter(|kid| *kid != "second") {
        chief(&["signing-key", "retire", kid]).printed("");
        shell.run(&["get", &url, "-"]).printed("hello");
    }
    for kid in String::from_utf8(chief(&["signing-key", "list"]).stdout).unwrap().lines().filter(|kid| *kid != "second") {
        chief(&["signing-key", "revoke", kid]).printed("");
    }
    shell.run(&["get", &url, "-"]).failed(1, &["`revoked`"]);
    let secret = String::from_utf8(chief(&["signing-key", "create", "app-1", "--owner", "ops"]).stdout).unwrap();
    assert_eq!(secret.trim().len(), 43);

    let public = url.split('?').next().unwrap();
    shell.run(&["get", public, "-"]).failed(1, &["`invalid_signature`"]);
    chief(&["bucket", "update", "reports", "--public"]).printed("");
    shell.run(&["get", public, "-"]).printed("hello");
    chief(&["bucket", "update", "reports", "--private"]).printed("");
    shell.run(&["get", public, "-"]).failed(1, &["`invalid_signature`"]);
}

/// Passes connections on to the server at `url`; the first that asks for the object with GET is cut after `n_bytes` of answer.
fn cutting_proxy(url: &str, n_bytes: u64) -> String {
    let server = url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            let limit = if number == 0 { n_bytes } else { u64::MAX };
            let _ = std::io::copy(&mut (&mut server).take(limit), &mut client);
            let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        }
    });
    proxy
}

#[test]
fn a_single_use_survives_a_broken_connection() {
    let (_server, shell) = start();
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|at| (at / 13) as u8).collect();
    shell.write("file", &bytes);
    shell.run(&["bucket", "create", "reports"]).printed("reports\n");
    shell.run(&["put", "file", "reports/file"]).printed("reports/file\n");
    let signed = shell.run(&["sign", "reports/file", "--uses", "1", "--link"]);
    let url = String::from_utf8(signed.stdout).unwrap().trim().to_owned();
    let (base, secret) = url.split_at(url.find("/l/").unwrap());
    let through_proxy = format!("{}{secret}", cutting_proxy(base, 5_000_000));
    shell.run(&["get", &through_proxy, "copy"]).printed("copy\n");
    assert!(shell.read("copy") == bytes);
    shell.run(&["get", &url, "second"]).failed(1, &["`used_up`"]);
}

#[test]
fn a_configuration_that_cannot_be() {
    let shell = Shell::bare();
    let ended = shell.run(&["serve", "--workers", "0", "--public-url", "nonsense"]);
    ended.failed(2, &["`--workers`: ", "`--public-url`: ", "hint: `valetkey serve --help`"]);
    shell.run(&["serve", "--listen", "localhost"]).failed(2, &["expected an address and a port"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    shell.run(&["serve", "--listen", &address]).failed(1, &[address.as_str(), "hint: choose another address with `--listen`"]);
}
