//! Rows of cells in aligned columns, made to fit a width: first shorter words, then shorter names, then fewer columns.

use super::line::{Line, Style, Tone, shortened};

const GAP: usize = 2;
/// Names are cut no shorter than this.
const NAME_MIN: usize = 12;
/// From here on long words are tried. Below, short ones stand from the beginning, so that columns do not jump when numbers grow.
const COLUMNS_WIDE: usize = 90;

/// One column. The first of a grid holds names, and is never left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    /// The heading where there is little room.
    pub(crate) short: &'static str,
    pub(crate) is_number: bool,
    /// What is left out first, where there is no room, has the highest number.
    pub(crate) rank: u8,
}

/// What stands in a column, long and short.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) long: String,
    pub(crate) short: String,
    pub(crate) tone: Tone,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { short: text.clone(), long: text, tone: Tone::Plain }
    }
}

/// Heading and rows, a line each, none wider than `columns` where that can be.
pub(crate) fn lines(grid: &[Column], rows: &[Vec<Cell>], columns: usize, style: Style) -> Vec<Line> {
    let mut fit = Fit { shown: (0..grid.len()).collect(), is_short: columns < COLUMNS_WIDE, name_max: usize::MAX };
    while fit.width(grid, rows) > columns && fit.shrink(grid, rows, columns) {}
    let widths = fit.widths(grid, rows);
    let heading = fit.shown.iter().map(|&at| (Tone::Quiet, fit.heading(&grid[at]).to_owned()));
    let mut lines = vec![line(heading, &widths, &fit, grid)];
    for row in rows {
        let cells = fit.shown.iter().map(|&at| {
            let text = fit.text(&row[at]);
            (row[at].tone, if at == 0 { shortened(text, widths[0], style) } else { text.to_owned() })
        });
        lines.push(line(cells, &widths, &fit, grid));
    }
    lines.into_iter().map(|line| line.clipped(columns)).collect()
}

fn line(cells: impl Iterator<Item = (Tone, String)>, widths: &[usize], fit: &Fit, grid: &[Column]) -> Line {
    let mut line = Line::default();
    for (index, ((tone, text), &width)) in cells.zip(widths).enumerate() {
        let text = if grid[fit.shown[index]].is_number { format!("{text:>width$}") } else { format!("{text:width$}") };
        let gap = if index == 0 { 0 } else { GAP };
        line = line.with(Tone::Plain, " ".repeat(gap)).with(tone, text);
    }
    line
}

/// How a grid is shown.
struct Fit {
    shown: Vec<usize>,
    is_short: bool,
    name_max: usize,
}

impl Fit {
    fn heading(&self, column: &Column) -> &'static str {
        if self.is_short { column.short } else { column.heading }
    }

    fn text<'a>(&self, cell: &'a Cell) -> &'a str {
        if self.is_short { &cell.short } else { &cell.long }
    }

    fn widths(&self, grid: &[Column], rows: &[Vec<Cell>]) -> Vec<usize> {
        let width = |&at: &usize| {
            let texts = rows.iter().map(|row| self.text(&row[at])).chain([self.heading(&grid[at])]);
            let width = texts.map(|text| text.chars().count()).max().unwrap_or_default();
            if at == 0 { width.min(self.name_max) } else { width }
        };
        self.shown.iter().map(width).collect()
    }

    fn width(&self, grid: &[Column], rows: &[Vec<Cell>]) -> usize {
        self.widths(grid, rows).iter().sum::<usize>() + GAP * self.shown.len().saturating_sub(1)
    }

    /// One step narrower; false where there is none.
    fn shrink(&mut self, grid: &[Column], rows: &[Vec<Cell>], columns: usize) -> bool {
        if !self.is_short {
            self.is_short = true;
            return true;
        }
        let (width, name) = (self.width(grid, rows), self.widths(grid, rows)[0]);
        let least = NAME_MIN.max(self.heading(&grid[0]).chars().count()).min(name);
        if name - least >= width - columns {
            self.name_max = name - (width - columns);
            return true;
        }
        let last = self.shown.iter().enumerate().skip(1).max_by_key(|(_, at)| grid[**at].rank).map(|(index, _)| index);
        last.map(|index| self.shown.remove(index)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: [Column; 3] = [
        Column { heading: "TOPIC", short: "TOPIC", is_number: false, rank: 0 },
        Column { heading: "RECORDS/S", short: "REC/S", is_number: true, rank: 1 },
        Column { heading: "WATERMARK", short: "WATERMARK", is_number: false, rank: 2 },
    ];

    fn shown(columns: usize) -> Vec<String> {
        let watermark = |short: &str| Cell { long: format!("{short}:55.000"), short: short.into(), tone: Tone::Bad };
        let row = |name: &str, rate: &str, time: &str| vec![name.to_owned().into(), rate.to_owned().into(), watermark(time)];
        let rows = [row("flights", "21,000", "10:59"), row("worst-hour-by-airport", "7", "9:00")];
        lines(&GRID, &rows, columns, Style::default()).iter().map(|line| line.painted(Style::default())).collect()
    }

    #[test]
    fn names_stand_left_and_numbers_right() {
        assert_eq!(
            shown(120),
            [
                "TOPIC                  RECORDS/S  WATERMARK",
                "flights                   21,000  10:59:55.000",
                "worst-hour-by-airport          7  9:00:55.000",
            ]
        );
    }

    #[test]
    fn less_room_takes_words_then_letters_then_columns() {
        assert_eq!(
            shown(40),
            ["TOPIC                   REC/S  WATERMARK", "flights                21,000  10:59", "worst-hour-by-airport       7  9:00",]
        );
        assert_eq!(shown(32), ["TOPIC           REC/S  WATERMARK", "flights        21,000  10:59", "worst-hour-b~       7  9:00",]);
        assert_eq!(shown(28), ["TOPIC                  REC/S", "flights               21,000", "worst-hour-by-airpo~       7",]);
        assert_eq!(shown(6), ["TOPIC", "flight", "worst-"]);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        for columns in 0..60 {
            assert!(shown(columns).iter().all(|line| line.chars().count() <= columns), "{columns}: {:?}", shown(columns));
        }
    }
}
