//! Bounded files: every row once, in order, from any position, however it is packed.

use std::{io::Write as _, path::Path};

use arrow::{array::AsArray, datatypes::Int32Type};
use sql::{CsvOptions, FileTable, Format, Source, SourceFrom};
use streamwright_flow::{
    files::{FileError, FilePosition, FileReader, ROW_BYTES_MAX},
    format::{Decoder, Row},
};

use crate::{
    json::columns,
    seeds::{self, Random},
};

fn table(path: &str, format: Format, header: bool) -> FileTable {
    FileTable {
        name: "files".to_owned(),
        columns: columns(&[("carrier", "STRING"), ("delay", "INT")]),
        event_time: None,
        format,
        path: path.to_owned(),
        gzip: path.ends_with(".gz"),
        csv: CsvOptions { header, delimiter: b',', null_literal: None },
    }
}

fn write(folder: &Path, name: &str, text: &[u8]) {
    let file = std::fs::File::create(folder.join(name)).unwrap();
    if name.ends_with(".gz") {
        // Two members behind one another are one file, as `cat a.gz b.gz` makes it.
        let (first, second) = text.split_at(text.len() / 2);
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(first).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(encoder.finish().unwrap(), flate2::Compression::fast());
        encoder.write_all(second).unwrap();
        encoder.finish().unwrap();
    } else {
        std::io::Write::write_all(&mut &file, text).unwrap();
    }
}

/// All rows from `position` on, in reads of random sizes; and sometimes a new reader goes on where the last one stopped.
fn read_all(table: &FileTable, folder: &Path, mut position: FilePosition, random: &mut Random) -> Vec<(i64, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut reader = FileReader::open(table, folder, position).unwrap();
    loop {
        let some = reader.next_rows(usize::try_from(random.between(1, 9)).unwrap(), 1 << random.below(12)).unwrap();
        rows.extend(some.iter().map(|row| (row.offset, row.value.unwrap().to_vec())));
        position = some.next;
        assert_eq!(position, reader.position());
        if some.is_end {
            let (read, total) = reader.progress();
            assert_eq!(read, total);
            return rows;
        }
        if random.chance(30) {
            reader = FileReader::open(table, folder, position).unwrap();
        }
    }
}

#[test]
fn every_row_is_read_once_and_in_order_from_any_position() {
    let folder = tempfile::tempdir().unwrap();
    seeds::each(100, |random| {
        let is_csv = random.chance(50);
        let rows: Vec<String> = (0..random.below(40))
            .map(|row| match (is_csv, random.below(4)) {
                (true, 0) => format!("\"a,\n\"\"{row}\n\",{row}"),
                (true, _) => format!("5\" disk,{row}"),
                (false, _) => format!("{{\"carrier\":\"{row}\"}}{}", "x".repeat(usize::try_from(random.below(300)).unwrap())),
            })
            .collect();
        let end = *random.pick(&["\n", "\r\n"]);
        let mut text = if is_csv { format!("carrier,delay{end}") } else { String::new() };
        for (index, row) in rows.iter().enumerate() {
            text += row;
            if index + 1 < rows.len() || random.chance(50) {
                text += end;
                text += if random.chance(10) { "\n" } else { "" };
            }
        }
        let name = *random.pick(&["rows", "rows.gz"]);
        write(folder.path(), name, text.as_bytes());
        let table = table(name, if is_csv { Format::Csv } else { Format::Json }, is_csv);
        let read = read_all(&table, folder.path(), FilePosition::default(), random);
        let expected: Vec<_> = (0..).zip(rows.iter().map(|row| row.as_bytes().to_vec())).collect();
        assert_eq!(read, expected);
    });
}

#[test]
fn a_header_is_known_again_when_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "f.csv.gz", b"delay,carrier\n5,UA\n6,AA\n7,B6\n");
    let table = table("f.csv.gz", Format::Csv, true);
    let mut first = FileReader::open(&table, folder.path(), FilePosition::default()).unwrap();
    let position = first.next_rows(2, 1 << 20).unwrap().next;
    let mut reader = FileReader::open(&table, folder.path(), position).unwrap();
    let source = Source { columns: vec![0, 1], from: SourceFrom::File(table.clone().into()) };
    let mut decoder = Decoder::new(&source).unwrap();
    decoder.read_header(reader.header().unwrap(), &table.columns).unwrap();
    let rows = reader.next_rows(10, 1 << 20).unwrap();
    let decoded = decoder.decode(&rows.iter().collect::<Vec<Row<'_>>>()).unwrap();
    assert_eq!(decoded.batch.column(0).as_string::<i32>().value(0), "B6");
    assert_eq!(decoded.batch.column(1).as_primitive::<Int32Type>().values().to_vec(), [7]);
    assert_eq!((rows.next.rows, rows.is_end), (3, true));
}

#[test]
fn a_row_without_end_takes_no_memory_and_no_other_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = b"{\"delay\":1}\n".to_vec();
    text.resize(text.len() + ROW_BYTES_MAX + 1_000_000, b'x');
    text.extend(b"\n{\"delay\":2}\n");
    write(folder.path(), "long.gz", &text);
    let mut reader = FileReader::open(&table("long.gz", Format::Json, false), folder.path(), FilePosition::default()).unwrap();
    let rows = reader.next_rows(10, 1 << 20).unwrap();
    assert_eq!(rows.iter().map(|row| row.offset).collect::<Vec<_>>(), [0, 2]);
    let bad: Vec<_> = rows.bad().map(|bad| (bad.index, bad.reason)).collect();
    assert_eq!(bad, [(1, "row 1 is longer than 16777216 bytes".to_owned())]);
    assert_eq!(rows.next.bytes, text.len() as u64);
}

#[test]
fn a_byte_order_mark_belongs_to_no_row() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format, first) in [("f.csv", Format::Csv, "\"A\nA\",5"), ("f.json", Format::Json, "{}"), ("f.csv.gz", Format::Csv, "AA,5")] {
        write(folder.path(), name, format!("\u{feff}{first}\nUA,6\n").as_bytes());
        let table = table(name, format, false);
        let mut reader = FileReader::open(&table, folder.path(), FilePosition::default()).unwrap();
        let one = reader.next_rows(1, 1 << 20).unwrap();
        assert_eq!(one.iter().map(|row| row.value.unwrap().to_vec()).collect::<Vec<_>>(), [first.as_bytes()], "{name}");
        assert_eq!(one.next.bytes, first.len() as u64 + 4, "it counts as what was read: {name}");
        let mut again = FileReader::open(&table, folder.path(), one.next).unwrap();
        assert_eq!(again.next_rows(9, 1 << 20).unwrap().iter().next().unwrap().value, Some(&b"UA,6"[..]), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "short", b"{}\n");
    write(folder.path(), "short.gz", b"{}\n");
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    let open =
        |path: &str, folder: &Path, bytes| FileReader::open(&table(path, Format::Json, false), folder, FilePosition { rows: 9, bytes });
    for name in ["short", "short.gz"] {
        assert!(matches!(open(name, folder.path(), 100), Err(FileError::Shorter { position: 100, .. })), "{name}");
    }
    assert!(matches!(open("missing", folder.path(), 0), Err(FileError::Missing { .. })));
    assert!(matches!(open("inner", folder.path(), 0), Err(FileError::Outside { .. })));
    std::os::unix::fs::symlink(folder.path().join("short"), folder.path().join("inner/link")).unwrap();
    assert!(matches!(open("link", &folder.path().join("inner"), 0), Err(FileError::Outside { .. })));
    let cut = std::fs::read(folder.path().join("short.gz")).unwrap();
    std::fs::write(folder.path().join("cut.gz"), &cut[..cut.len() - 9]).unwrap();
    let mut reader = open("cut.gz", folder.path(), 0).unwrap();
    assert!(matches!(reader.next_rows(10, 1 << 20), Err(FileError::Read { .. })), "a file cut short does not just end");
}
