//! Plays random tapes of the target `machine`, for `scripts/compare`: `transcripts COUNT` writes a line for each, and
//! `transcripts COUNT INDEX` all that was seen of one.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    panic::{self, catch_unwind},
    path::Path,
};

use tower_lro_fuzz::machine::transcript;

/// Texts about which JSON parsers disagree, and texts that the layer looks for.
const PIECES: [&str; 24] = [
    "NaN",
    "007",
    "+5",
    "1e400",
    "\"4\\u0035\"",
    "\\ud83d",
    "\u{feff}",
    "'x'",
    "null",
    "{\"status\":\"Succeeded\"}",
    "{\"status\":\"Running\",\"status\":\"Failed\"}",
    "\"status\":\"Succeeded\",",
    "\"status\":\"Running\",",
    "\"percentComplete\":50,",
    "\"percentComplete\":NaN,",
    "\"properties\":{\"percentComplete\":5},",
    "\"properties\":{\"status\":\"Failed\"},",
    "\"resourceLocation\":\"/things/1\",",
    "\"resourceLocation\":\"/things/2\",",
    "\"error\":{\"code\":\"X\",\"message\":\"m\"},",
    "\"id\":7,",
    "\"a\":[{\"b\":[]},{}],",
    "}{",
    " ",
];

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse::<u64>().expect("arguments are numbers"));
    let (count, index) = (arguments.next().unwrap_or(10_000), arguments.next());
    let corpus = corpus()?;
    // It is part of the transcript.
    panic::set_hook(Box::new(|_| {}));
    let mut out = io::BufWriter::new(io::stdout().lock());
    if let Some(index) = index {
        return out.write_all(played(&tape(index, &corpus)).as_bytes());
    }
    for index in 0..count {
        let tape = tape(index, &corpus);
        let (once, again) = (hash(&played(&tape)), hash(&played(&tape)));
        // Times of day differ in every run.
        let line = if once == again { format!("{once:016x}") } else { "unstable".to_owned() };
        writeln!(out, "{index} {line}")?;
    }
    out.flush()
}

fn corpus() -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/machine");
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

fn played(tape: &[u8]) -> String {
    catch_unwind(|| transcript(tape)).unwrap_or_else(|panic| match panic.downcast_ref::<String>() {
        // The rest has memory addresses, or the like.
        Some(message) => format!("panic: {}", message.lines().next().unwrap_or_default()),
        None => "panic".to_owned(),
    })
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A tape of the corpus with some changes, always the same ones for an index.
fn tape(index: u64, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(index);
    let mut tape = corpus[random.below(corpus.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(tape.len() + 1);
        let until = (at + random.below(24)).min(tape.len());
        match random.below(8) {
            0..3 => {
                let piece = PIECES[random.below(PIECES.len())].bytes();
                tape.splice(at..at, piece);
            }
            3 => {
                let piece = PIECES[random.below(PIECES.len())].bytes();
                tape.splice(at..until, piece);
            }
            4 if at < tape.len() => tape[at] = random.below(256) as u8,
            5 => drop(tape.drain(at..until)),
            6 => {
                let part = tape[at..until].to_vec();
                tape.splice(at..at, part);
            }
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                tape.splice(at.., other[from..].iter().copied());
            }
        }
    }
    tape
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound.max(1) as u64) as usize
    }
}
