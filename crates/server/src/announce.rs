//! What is written to standard output: where the server listens, and at the first start how to begin.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use valetkey_model::SecretText;

/// Where client commands look for a server if nothing is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Says where the server listens: always the first line, and flushed, so that a program that started it can wait for it.
pub(crate) fn listening(out: &mut dyn Write, address: SocketAddr) -> io::Result<()> {
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// Gives the administrator's key, this once, in commands to paste. `program`: the name that this one was called by.
pub(crate) fn first_start(out: &mut dyn Write, address: SocketAddr, key: &SecretText, program: &str) -> io::Result<()> {
    let url = local_url(address);
    let url = if url == DEFAULT_URL { String::new() } else { format!(" VALETKEY_URL={url}") };
    let program = quoted(program);
    writeln!(out)?;
    writeln!(out, "This is the first start. The administrator's key is shown only now; to try it out, paste:")?;
    writeln!(out)?;
    writeln!(out, "  export VALETKEY_API_KEY={}{url}", key.expose())?;
    writeln!(out, "  {program} bucket create demo")?;
    writeln!(out, "  echo hello | {program} put - demo/hello.txt && {program} sign demo/hello.txt --expires 1h")?;
    writeln!(out)?;
    out.flush()
}

/// Where a command on this machine finds the server.
fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./+:@%,".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_line_is_exact() {
        let check = |address: &str, expected: &str| {
            assert_eq!(written(|out| listening(out, address.parse().unwrap())), expected);
        };
        check("127.0.0.1:8080", "listening on http://127.0.0.1:8080\n");
        check("[::1]:9", "listening on http://[::1]:9\n");
    }

    #[test]
    fn the_first_start_gives_three_commands() {
        let check = |address: &str, program: &str, expected: [&str; 3]| {
            let key = SecretText::new("vk_x");
            let text = written(|out| first_start(out, address.parse().unwrap(), &key, program));
            let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
            assert_eq!(commands, expected);
        };
        check(
            "127.0.0.1:8080",
            "valetkey",
            [
                "export VALETKEY_API_KEY=vk_x",
                "valetkey bucket create demo",
                "echo hello | valetkey put - demo/hello.txt && valetkey sign demo/hello.txt --expires 1h",
            ],
        );
        check(
            "0.0.0.0:80",
            "./it's",
            [
                "export VALETKEY_API_KEY=vk_x VALETKEY_URL=http://127.0.0.1:80",
                r"'./it'\''s' bucket create demo",
                r"echo hello | './it'\''s' put - demo/hello.txt && './it'\''s' sign demo/hello.txt --expires 1h",
            ],
        );
    }
}
