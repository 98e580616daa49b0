//! A run, to look at: what connections to each destination meet, as it happens, and the evidence of each
//! finding a key away.
//!
//! The agent is a process of its own, which says what it finds as it does to any program
//! (`docs/json.md`); so it takes no risk from a terminal. What it says is read at once, whether or not
//! it can be shown: a terminal that is held up holds up nobody else.
//!
//! * [`said`] is how it is read.
//! * [`model`] is what is known, and what of it is looked at.
//! * [`draw`] is the screen.
//! * [`agent`] is the process.

mod agent;
mod draw;
mod model;
mod said;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use self::{agent::Agent, model::Press};
use crate::{cli::Failure, privilege};

/// How often the screen is drawn, at least: the time on it is to be seen to go on.
const DRAW: Duration = Duration::from_millis(250);

/// Runs an agent with `args`, and shows what it says until it ends or is told to.
pub(crate) fn run(args: &[std::ffi::OsString], title: &str) -> Result<ExitCode, Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::Usage(
            "live needs a terminal to be read and written; elsewhere use forgewatch run".into(),
        ));
    }
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::Other(format!("cannot {what}: {error}"))
    };
    let mut agent = Agent::start(args).map_err(|error| failed("start the agent", &error))?;
    // Whoever ends this ends the agent as well, by its own way to end. Held from here on only: the agent
    // would hold what it begins with held.
    let ends = SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT]);
    ends.thread_block().map_err(|error| failed("hold signals", &error))?;
    let signals = SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|error| failed("wait for signals", &error))?;
    let terminal = ratatui::try_init().map_err(|error| failed("use the terminal", &error));
    let shown = terminal.and_then(|mut terminal| {
        // Starts what waits for keys, before less is permitted.
        event::poll(Duration::ZERO).map_err(|error| failed("read keys", &error))?;
        privilege::confine_onlooker(agent.pid());
        agent.listen();
        show(&mut terminal, &agent, &signals, title).map_err(|error| failed("show the run", &error))
    });
    ratatui::restore();
    agent.interrupt();
    let ended = agent.wait().map_err(|error| failed("wait for the agent", &error))?;
    shown?;
    Ok(ended)
}

fn show(
    terminal: &mut DefaultTerminal,
    agent: &Agent,
    signals: &SignalFd,
    title: &str,
) -> io::Result<()> {
    let mut page = 1;
    while agent.speaks() {
        terminal.draw(|frame| page = draw::draw(frame, &agent.model(), title))?;
        if event::poll(DRAW)? {
            // All that is there: a key that is held down comes faster than a screen can be drawn.
            while event::poll(Duration::ZERO)? {
                match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => {
                        if is_end(key) {
                            return Ok(());
                        }
                        if let Some(press) = press(key) {
                            agent.model().press(press, page);
                        }
                    }
                    _ => {}
                }
            }
        }
        if signals.read_signal()?.is_some() {
            return Ok(());
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
