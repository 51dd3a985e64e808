//! The bytes of one JSON text (RFC 8259), strictly: what is passed over is checked like what is read, but for UTF-8 in passed strings.

use crate::format::{decoder::Fault, text::Number};

/// How deep objects and arrays may nest, the row itself not counted.
pub const MAX_DEPTH: u32 = 127;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A string as it stands in the text, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted {
    pub from: usize,
    pub to: usize,
    pub has_escapes: bool,
    /// No byte above 127; may be false although there is none.
    pub is_ascii: bool,
}

/// A place in a JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Whether the innermost open thing is an object (1) or an array (0), a bit for each that is open.
struct Nest(u128);

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        &self.text[from..to]
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub fn advance(&mut self) {
        self.at += 1;
    }

    fn fault<T>(&self, problem: &'static str) -> Result<T, Fault> {
        Err(Fault::Text { at: self.at, problem })
    }

    #[inline]
    pub fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// What has not been read.
    #[inline]
    pub fn ahead(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    #[inline]
    pub fn advance_by(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes the colon behind a name.
    #[inline]
    pub fn colon(&mut self) -> Result<(), Fault> {
        self.skip_blanks();
        self.expect(b':', "a colon belongs behind a field's name")
    }

    #[inline]
    pub fn take_all(&mut self, bytes: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(bytes);
        if found {
            self.at += bytes.len();
        }
        found
    }

    #[inline]
    pub fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { self.fault(problem) }
    }

    pub fn expect_end(&self) -> Result<(), Fault> {
        if self.at == self.text.len() { Ok(()) } else { self.fault("something follows the object") }
    }

    /// Reads a string whose opening quote has been taken, eight bytes at a time.
    #[inline]
    pub fn string(&mut self) -> Result<Quoted, Fault> {
        let from = self.at;
        let (mut has_escapes, mut high) = (false, 0_u64);
        loop {
            while let Some(chunk) = self.text.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
                let word = u64::from_le_bytes(*chunk);
                // The lowest set bit is exact: a borrow can only spoil bytes above the first hit (Mycroft's test for a zero byte).
                let zero_of = |word: u64| word.wrapping_sub(ONES) & !word;
                let quote = zero_of(word ^ (ONES * u64::from(b'"')));
                let escape = zero_of(word ^ (ONES * u64::from(b'\\')));
                let control = word.wrapping_sub(ONES * 0x20) & !word;
                let hits = (quote | escape | control) & HIGHS;
                if hits != 0 {
                    let clear = hits.trailing_zeros() - 7;
                    high |= word & ((1 << clear) - 1);
                    self.at += (clear / 8) as usize;
                    break;
                }
                high |= word;
                self.at += 8;
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Quoted { from, to: self.at - 1, has_escapes, is_ascii: high & HIGHS == 0 });
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(0..0x20) => return self.fault("a control character in a string must be escaped"),
                Some(byte) => {
                    high |= u64::from(byte);
                    self.at += 1;
                }
                None => return self.fault("a string does not end"),
            }
        }
    }

    /// Passes over an escape, checked but for surrogates.
    fn escape(&mut self) -> Result<(), Fault> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if hex4(self.text, self.at + 2).is_some() => self.at += 6,
            _ => return self.fault("no such escape"),
        }
        Ok(())
    }

    /// Writes what a string with escapes stands for.
    pub fn unescape(&self, string: Quoted, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut at = string.from;
        while at < string.to {
            let byte = self.text[at];
            if byte != b'\\' {
                out.push(byte);
                at += 1;
                continue;
            }
            let escape = self.text[at + 1];
            at += 2;
            match escape {
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => {
                    let (character, length) = self.character(at).ok_or(Fault::Text { at, problem: "half a surrogate pair" })?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    at += length;
                }
                itself => out.push(itself),
            }
        }
        Ok(())
    }

    /// The character whose four hex digits are at `at`, maybe with a second escape behind, and how many bytes it takes.
    fn character(&self, at: usize) -> Option<(char, usize)> {
        let first = hex4(self.text, at)?;
        if !(0xD800..0xE000).contains(&first) {
            return Some((char::from_u32(first)?, 4));
        }
        let second = hex4(self.text, at + 6).filter(|_| self.text[at + 4..].starts_with(b"\\u"))?;
        let is_pair = first < 0xDC00 && (0xDC00..0xE000).contains(&second);
        let code = 0x1_0000 + ((first & 0x3FF) << 10) + (second & 0x3FF);
        is_pair.then(|| Some((char::from_u32(code)?, 10)))?
    }

    /// Reads a number.
    #[inline]
    pub fn number(&mut self) -> Result<Number, Fault> {
        let mut number = Number { negative: self.take(b'-'), ..Number::default() };
        let start = self.at;
        self.at = number.digits(self.text, start, false);
        match self.at - start {
            0 => return self.fault("a number has no digits"),
            1 => {}
            _ if self.text[start] == b'0' => return self.fault("a number has a leading zero"),
            _ => {}
        }
        if self.take(b'.') {
            let start = self.at;
            self.at = number.digits(self.text, start, true);
            if self.at == start {
                return self.fault("a number has no digits behind its point");
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            match number.exponent(self.text, self.at + 1) {
                Some(end) => self.at = end,
                None => return self.fault("a number has no digits in its exponent"),
            }
        }
        Ok(number)
    }

    /// Reads `true`, `false` or `null`.
    pub fn literal(&mut self) -> Result<Option<bool>, Fault> {
        for (word, value) in [(&b"null"[..], None), (b"true", Some(true)), (b"false", Some(false))] {
            if self.take_all(word) {
                return Ok(value);
            }
        }
        self.fault("no JSON value begins like this")
    }

    /// Passes over one value; strings and numbers, which most are, by the short way.
    #[inline]
    pub fn skip_any(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => {
                self.advance();
                self.string().map(drop)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => self.skip_value(),
        }
    }

    /// Passes over one value, however it is nested; the stack is a number.
    pub fn skip_value(&mut self) -> Result<(), Fault> {
        let mut nest = Nest(1);
        loop {
            // Behind this a value is complete.
            match self.peek() {
                Some(b'{') => {
                    self.advance();
                    self.skip_blanks();
                    if !self.take(b'}') {
                        nest.open(true).ok_or(Fault::Text { at: self.at, problem: "nested too deep" })?;
                        self.skip_name()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.advance();
                    self.skip_blanks();
                    if !self.take(b']') {
                        nest.open(false).ok_or(Fault::Text { at: self.at, problem: "nested too deep" })?;
                        continue;
                    }
                }
                Some(b'"') => {
                    self.advance();
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                }
                _ => {
                    self.literal()?;
                }
            }
            if !self.close(&mut nest)? {
                return Ok(());
            }
        }
    }

    /// Behind a value: closes what ends here; true where another value must follow.
    fn close(&mut self, nest: &mut Nest) -> Result<bool, Fault> {
        while let Some(is_object) = nest.innermost() {
            self.skip_blanks();
            if self.take(b',') {
                self.skip_blanks();
                if is_object {
                    self.skip_name()?;
                }
                return Ok(true);
            }
            self.expect(if is_object { b'}' } else { b']' }, "a comma or the end of an object or array is missing")?;
            nest.close();
        }
        Ok(false)
    }

    fn skip_name(&mut self) -> Result<(), Fault> {
        self.expect(b'"', "a field's name in quotes is missing")?;
        self.string()?;
        self.colon()?;
        self.skip_blanks();
        Ok(())
    }

    /// Writes the checked JSON between `from` and `to` without blanks.
    pub fn compact(&self, from: usize, to: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let text = &self.text[from..to];
        if std::str::from_utf8(text).is_err() {
            return Err(Fault::Text { at: from, problem: "a string is not UTF-8" });
        }
        let (mut in_string, mut after_escape) = (false, false);
        for byte in text {
            if in_string || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                out.push(*byte);
            }
            in_string ^= *byte == b'"' && !after_escape;
            after_escape = in_string && *byte == b'\\' && !after_escape;
        }
        Ok(())
    }
}

impl Nest {
    fn open(&mut self, is_object: bool) -> Option<()> {
        (self.0.leading_zeros() > 0).then(|| self.0 = (self.0 << 1) | u128::from(is_object))
    }

    fn innermost(&self) -> Option<bool> {
        (self.0 > 1).then_some(self.0 & 1 == 1)
    }

    fn close(&mut self) {
        self.0 >>= 1;
    }
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..)?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}
