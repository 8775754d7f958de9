//! The terminal: entered, restored whatever happens, and asked for keys.
//!
//! ```text
//! panic ─────────────────> hook: restore, then the message of the panic
//! error, quit ───────────> Screen::drop: restore
//! SIGTERM, SIGHUP, SIGQUIT > restore, then the signal does what it does by default
//!   no answer within 1 s, > a thread restores, and lets the signal do what it does by default
//!   or terminal closed
//! SIGTSTP, Ctrl-Z ───────> restore, stop; drawn anew when the process goes on
//! SIGINT ────────────────> the first one stops the reading, or quits where nothing is read; the second one quits
//! ```

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Stdout, Write as _, stdin, stdout};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    self, DisableMouseCapture, EnableMouseCapture, Event, KeyEventKind, MouseEventKind,
};
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::{flag, low_level};

use super::keys::Key;
use super::picture;
use super::state::{Browser, Request};

/// The way in which browsing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The user quit.
    Quit,
    /// The second SIGINT while the input was read.
    Interrupted,
}

/// Lets the user look through `browser` on the terminal. Sets `stop_reading` at the first SIGINT.
///
/// # Errors
///
/// The terminal cannot be used.
pub fn run(browser: &mut Browser, mouse: bool, stop_reading: &AtomicBool) -> io::Result<End> {
    let signals = Signals::watch()?;
    let _guard = Guard::start(&signals.deadly)?;
    let mut screen = Screen::enter(mouse)?;
    let mut is_changed = true;
    let mut drawn: Option<Instant> = None;
    let mut interrupts = 0;
    loop {
        if HAS_PANICKED.load(Ordering::Relaxed) {
            return Err(io::Error::other("a part of the program failed"));
        }
        is_changed |= browser.tick();
        // At most 20 pictures a second while sessions come; a key is answered at once.
        if is_changed && drawn.is_none_or(|at| at.elapsed() >= PICTURE_EVERY) {
            screen.draw(browser)?;
            (is_changed, drawn) = (false, Some(Instant::now()));
        }
        let wait = if browser.is_busy() {
            Duration::ZERO
        } else if is_changed {
            PICTURE_EVERY
        } else {
            LONGEST_WAIT
        };
        if event::poll(wait)? {
            // All keys that are there, before the next picture: held keys must not queue up.
            while event::poll(Duration::ZERO)? {
                take_event(browser, &event::read()?);
                (is_changed, drawn) = (true, None);
                if browser.has_requests() {
                    break;
                }
            }
        }
        for request in browser.take_requests() {
            match request {
                Request::Quit => return Ok(End::Quit),
                Request::Copy(text) => copy(&text)?,
                Request::Suspend => {
                    screen = screen.suspend(mouse)?;
                    (is_changed, drawn) = (true, None);
                }
            }
        }
        if signals.suspend.swap(false, Ordering::Relaxed) {
            screen = screen.suspend(mouse)?;
            (is_changed, drawn) = (true, None);
        }
        for (signal, is_raised) in &signals.deadly {
            if is_raised.load(Ordering::Relaxed) {
                drop(screen);
                low_level::emulate_default_handler(*signal)?;
                return Ok(End::Quit);
            }
        }
        // Two that came between two looks are two.
        let count = signals.interrupts.take();
        if count > 0 {
            interrupts += count;
            if browser.has_ended() {
                return Ok(End::Quit);
            }
            if interrupts > 1 {
                return Ok(End::Interrupted);
            }
            stop_reading.store(true, Ordering::Relaxed);
            browser.message = Some("reading stops; interrupt again to quit".to_owned());
            is_changed = true;
        }
    }
}

/// Returns true if there is a terminal that can be drawn on.
#[must_use]
pub fn is_possible() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    stdout().is_terminal() && !is_dumb
}

fn take_event(browser: &mut Browser, event: &Event) {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            if let Some(key) = Key::of(key) {
                browser.key(key);
            }
        }
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollDown => browser.key(Key::Down),
            MouseEventKind::ScrollUp => browser.key(Key::Up),
            _ => {}
        },
        _ => {}
    }
}

/// Signals since they were looked at last.
struct Signals {
    interrupts: Interrupts,
    suspend: Arc<AtomicBool>,
    /// Signals that end the process, and whether they came.
    deadly: [(c_int, Arc<AtomicBool>); 3],
}

impl Signals {
    fn watch() -> io::Result<Self> {
        let signals = Self {
            interrupts: Interrupts::watch()?,
            suspend: Arc::default(),
            deadly: [SIGTERM, SIGHUP, SIGQUIT].map(|signal| (signal, Arc::default())),
        };
        flag::register(SIGTSTP, Arc::clone(&signals.suspend))?;
        for (signal, is_raised) in &signals.deadly {
            flag::register(*signal, Arc::clone(is_raised))?;
        }
        Ok(signals)
    }
}

/// Thread that ends the process where the loop does not: crossterm reads for ever from a terminal that was closed, and
/// waits for the rest of half a key; a write waits for a terminal that is stopped. Dropping it says that the loop is over.
struct Guard {
    is_over: Arc<AtomicBool>,
}

impl Guard {
    fn start(deadly: &[(c_int, Arc<AtomicBool>); 3]) -> io::Result<Self> {
        let (raised, writable) = UnixStream::pair()?;
        for (signal, _) in deadly {
            // Behind the flags: when the thread wakes up, its flag is set.
            low_level::pipe::register(*signal, writable.try_clone()?)?;
        }
        // Where keys are read from.
        let terminal = if stdin().is_terminal() {
            Some(stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open("/dev/tty").ok().map(OwnedFd::from)
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let (deadly, over) = (deadly.clone(), Arc::clone(&is_over));
        std::thread::spawn(move || {
            wait_for_the_end(&raised, terminal.as_ref());
            let end = Instant::now() + GRACE;
            while !over.load(Ordering::Relaxed) && Instant::now() < end {
                std::thread::sleep(LONGEST_WAIT / 4);
            }
            if !over.load(Ordering::Relaxed) {
                // The loop may hold standard output for ever.
                let restored = std::thread::spawn(restore);
                let end = Instant::now() + GRACE;
                while !restored.is_finished() && Instant::now() < end {
                    std::thread::sleep(LONGEST_WAIT / 4);
                }
            }
            let mut raised = deadly.iter();
            let signal = raised.find(|(_, is_raised)| is_raised.load(Ordering::Relaxed));
            // It ends the process, or else cannot be raised at all.
            let _ =
                low_level::emulate_default_handler(signal.map_or(SIGHUP, |(signal, _)| *signal));
        });
        Ok(Self { is_over })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Waits for a signal that ends the process, or until the terminal is closed.
fn wait_for_the_end(raised: &UnixStream, terminal: Option<&OwnedFd>) {
    loop {
        let mut polled = vec![PollFd::new(raised, PollFlags::IN)];
        // That it is closed is reported without being asked for.
        polled.extend(terminal.map(|terminal| PollFd::new(terminal, PollFlags::empty())));
        match poll(&mut polled, None) {
            Err(Errno::INTR) => {}
            _ => return,
        }
    }
}

/// SIGINTs since they were counted last: each is a byte in a socket. A flag would make one of two that come together.
struct Interrupts(UnixStream);

impl Interrupts {
    fn watch() -> io::Result<Self> {
        let (readable, writable) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        low_level::pipe::register(SIGINT, writable)?;
        Ok(Self(readable))
    }

    /// Counts the signals since the last call.
    fn take(&self) -> usize {
        let mut bytes = [0; 16];
        // Nothing to read is an error of a socket that does not block.
        (&self.0).read(&mut bytes).unwrap_or(0)
    }
}

/// The terminal while it is drawn on. Dropping it restores the terminal.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    fn enter(mouse: bool) -> io::Result<Self> {
        restore_at_panic();
        enable_raw_mode()?;
        // From here on whatever fails restores the terminal: it is entered by one value.
        let entered = execute!(
            stdout(),
            EnterAlternateScreen,
            Clear(ClearType::All),
            cursor::Hide
        );
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        // Not by `Terminal::clear`, which asks for the cursor: serial consoles do not answer.
        let screen = match terminal {
            Ok(terminal) => Self { terminal },
            Err(error) => {
                restore();
                return Err(error);
            }
        };
        if mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(screen)
    }

    fn draw(&mut self, browser: &mut Browser) -> io::Result<()> {
        self.terminal.draw(|frame| {
            let area = frame.area();
            picture::draw(browser, frame.buffer_mut(), area);
        })?;
        Ok(())
    }

    /// Stops the process with the terminal restored, and enters it again once the process goes on.
    fn suspend(self, mouse: bool) -> io::Result<Self> {
        drop(self);
        low_level::emulate_default_handler(SIGTSTP)?;
        Self::enter(mouse)
    }
}

/// Asks the terminal to copy a text (OSC 52). Base64 has no characters that could end the sequence.
fn copy(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    write!(out, "\x1b]52;c;{}\x07", STANDARD.encode(text))?;
    out.flush()
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal. Errors are ignored: a terminal that is gone needs nothing.
fn restore() {
    // First what cannot wait for other threads.
    let _ = disable_raw_mode();
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
}

/// Restores the terminal before a panic of any thread is printed.
fn restore_at_panic() {
    static IS_SET: AtomicBool = AtomicBool::new(false);
    if IS_SET.swap(true, Ordering::Relaxed) {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        HAS_PANICKED.store(true, Ordering::Relaxed);
        restore();
        before(panic);
    }));
}

/// True once a thread has panicked, after which nothing is drawn any more.
static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

/// Time in which the loop answers to a signal, and a terminal takes what restores it.
const GRACE: Duration = Duration::from_secs(1);
/// Time between two pictures while sessions come.
const PICTURE_EVERY: Duration = Duration::from_millis(50);
/// Time between two looks at signals and at what came.
const LONGEST_WAIT: Duration = Duration::from_millis(80);
