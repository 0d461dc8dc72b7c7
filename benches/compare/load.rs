//! Clients that ask one probe after the other over kept connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What the clients saw.
pub(crate) struct Ran {
    /// One for each answer, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Ran {
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let at = (quantile * (self.latencies.len() - 1) as f64).round() as usize;
        self.latencies[at].as_secs_f64() * 1e3
    }
}

/// Asks with so many clients for so long. Every answer must say that the probe succeeded.
pub(crate) fn run(exporter: SocketAddr, paths: &[String], clients: usize, time: Duration) -> Result<Ran, String> {
    let until = Instant::now() + time;
    let running: Vec<_> = (0..clients)
        .map(|client| {
            let paths = paths.to_vec();
            thread::spawn(move || ask_until(exporter, &paths, client, until))
        })
        .collect();
    let mut latencies = Vec::new();
    for client in running {
        latencies.extend(client.join().map_err(|_| "a client panicked".to_owned())??);
    }
    latencies.sort_unstable();
    Ok(Ran { latencies })
}

/// Asks once, to see whether the exporter can answer at all.
pub(crate) fn ask_once(exporter: SocketAddr, path: &str) -> Result<(), String> {
    let stream = TcpStream::connect(exporter).map_err(|error| error.to_string())?;
    ask(&mut BufReader::new(stream), exporter, path, &mut Vec::new())
}

fn ask_until(exporter: SocketAddr, paths: &[String], offset: usize, until: Instant) -> Result<Vec<Duration>, String> {
    let stream = TcpStream::connect(exporter).map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut stream = BufReader::with_capacity(16 * 1024, stream);
    let (mut latencies, mut body) = (Vec::with_capacity(1 << 16), Vec::new());
    for path in paths.iter().cycle().skip(offset) {
        let began = Instant::now();
        if began >= until {
            break;
        }
        ask(&mut stream, exporter, path, &mut body)?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

fn ask(stream: &mut BufReader<TcpStream>, exporter: SocketAddr, path: &str, body: &mut Vec<u8>) -> Result<(), String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {exporter}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let (mut length, mut line) = (None, String::new());
    loop {
        line.clear();
        stream.read_line(&mut line).map_err(|error| error.to_string())?;
        let header = line.trim_end().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        if header.is_empty() {
            break;
        }
    }
    body.resize(length.ok_or("no content-length in the answer")?, 0);
    stream.read_exact(body).map_err(|error| error.to_string())?;
    let success = b"\nprobe_success 1";
    if body.windows(success.len()).any(|window| window == success) {
        return Ok(());
    }
    Err(format!("the probe failed: {}", String::from_utf8_lossy(body)))
}
