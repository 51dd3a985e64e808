//! Rows of a bounded file, in order, from where an earlier reader stopped: JSON lines or CSV, plain or gzip.
//!
//! A position is how many rows were read and at which byte of the (decompressed) text the next begins; it is keyed state and commits like
//! everything else. A file must not change while a pipeline reads it. Blank lines are no rows. A CSV row may contain newlines in quotes.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use sql::{FileTable, Format};

use crate::format::{BadRow, Row};

/// A longer row is a bad row; its bytes are passed over and take no memory.
pub const ROW_BYTES_MAX: usize = 16 << 20;
const BUFFER_BYTES: usize = 256 << 10;
/// What some programs write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilePosition {
    /// Rows read; the number of the next row, from 0. A header and blank lines are no rows.
    pub rows: u64,
    /// Bytes of decompressed text read, the header included.
    pub bytes: u64,
}

/// A file cannot be read, or not from there.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path leads out of the folder that is allowed, or to no file.
    #[error("{path}: is not a file inside {folder}")]
    Outside {
        /// As it was given.
        path: String,
        /// The folder that is allowed.
        folder: PathBuf,
    },
    /// It ends before the position: it has changed since.
    #[error("{path}: ends before byte {position}, where reading stopped; it has changed since")]
    Shorter {
        /// As it was given.
        path: String,
        /// In bytes of decompressed text.
        position: u64,
    },
    /// There is none, or not yet.
    #[error("there is no file {path}")]
    Missing {
        /// As it was given.
        path: String,
    },
    /// Reading or decompressing fails.
    #[error("read {path}")]
    Read {
        /// As it was given.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Some rows of a file.
#[derive(Debug, Default)]
pub struct FileRows {
    text: Vec<u8>,
    /// Number of each row and where it is in `text`.
    rows: Vec<(u64, Range<usize>)>,
    /// Rows too long to be read, by their number.
    too_long: Vec<u64>,
    /// Where the next read begins, once these rows are done.
    pub next: FilePosition,
    /// Nothing follows.
    pub is_end: bool,
}

impl FileRows {
    /// The rows for a decoder; the offset of each is its number in the file.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let row = |(number, range): &(u64, Range<usize>)| Row {
            value: Some(&self.text[range.clone()]),
            timestamp_ms: -1,
            offset: i64::try_from(*number).unwrap_or(i64::MAX),
            ..Row::default()
        };
        self.rows.iter().map(row)
    }

    /// How many rows there are to decode.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row to decode.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows that are longer than [`ROW_BYTES_MAX`]; the index is the row's number in the file, cut to 32 bits.
    pub fn bad(&self) -> impl Iterator<Item = BadRow> {
        let bad = |number: &u64| BadRow {
            index: u32::try_from(*number).unwrap_or(u32::MAX),
            reason: format!("row {number} is longer than {ROW_BYTES_MAX} bytes"),
        };
        self.too_long.iter().map(bad)
    }
}

/// Reads one file in order; see the module.
pub struct FileReader {
    path: String,
    source: Box<dyn BufRead + Send>,
    /// Delimiter of CSV fields; absent for JSON lines.
    delimiter: Option<u8>,
    header: Option<Vec<u8>>,
    position: FilePosition,
    read_bytes: Arc<AtomicU64>,
    total_bytes: u64,
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FileReader").field("path", &self.path).field("position", &self.position).finish_non_exhaustive()
    }
}

impl FileReader {
    /// Opens the file of `table` below `folder`, to read on from `position`. Symbolic links that lead out of the folder are not followed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(table: &FileTable, folder: &Path, position: FilePosition) -> Result<Self, FileError> {
        let outside = || FileError::Outside { path: table.path.clone(), folder: folder.to_owned() };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => FileError::Missing { path: table.path.clone() },
            _ => FileError::Read { path: table.path.clone(), source },
        };
        let full = folder.join(&table.path).canonicalize().map_err(failed)?;
        if !full.starts_with(folder.canonicalize().map_err(failed)?) || !full.is_file() {
            return Err(outside());
        }
        let file = File::open(&full).map_err(failed)?;
        let total_bytes = file.metadata().map_err(failed)?.len();
        let has_header = table.format == Format::Csv && table.csv.header;
        let delimiter = (table.format == Format::Csv).then_some(table.csv.delimiter);
        let mut reader = Self::over(&table.path, file, table.gzip, delimiter, has_header, total_bytes).map_err(failed)?;
        reader.skip_to(position, &full, table.gzip)?;
        Ok(reader)
    }

    fn over(path: &str, file: File, gzip: bool, delimiter: Option<u8>, has_header: bool, total_bytes: u64) -> io::Result<Self> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: file, read_bytes: Arc::clone(&read_bytes) };
        let source: Box<dyn BufRead + Send> = match gzip {
            true => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, counted)))),
            false => Box::new(BufReader::with_capacity(BUFFER_BYTES, counted)),
        };
        let position = FilePosition::default();
        let mut reader = Self { path: path.to_owned(), source, delimiter, header: None, position, read_bytes, total_bytes };
        if has_header {
            let mut line = Vec::new();
            reader.read_row(&mut line)?;
            reader.header = Some(without_newline(&line).to_vec());
        }
        Ok(reader)
    }

    fn skip_to(&mut self, position: FilePosition, full: &Path, gzip: bool) -> Result<(), FileError> {
        let failed = |path: &str, source| FileError::Read { path: path.to_owned(), source };
        let shorter = || FileError::Shorter { path: self.path.clone(), position: position.bytes };
        let Some(missing) = position.bytes.checked_sub(self.position.bytes).filter(|missing| *missing > 0) else { return Ok(()) };
        if gzip {
            let skipped = io::copy(&mut (&mut self.source).take(missing), &mut io::sink()).map_err(|source| failed(&self.path, source))?;
            if skipped < missing {
                return Err(shorter());
            }
        } else {
            if position.bytes > self.total_bytes {
                return Err(shorter());
            }
            let mut file = File::open(full).map_err(|source| failed(&self.path, source))?;
            file.seek(SeekFrom::Start(position.bytes)).map_err(|source| failed(&self.path, source))?;
            self.read_bytes.store(position.bytes, Ordering::Relaxed);
            let counted = Counted { inner: file, read_bytes: Arc::clone(&self.read_bytes) };
            self.source = Box::new(BufReader::with_capacity(BUFFER_BYTES, counted));
        }
        self.position = position;
        Ok(())
    }

    /// The header line of a CSV file that has one.
    #[must_use]
    pub fn header(&self) -> Option<&[u8]> {
        self.header.as_deref()
    }

    /// Bytes of the file read so far, of all its bytes; compressed ones where it is compressed. For progress bars: it reads ahead.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.read_bytes.load(Ordering::Relaxed).min(self.total_bytes), self.total_bytes)
    }

    /// Where the next read begins.
    #[must_use]
    pub fn position(&self) -> FilePosition {
        self.position
    }

    /// Reads rows until there are `rows_max` or they have `bytes_max` bytes; at least one, where one is left.
    ///
    /// # Errors
    /// Reading or decompressing fails; a gzip file that is cut short fails too and does not just end.
    pub fn next_rows(&mut self, rows_max: usize, bytes_max: usize) -> Result<FileRows, FileError> {
        let mut rows = FileRows::default();
        while rows.rows.len() + rows.too_long.len() < rows_max && rows.text.len() < bytes_max {
            let from = rows.text.len();
            let row = self.read_row(&mut rows.text).map_err(|source| FileError::Read { path: self.path.clone(), source })?;
            match row {
                Taken::Nothing => {
                    rows.is_end = true;
                    break;
                }
                Taken::TooLong => {
                    rows.text.truncate(from);
                    rows.too_long.push(self.position.rows);
                    self.position.rows += 1;
                }
                Taken::Row => {
                    let length = without_newline(&rows.text[from..]).len();
                    rows.text.truncate(from + length);
                    if rows.text[from..].iter().all(u8::is_ascii_whitespace) {
                        rows.text.truncate(from);
                        continue;
                    }
                    rows.rows.push((self.position.rows, from..from + length));
                    self.position.rows += 1;
                }
            }
        }
        rows.next = self.position;
        Ok(rows)
    }

    /// Appends the next row, with its newline and without a byte order mark, to `text`.
    fn read_row(&mut self, text: &mut Vec<u8>) -> io::Result<Taken> {
        let start = text.len();
        let mut may_have_mark = self.position.bytes == 0;
        let mut quotes = Quotes::default();
        let mut is_too_long = false;
        loop {
            let from = text.len();
            let room = (ROW_BYTES_MAX + 1).saturating_sub(from - start);
            let read = (&mut self.source).take(room as u64).read_until(b'\n', text)?;
            self.position.bytes += read as u64;
            if std::mem::take(&mut may_have_mark) && text[from..].starts_with(BYTE_ORDER_MARK) {
                text.drain(from..from + BYTE_ORDER_MARK.len());
            }
            let is_whole_line = text.last() == Some(&b'\n') && read > 0;
            if read == 0 || (is_whole_line && !self.delimiter.is_some_and(|delimiter| quotes.are_open(&text[from..], delimiter))) {
                break;
            }
            if text.len() - start > ROW_BYTES_MAX {
                // The rest of the line is passed over piece by piece.
                is_too_long = true;
                text.truncate(start);
                if is_whole_line {
                    break;
                }
                self.pass_over_line()?;
                break;
            }
            if !is_whole_line {
                break;
            }
        }
        Ok(if is_too_long {
            Taken::TooLong
        } else if text.len() == start {
            Taken::Nothing
        } else {
            Taken::Row
        })
    }

    fn pass_over_line(&mut self) -> io::Result<()> {
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let read = (&mut self.source).take(BUFFER_BYTES as u64).read_until(b'\n', &mut piece)?;
            self.position.bytes += read as u64;
            if read == 0 || piece.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }
}

enum Taken {
    Row,
    TooLong,
    Nothing,
}

/// Where in a CSV row one is: a newline ends the row unless it is in quotes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Quotes {
    #[default]
    FieldStart,
    Plain,
    Open,
    /// Behind a quote that ends the field, unless another follows.
    Closed,
}

impl Quotes {
    /// Takes the next line, newline included; whether a quoted field is open at its end.
    fn are_open(&mut self, line: &[u8], delimiter: u8) -> bool {
        for byte in line {
            *self = match (*self, byte) {
                (Self::FieldStart | Self::Closed, b'"') => Self::Open,
                (Self::Open, b'"') => Self::Closed,
                (Self::Open, _) => Self::Open,
                (_, byte) if *byte == delimiter => Self::FieldStart,
                _ => Self::Plain,
            };
        }
        *self == Self::Open
    }
}

fn without_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Counts what is read of a file.
struct Counted {
    inner: File,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
