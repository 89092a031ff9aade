//! `Tape`: the bytes that decide.

/// Past its end the tape goes on in zeros.
#[derive(Clone, Debug)]
pub struct Tape {
    bytes: Vec<u8>,
    position: usize,
}

/// Below this a byte stands for an entry of a dictionary; from here on, less this, it is the length of a text on the tape.
pub const RAW: u8 = 0x80;

/// From here on, less this, it is the upper half of the length.
pub const LONG: u8 = 0xf0;

impl Tape {
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), position: 0 }
    }

    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.position).copied().unwrap_or_default();
        self.position += 1;
        byte
    }

    pub fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[usize::from(self.byte()) % among.len()].clone()
    }

    /// The elements of `among` whose bits are set.
    pub fn choose<T: Copy>(&mut self, among: &[T]) -> Vec<T> {
        let bits = self.byte();
        among.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1).map(|(_, &item)| item).collect()
    }

    pub fn text(&mut self, dictionary: &[&str]) -> Vec<u8> {
        let first = self.byte();
        self.text_from(first, dictionary)
    }

    pub fn text_from(&mut self, first: u8, dictionary: &[&str]) -> Vec<u8> {
        match first {
            entry @ ..RAW => dictionary[usize::from(entry) % dictionary.len()].as_bytes().to_vec(),
            length @ RAW..LONG => self.take(usize::from(length - RAW)),
            upper => {
                let length = usize::from(upper - LONG) << 8 | usize::from(self.byte());
                self.take(length)
            }
        }
    }

    /// A part of the tape, as long as its first byte says.
    pub fn part(&mut self) -> Self {
        let length = usize::from(self.byte());
        Self::new(&self.take(length))
    }

    /// Whether there is a part of a text on the tape, in capitals or not: addresses are written in other ways than they come.
    pub fn hints_at(&self, text: &str) -> bool {
        const PART: usize = 5;
        let bytes = self.bytes.to_ascii_lowercase();
        bytes.windows(PART).any(|window| text.as_bytes().windows(PART).any(|part| part == window))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let taken = rest[..length.min(rest.len())].to_vec();
        self.position += taken.len();
        taken
    }
}
