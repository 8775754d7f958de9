//! Keys: those of the terminal and those of `--keys` become one type, and keys become actions.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::panes::Pane;

/// A key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character, as typed with its modifiers.
    Char(char),
    /// A letter with the control key.
    Control(char),
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Tab.
    Tab,
    /// Tab with shift.
    BackTab,
    /// Backspace.
    Backspace,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
}

/// An action that a key asks for while nothing is typed into a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Move(Move),
    Show(Pane),
    /// The pane before (-1) or behind (1) this one.
    Turn(isize),
    Open,
    Back,
    AskSearch,
    /// The next place that was searched for, or the one before.
    Search {
        forward: bool,
    },
    AskFilter,
    Sort,
    AskSave,
    AskWrite,
    CopyFilter,
    CopyDigest,
    /// The next session with trouble, or the one before.
    Trouble {
        forward: bool,
    },
    Help,
    Suspend,
    Quit,
}

/// A way to move the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Lines(isize),
    Pages(isize),
    First,
    Last,
}

impl Key {
    /// Converts a key of the terminal; `None` for one without a meaning here, and for a release.
    pub(super) fn of(event: &KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        Some(match event.code {
            KeyCode::Char(letter) if event.modifiers.contains(KeyModifiers::CONTROL) => {
                Self::Control(letter.to_ascii_lowercase())
            }
            KeyCode::Char(letter) => Self::Char(letter),
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Escape,
            KeyCode::Tab => Self::Tab,
            KeyCode::BackTab => Self::BackTab,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            _ => return None,
        })
    }

    /// Parses the keys of `--keys`: characters as they are, others by name in angle brackets, `<lt>` for `<`.
    ///
    /// # Errors
    ///
    /// A name that is not known, in a message for the user.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut keys = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            if character != '<' {
                keys.push(Self::Char(character));
                continue;
            }
            let Some((name, behind)) = rest.split_once('>') else {
                return Err(
                    "'<' begins the name of a key, such as <Enter>; write <lt> for itself"
                        .to_owned(),
                );
            };
            rest = behind;
            keys.push(Self::named(name).ok_or_else(|| {
                format!("there is no key <{name}>; there are <Enter> <Esc> <Tab> <S-Tab> <BS> <Up> <Down> <Left> <Right> <PgUp> <PgDn> <Home> <End> <lt> and <C-x>")
            })?);
        }
        Ok(keys)
    }

    fn named(name: &str) -> Option<Self> {
        if let Some(letter) = name.strip_prefix("C-") {
            let mut letters = letter.chars();
            let letter = letters.next()?;
            return letters.next().is_none().then_some(Self::Control(letter));
        }
        Some(match name {
            "Enter" => Self::Enter,
            "Esc" => Self::Escape,
            "Tab" => Self::Tab,
            "S-Tab" => Self::BackTab,
            "BS" => Self::Backspace,
            "Up" => Self::Up,
            "Down" => Self::Down,
            "Left" => Self::Left,
            "Right" => Self::Right,
            "PgUp" => Self::PageUp,
            "PgDn" => Self::PageDown,
            "Home" => Self::Home,
            "End" => Self::End,
            "lt" => Self::Char('<'),
            _ => return None,
        })
    }

    /// Returns the action of a key; `None` for a key without one.
    pub(super) fn action(self) -> Option<Action> {
        Some(match self {
            Self::Up | Self::Char('k') => Action::Move(Move::Lines(-1)),
            Self::Down | Self::Char('j') => Action::Move(Move::Lines(1)),
            Self::PageUp => Action::Move(Move::Pages(-1)),
            Self::PageDown | Self::Char(' ') => Action::Move(Move::Pages(1)),
            Self::Home | Self::Char('g') => Action::Move(Move::First),
            Self::End | Self::Char('G') => Action::Move(Move::Last),
            Self::Left | Self::BackTab => Action::Turn(-1),
            Self::Right | Self::Tab => Action::Turn(1),
            Self::Char(digit @ '1'..='7') => {
                let number = usize::try_from(digit.to_digit(10)?).ok()?;
                Action::Show(*Pane::ALL.get(number - 1)?)
            }
            Self::Enter => Action::Open,
            Self::Escape => Action::Back,
            Self::Char('/') => Action::AskSearch,
            Self::Char('n') => Action::Search { forward: true },
            Self::Char('N') => Action::Search { forward: false },
            Self::Char('f') => Action::AskFilter,
            Self::Char('s') => Action::Sort,
            Self::Char('x') => Action::AskSave,
            Self::Char('w') => Action::AskWrite,
            Self::Char('y') => Action::CopyFilter,
            Self::Char('Y') => Action::CopyDigest,
            Self::Char('e') => Action::Trouble { forward: true },
            Self::Char('E') => Action::Trouble { forward: false },
            Self::Char('?') => Action::Help,
            Self::Control('z') => Action::Suspend,
            Self::Char('q') | Self::Control('c') => Action::Quit,
            _ => return None,
        })
    }
}

/// Keys and their actions, for the help.
pub(super) const HELP: &[(&str, &str)] = &[
    ("↑ ↓ PgUp PgDn Home End, j k g G", "move"),
    ("← → Tab Shift-Tab, 1 to 7", "choose a pane"),
    ("Enter, Esc", "open, back"),
    ("e E", "next, previous session with trouble"),
    ("/ then text; n N", "search in this pane; next, previous"),
    ("f", "filter sessions with a CEL expression, as --where"),
    ("s", "sort sessions: time, bytes, duration, severity"),
    ("x", "save the chosen file to a folder"),
    ("w", "write the chosen session as pcapng"),
    ("y, Y", "copy the display filter, the digest"),
    ("q, Ctrl-C", "quit"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parsed_from_characters_and_names() {
        let keys = Key::parse("j<Enter>/a<lt>b<C-c>").expect("keys");
        let expected = [
            Key::Char('j'),
            Key::Enter,
            Key::Char('/'),
            Key::Char('a'),
            Key::Char('<'),
            Key::Char('b'),
            Key::Control('c'),
        ];
        assert_eq!(keys, expected);
        assert!(Key::parse("<Return>").is_err_and(|text| text.contains("<Enter>")));
        assert!(Key::parse("a<b").is_err());
    }

    #[test]
    fn digits_choose_panes_in_order() {
        for (index, pane) in Pane::ALL.into_iter().enumerate() {
            let digit = char::from(b'1' + u8::try_from(index).expect("7 panes"));
            assert_eq!(Key::Char(digit).action(), Some(Action::Show(pane)));
            assert_eq!(pane.index(), index);
        }
        assert_eq!(Key::Char('8').action(), None);
    }
}
