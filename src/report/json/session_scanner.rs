//! A report in JSON, divided into its sessions without holding it.

/// Divides a report into its sessions and all else, byte by byte.
#[derive(Debug, Default)]
pub(crate) struct SessionScanner {
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    /// Latest string at depth 1: the name of a field, if a colon follows.
    name: Vec<u8>,
    is_in_sessions: bool,
    /// Offset and text of the session that is read.
    start: u64,
    session: Vec<u8>,
    /// The document without its sessions.
    rest: Vec<u8>,
}

impl SessionScanner {
    /// Takes the next byte. Returns a session, with the offset of its first byte, at its last one.
    pub(crate) fn byte(&mut self, byte: u8, offset: u64) -> Option<(u64, &[u8])> {
        let was_in_session = self.is_in_sessions && self.depth > 2;
        let mut ends = false;
        if self.is_in_string {
            if self.is_escaped {
                self.is_escaped = false;
            } else if byte == b'\\' {
                self.is_escaped = true;
            } else if byte == b'"' {
                self.is_in_string = false;
            }
            if self.is_in_string && self.depth == 1 && self.name.len() < 32 {
                self.name.push(byte);
            }
        } else {
            match byte {
                b'"' => {
                    self.is_in_string = true;
                    if self.depth == 1 {
                        self.name.clear();
                    }
                }
                b'{' | b'[' => {
                    if self.depth == 1 && byte == b'[' && self.name == b"sessions" {
                        self.is_in_sessions = true;
                        self.rest.push(byte);
                    }
                    if self.is_in_sessions && self.depth == 2 {
                        self.start = offset;
                        self.session.clear();
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    ends = self.is_in_sessions && self.depth == 2;
                    if self.is_in_sessions && self.depth == 1 {
                        self.is_in_sessions = false;
                    }
                }
                _ => {}
            }
        }
        let is_in_session = self.is_in_sessions && self.depth > 2;
        if is_in_session || was_in_session {
            if self.session.len() < MAX_SESSION {
                self.session.push(byte);
            }
        } else if !self.is_in_sessions && self.rest.len() < MAX_REST {
            self.rest.push(byte);
        }
        ends.then_some((self.start, self.session.as_slice()))
    }

    /// Returns the document without its sessions.
    #[cfg(feature = "browse")]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.rest
    }
}

/// Bytes of one session in a document.
const MAX_SESSION: usize = 1 << 30;
/// Bytes of a document without its sessions.
const MAX_REST: usize = 256 << 20;
