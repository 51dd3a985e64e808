//! The terminal that the process was started on: whether a live table may be drawn on it, how large it is, what it can show.

use std::io::IsTerminal;

use super::line::Style;

/// Rows and columns of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Size {
    /// Without bounds: for a file or a pipe.
    pub(crate) const UNBOUNDED: Self = Self { columns: usize::MAX, rows: usize::MAX };
    /// What a terminal has that does not tell.
    const USUAL: Self = Self { columns: 80, rows: 24 };
}

/// Of the terminal on standard output; unbounded where there is none.
pub(crate) fn size() -> Size {
    let output = std::io::stdout();
    match rustix::termios::tcgetwinsize(&output) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size { columns: size.ws_col.into(), rows: size.ws_row.into() },
        _ if output.is_terminal() => Size::USUAL,
        _ => Size::UNBOUNDED,
    }
}

/// Whether standard output is a terminal on which the cursor can be moved.
pub(crate) fn can_move() -> bool {
    std::io::stdout().is_terminal() && moves(variable("TERM").as_deref())
}

/// What standard output can show.
pub(crate) fn style() -> Style {
    style_of(std::io::stdout().is_terminal(), variable)
}

/// Whether log lines on standard error are in colour.
pub(crate) fn is_log_colored() -> bool {
    style_of(std::io::stderr().is_terminal(), variable).has_color
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn moves(term: Option<&str>) -> bool {
    term.is_some_and(|term| term != "dumb")
}

/// Colour needs a terminal that has it and nobody who minds (<https://no-color.org>); letters beyond ASCII, a locale in UTF-8.
fn style_of(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Style {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name)).unwrap_or_default().to_lowercase();
    Style {
        has_color: is_terminal && moves(variable("TERM").as_deref()) && variable("NO_COLOR").is_none(),
        is_utf8: locale.contains("utf-8") || locale.contains("utf8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(variables: &[(&str, &str)]) -> (bool, bool) {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let style = style_of(true, of);
        (style.has_color, style.is_utf8)
    }

    #[test]
    fn color_and_letters_are_what_the_environment_says() {
        assert_eq!(style(&[("TERM", "xterm-256color"), ("LANG", "de_DE.UTF-8")]), (true, true));
        assert_eq!(style(&[("TERM", "xterm"), ("NO_COLOR", "1"), ("LANG", "C.utf8")]), (false, true));
        assert_eq!(style(&[("TERM", "dumb"), ("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]), (false, false));
        assert_eq!(style(&[]), (false, false));
        assert!(!style_of(false, |_| Some("xterm".into())).has_color);
    }
}
