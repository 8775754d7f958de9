//! Findings about several sessions: guessed passwords, transfers between two servers, one session captured twice, what the
//! capture lost.
//!
//! In: announced end points while sessions run, and each session at its end. Out: findings at the end of the run, and for
//! a session that is half of a server-to-server transfer, the other half. Everything kept is bounded.
//!
//! ```text
//! announced end points -> exchanges -> fxp
//! sessions -> logins -> brute-force, password-spraying
//!          -> legs -> session-seen-twice
//!          -> losses -> capture-loss
//! ```

mod exchanges;
mod legs;
mod logins;
mod losses;

use super::DataTrouble;
use crate::model::record::{Finding, Session};

pub use exchanges::Announcement;

/// Collects what only several sessions tell.
#[derive(Debug, Default)]
pub struct Several {
    exchanges: exchanges::Exchanges,
    legs: legs::Legs,
    logins: logins::Logins,
    losses: losses::Losses,
}

impl Several {
    /// A session announced where a data connection will come.
    pub fn announced(&mut self, announcement: Announcement) {
        self.exchanges.announced(announcement);
    }

    /// The other halves of the server-to-server transfers of a session.
    #[must_use]
    pub fn exchanges_of(&self, session: u64) -> Vec<DataTrouble> {
        self.exchanges.of(session)
    }

    /// A session is over. `passwords` are numbers that tell its passwords apart, by the sequence number of PASS.
    pub fn session_over(
        &mut self,
        session: &Session,
        troubles: &[DataTrouble],
        passwords: &[(u64, u64)],
    ) {
        self.logins.session_over(session, passwords);
        self.legs.session_over(session);
        self.losses.session_over(session.id, troubles);
    }

    /// A run that does not end tells from time to time what it knows, and begins anew: findings, and what was kept of the
    /// sessions they are about.
    #[must_use]
    pub fn turn(&mut self) -> Vec<Finding> {
        std::mem::take(self).finish()
    }

    /// The input has ended.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut findings = self.logins.finish();
        findings.extend(self.exchanges.finish());
        findings.extend(self.legs.finish());
        findings.extend(self.losses.finish());
        findings.sort_by(|a, b| {
            let key = |finding: &Finding| finding.frames.first().copied().unwrap_or(0);
            (key(a), &a.id, &a.title).cmp(&(key(b), &b.id, &b.title))
        });
        findings
    }
}

/// Sessions that one finding names.
const MOST_SESSIONS: usize = 100;
/// Frames that one finding names.
const MOST_FRAMES: usize = 10;
