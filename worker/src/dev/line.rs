//! A line of text for a terminal: pieces in tones, cut and wrapped to a width, painted at the end.

/// How a piece of text stands out. Never alone: a word or a mark says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// Headings, and what only explains.
    Quiet,
    Good,
    Bad,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) has_color: bool,
    /// Whether letters beyond ASCII are safe.
    pub(crate) is_utf8: bool,
}

/// One line, without its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    pub(crate) fn of(tone: Tone, text: impl Into<String>) -> Self {
        Self::default().with(tone, text)
    }

    pub(crate) fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }

    /// Cells that it takes, where each character takes one.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Cut to `columns`, spaces at the end taken away.
    pub(crate) fn clipped(mut self, columns: usize) -> Self {
        let mut left = columns;
        for (_, text) in &mut self.0 {
            let end = text.char_indices().nth(left).map_or(text.len(), |(at, _)| at);
            text.truncate(end);
            left -= text.chars().count();
        }
        while let Some((_, text)) = self.0.last_mut() {
            text.truncate(text.trim_end_matches(' ').len());
            if !text.is_empty() {
                break;
            }
            self.0.pop();
        }
        self
    }

    /// As it is written to the terminal.
    pub(crate) fn painted(&self, style: Style) -> String {
        let code = |tone| match tone {
            Tone::Plain => None,
            Tone::Quiet => Some(2),
            Tone::Good => Some(32),
            Tone::Bad => Some(31),
        };
        let piece = |(tone, text): &(Tone, String)| match code(*tone).filter(|_| style.has_color && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.clone(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// The name, or its beginning and a mark where it is longer than `width`.
pub(crate) fn shortened(name: &str, width: usize, style: Style) -> String {
    if name.chars().count() <= width {
        return name.into();
    }
    let mark = if style.is_utf8 { '…' } else { '~' };
    name.chars().take(width.saturating_sub(1)).chain([mark]).collect()
}

/// A sentence in lines of at most `width` cells, broken between words where it can be. Control characters become spaces.
pub(crate) fn wrapped(sentence: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in sentence.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty()) {
        let letters: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + letters.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for letter in letters {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(letter);
            used += 1;
        }
    }
    lines.extend(Some(line).filter(|line| !line.is_empty()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOR: Style = Style { has_color: true, is_utf8: true };

    #[test]
    fn a_line_is_cut_by_what_is_seen_and_painted_after() {
        let line = Line::of(Tone::Quiet, "NAME  ").with(Tone::Bad, "failed ").with(Tone::Plain, "   ");
        assert_eq!(line.clone().clipped(80).painted(COLOR), "\x1b[2mNAME  \x1b[0m\x1b[31mfailed\x1b[0m");
        assert_eq!(line.clone().clipped(8).painted(Style::default()), "NAME  fa");
        assert_eq!(line.clipped(6).painted(COLOR), "\x1b[2mNAME\x1b[0m");
    }

    #[test]
    fn long_names_say_that_they_are_cut() {
        assert_eq!(shortened("flights", 7, COLOR), "flights");
        assert_eq!(shortened("departures", 7, COLOR), "depart…");
        assert_eq!(shortened("départures", 7, Style::default()), "départ~");
    }

    #[test]
    fn sentences_break_between_words_and_words_only_where_they_must() {
        assert_eq!(wrapped("a.yaml:1:1: not YAML\n\x1b[2J", 12), ["a.yaml:1:1:", "not YAML [2J"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("", 3), [""; 0]);
    }
}
