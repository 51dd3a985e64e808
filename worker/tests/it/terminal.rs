//! On a terminal: a table that stays in its window, log lines above it, and nothing that is left behind.

use crate::kit::{Home, PATIENCE, TOPIC};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    fs::File,
    io::Read,
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

/// `streamwright dev` on a terminal of 60 columns and 20 rows.
struct OnTerminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(home: &Home, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_col: 60, ws_row: 20, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let open = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let mut command = home.dev(&[&["--listen", "127.0.0.1:0"], more].concat());
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env_remove("LC_ALL").env_remove("LC_CTYPE").env_remove("NO_COLOR");
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stdout(open()).stderr(open());
        let child = command.spawn().unwrap();
        drop(command);
        let (pieces, output) = mpsc::channel();
        let mut terminal = File::from(terminal);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = terminal.read(&mut piece) {
                let _ = pieces.send(piece[..length].to_vec());
            }
        });
        Self { child, output, seen: String::new() }
    }

    /// All that was written until these words were.
    fn wait_for(&mut self, words: &str) -> &str {
        let until = Instant::now() + PATIENCE;
        while !self.seen.contains(words) {
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.seen += &String::from_utf8_lossy(&piece),
                Err(_) => panic!("it does not show {words:?}, but {:?}", self.seen),
            }
        }
        &self.seen
    }

    /// Stops it with Ctrl-C, and gives all that was written.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.wait_for("the next start goes on from here");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        std::mem::take(&mut self.seen)
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without the sequences that move, clear and paint.
fn letters(output: &str) -> String {
    let mut pieces = output.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    first
        + &pieces
            .map(|piece| piece.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic()).get(1..).unwrap_or_default())
            .collect::<String>()
}

#[test]
fn a_table_stands_in_its_window_and_leaves_the_cursor_behind() {
    let many: String = (0..30).map(|index| format!("---\n{}", TOPIC.replace("orders", &format!("topic-{index:02}")))).collect();
    let home = Home::new(&[("a.yaml", &many)]);
    let mut dev = OnTerminal::start(&home, &[], &[]);
    dev.wait_for("more topics");
    home.write("b.yaml", "kind: [");
    dev.wait_for("\x1b[31m! \x1b[0mmanifests/b.yaml:2:1: not YAML");
    let output = dev.stop();
    let pictures = output.split("\x1b[?2026h").skip(1).filter_map(|rest| rest.split_once("\x1b[?2026l"));
    let pictures: Vec<String> = pictures.filter_map(|(picture, _)| picture.split_once("TOPIC")).map(|(_, table)| letters(table)).collect();
    for picture in &pictures {
        assert!(picture.lines().count() < 20, "{picture}");
        assert!(picture.lines().all(|line| line.trim_end_matches('\r').chars().count() < 60), "{picture}");
    }
    assert!(pictures.iter().any(|picture| picture.contains("topic-00") && !picture.contains("topic-29")), "{pictures:?}");
    let (hidden, shown) = (output.rfind("\x1b[?25l").unwrap(), output.rfind("\x1b[?25h").unwrap());
    assert!(hidden < shown, "the cursor is left hidden");
}

#[test]
fn a_terminal_that_can_nothing_gets_plain_lines() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    for (more, environment) in [(&[][..], ("TERM", "dumb")), (&["--log-format", "json"], ("TERM", "xterm"))] {
        let mut dev = OnTerminal::start(&home, more, &[environment]);
        dev.wait_for("try ");
        let output = dev.stop();
        assert!(!output.contains('\x1b') && !output.contains("TOPIC"), "{output:?}");
    }
}

#[test]
fn no_color_is_no_color() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let mut dev = OnTerminal::start(&home, &[], &[("NO_COLOR", "1")]);
    dev.wait_for("TOPIC");
    let output = dev.stop();
    let is_paint = |piece: &str| piece.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';').starts_with('m');
    assert!(!output.split("\x1b[").skip(1).any(is_paint), "{output:?}");
}
