//! Random patterns mean the same to tuermer and to blackbox_exporter: what matches, and what is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tuermer_probes::Pattern;

use crate::daemon::blackbox::Blackbox;
use crate::daemon::tuermer::Tuermer;

/// How many random patterns. Chosen: a few seconds' worth.
const PATTERNS: usize = 400;

/// How many texts each is asked about.
const TEXTS: usize = 3;

/// Numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A pattern of the grammar, nested at most so deep.
    fn pattern(&mut self, depth: usize) -> String {
        let count = 1 + self.below(3);
        let mut pattern = String::new();
        for position in 0..count {
            if position > 0 && self.below(4) == 0 {
                pattern.push('|');
            }
            let atom = match (self.below(8), depth) {
                (0 | 1, 1..) => {
                    let open = ["(", "(?:", "(?i:", "(?s:", "(?m:", "(?U:", "(?i-s:", "(?P<n>"];
                    format!("{}{})", self.pick(&open), self.pattern(depth - 1))
                }
                (2 | 3, _) => self.class(),
                (4, _) => self.pick(&["^", "$", r"\b", r"\B", r"\A", r"\z", ".", "."]).to_owned(),
                (5, _) => self.pick(&[r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\pL", r"\PL", r"\p{Lu}"]).to_owned(),
                (6, _) => {
                    self.pick(&[r"\x41", r"\101", r"\n", r"\-", r"\Qa.\E", "&&", "#", " ", "{", "a{,2}"]).to_owned()
                }
                _ => self.pick(&["a", "b", "K", "k", "s", "ſ", "é", "5", "_", "-", "ab", "\u{212a}"]).to_owned(),
            };
            pattern.push_str(&atom);
            pattern.push_str(self.pick(&["", "", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{0,1}", "{1,}"]));
        }
        // What neither of them takes, or only one of them might.
        match self.below(12) {
            0 => {
                pattern
                    + self.pick(&[
                        "**", "a++", "{1001}", "(?=a)", r"\Z", r"\y", r"\1", "(", ")", "[", "(?x)", r"\C", r"(?>a)",
                    ])
            }
            1 => self.pick(&["(?i)", "(?s)", "(?m)", "(?U)", "(?im)"]).to_owned() + &pattern,
            _ => pattern,
        }
    }

    fn class(&mut self) -> String {
        let mut class = String::from(self.pick(&["[", "[", "[^"]));
        for _ in 0..1 + self.below(3) {
            let items = [
                "a",
                "b-z",
                "k",
                "K",
                "0-9",
                r"\d",
                r"\W",
                r"\s",
                "[:alpha:]",
                "[:^space:]",
                "[:word:]",
                r"\pL",
                "&&",
                "--",
                "~~",
                "[",
                r"\]",
                "é",
                "ſ",
                r"\x{212A}",
                "-",
                ".",
                r"\PL",
                "^",
            ];
            class.push_str(self.pick(&items));
        }
        class.push(']');
        class
    }

    fn text(&mut self) -> Vec<u8> {
        let pieces: [&[u8]; 20] = [
            b"a",
            b"b",
            b"ab",
            b"k",
            b"K",
            b"s",
            "ſ".as_bytes(),
            "\u{212a}".as_bytes(),
            "é".as_bytes(),
            "٣".as_bytes(),
            b"5",
            b"_",
            b" ",
            b"\n",
            b"\x0b",
            b"\xff",
            b"\xe2\x82",
            b"-",
            b"&",
            b"[",
        ];
        (0..self.below(6)).flat_map(|_| pieces[self.below(pieces.len())].to_vec()).collect()
    }
}

/// Answers the request for `/N` with the text of that number.
async fn serve(texts: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let texts = Arc::new(texts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let texts = Arc::clone(&texts);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut first, mut line) = (String::new(), String::new());
                stream.read_line(&mut first).await.expect("a request");
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let number = first.split(['/', ' ']).find_map(|word| word.parse::<usize>().ok()).expect("/N");
                let text = &texts[number];
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
                stream.write_all(&[head.as_bytes(), text].concat()).await.expect("sent");
            });
        }
    });
    address
}

fn module(name: &str, pattern: &str) -> String {
    // JSON's strings are YAML's.
    let pattern = serde_json::to_string(pattern).expect("a text");
    format!(
        "  {name}: {{prober: http, timeout: 5s, http: {{preferred_ip_protocol: ip4, \
         fail_if_body_not_matches_regexp: [{pattern}]}}}}\n"
    )
}

async fn matches(client: &reqwest::Client, agent: SocketAddr, module: usize, target: &str) -> bool {
    let url = format!("http://{agent}/probe?module=m{module}&target={target}");
    let answer = client.get(url).send().await.expect("an answer").text().await.expect("a body");
    answer.lines().any(|line| line == "probe_success 1")
}

#[tokio::test]
async fn random_patterns_mean_the_same_to_blackbox_exporter() {
    let mut dice = Dice(0x1dea_5eed);
    let patterns: Vec<String> = (0..PATTERNS).map(|_| dice.pattern(2)).collect();
    let (taken, refused): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| Pattern::new(pattern).is_ok());
    for pattern in &refused {
        let config = format!("modules:\n{}", module("m", pattern));
        let Some(takes) = Blackbox::takes(&config) else { return };
        assert!(!takes, "blackbox_exporter takes {pattern:?}, and tuermer: {:?}", Pattern::new(pattern));
    }
    let modules: String = taken.iter().enumerate().map(|(at, pattern)| module(&format!("m{at}"), pattern)).collect();
    let config = format!("modules:\n{modules}");
    let Some(blackbox) = Blackbox::start(&config) else { return };
    let tuermer = Tuermer::start(&config);
    let texts: Vec<Vec<u8>> = (0..taken.len() * TEXTS).map(|_| dice.text()).collect();
    let server = serve(texts.clone()).await;
    let client = reqwest::Client::new();
    let mut hits = 0;
    for (number, text) in texts.iter().enumerate() {
        let at = number / TEXTS;
        let target = format!("http://{server}/{number}");
        let due = matches(&client, blackbox.address, at, &target).await;
        let found = matches(&client, tuermer.address, at, &target).await;
        assert_eq!(found, due, "{:?} in {:?}", taken[at], text.escape_ascii().to_string());
        hits += usize::from(due);
    }
    println!(
        "{} patterns refused by both, {} taken, {hits} of {} texts matched",
        refused.len(),
        taken.len(),
        texts.len()
    );
}
