//! A run, to look at: what connections to each destination meet, as it happens, and the evidence of each
//! finding two keys away.
//!
//! The agent is a process of its own, which says what it finds as it does to any program
//! (`docs/json.md`); so it takes no risk from a terminal. What it says is read at once, whether or not
//! it can be shown: a terminal that is held up holds up nobody else. What was said elsewhere, by an agent
//! or of a capture, is looked at in the same way.
//!
//! * [`said`] is how it is read.
//! * [`model`] is what is known, and what of it is looked at.
//! * [`draw`] is the screen.
//! * [`keys`] is the terminal, and what is pressed there.
//! * [`speaker`] is who speaks.

mod draw;
mod keys;
mod model;
mod said;
mod speaker;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use self::{keys::Keys, model::Press, speaker::Speaker};
use crate::{cli::Failure, privilege};

/// How often the screen is drawn, at least: the time on it is to be seen to go on.
const DRAW: Duration = Duration::from_millis(250);

/// Runs an agent with `args`, and shows what it says until it ends or is told to.
pub(crate) fn run(args: &[OsString], title: &str) -> Result<ExitCode, Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(no_terminal("elsewhere use forgewatch run"));
    }
    let speaker = Speaker::agent(args).map_err(|error| failed("start the agent", &error))?;
    watch(speaker, title)
}

/// Shows what is in a file, or comes by it.
pub(crate) fn read(path: &Path) -> Result<ExitCode, Failure> {
    if !io::stdout().is_terminal() {
        return Err(no_terminal("what is to be read can be anywhere"));
    }
    let title = path.display().to_string();
    let opened = Speaker::file(path);
    let speaker =
        opened.map_err(|error| Failure::Record(format!("cannot show {title}: {error}")))?;
    watch(speaker, &title)
}

fn no_terminal(instead: &str) -> Failure {
    Failure::Usage(format!("live needs a terminal to be read and written; {instead}"))
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(format!("cannot {what}: {error}"))
}

fn watch(mut speaker: Speaker, title: &str) -> Result<ExitCode, Failure> {
    // Whoever ends this ends the agent as well, by its own way to end. Held from here on only: the agent
    // would hold what it begins with held.
    let ends = SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT]);
    ends.thread_block().map_err(|error| failed("hold signals", &error))?;
    let signals = SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|error| failed("wait for signals", &error))?;
    let terminal = ratatui::try_init().map_err(|error| failed("use the terminal", &error));
    let shown = terminal.and_then(|mut terminal| {
        let shown = confined_show(&mut terminal, &mut speaker, &signals, title);
        // Both fail where the terminal is there no more, of which it would tell itself when dropped, to nobody.
        let _ = terminal.show_cursor();
        std::mem::forget(terminal);
        shown
    });
    let _ = ratatui::try_restore();
    let ended = speaker.end(title)?;
    shown?;
    Ok(ended)
}

fn confined_show(
    terminal: &mut DefaultTerminal,
    speaker: &mut Speaker,
    signals: &SignalFd,
    title: &str,
) -> Result<(), Failure> {
    let opened = Keys::open().map_err(|error| failed("read keys", &error))?;
    privilege::confine_onlooker(speaker.pid());
    let keys = Keys::start(opened).map_err(|error| failed("read keys", &error))?;
    speaker.listen();
    show(terminal, speaker, signals, &keys, title).map_err(|error| failed("show the run", &error))
}

fn show(
    terminal: &mut DefaultTerminal,
    speaker: &Speaker,
    signals: &SignalFd,
    keys: &Keys,
    title: &str,
) -> io::Result<()> {
    let mut page = 1;
    while !speaker.is_over() && signals.read_signal()?.is_none() && !keys.are_gone() {
        let drawn = terminal.draw(|frame| page = draw::draw(frame, &speaker.model(), title));
        let pressed = drawn.and_then(|_| keys.wait(DRAW));
        let pressed = match pressed {
            // It went meanwhile.
            Err(_) if keys.are_gone() => return Ok(()),
            pressed => pressed?,
        };
        for event in pressed {
            match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    if is_end(key) {
                        return Ok(());
                    }
                    if let Some(press) = press(key) {
                        speaker.model().press(press, page);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_end(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!((key.code, control), (KeyCode::Char('q'), false) | (KeyCode::Char('c'), true))
}

fn press(key: KeyEvent) -> Option<Press> {
    Some(match key.code {
        KeyCode::Up | KeyCode::Char('k') => Press::Up,
        KeyCode::Down | KeyCode::Char('j') => Press::Down,
        KeyCode::PageUp => Press::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Press::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Press::First,
        KeyCode::End | KeyCode::Char('G') => Press::Last,
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => Press::In,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => Press::Out,
        KeyCode::Tab | KeyCode::BackTab => Press::Switch,
        _ => return None,
    })
}
