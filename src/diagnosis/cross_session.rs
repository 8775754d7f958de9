//! Findings about several sessions at once.
//!
//! In: announced endpoints while sessions run, and each session when it ends. Out: findings at the end of the run; and,
//! for a session that is one half of a server-to-server transfer, its other half. Everything kept is bounded.
//!
//! ```text
//! announced endpoints -> fxp          fxp
//! sessions            -> logins       brute-force, password-spraying
//!                     -> seen_twice   session-seen-twice, session-in-halves
//!                     -> capture_loss capture-loss
//! attempts            -> closed_at_once server-closes-at-once
//!                     -> segmented    file-in-parts
//! ```

use super::DataTrouble;
use super::capture_loss::TotalLoss;
use super::closed_at_once::{ClosedAtOnce, ClosedByServer};
use super::fxp::{Announcement, Exchanges};
use super::logins::LoginAttempts;
use super::seen_twice::{SessionHalves, SessionLegs};
use super::segmented::SegmentedDownloads;
use crate::model::record::{Address, Finding, Server, Session, Step};

/// Collector of evidence across sessions.
#[derive(Debug, Default)]
pub struct Several {
    exchanges: Exchanges,
    legs: SessionLegs,
    halves: SessionHalves,
    logins: LoginAttempts,
    losses: TotalLoss,
    closed: ClosedAtOnce,
    segmented: SegmentedDownloads,
}

impl Several {
    /// Records an endpoint that a session announced for a data connection.
    pub fn announced(&mut self, announcement: Announcement) {
        self.exchanges.on_announcement(announcement);
    }

    /// Returns the other halves of the server-to-server transfers of a session, as evidence for [`super::diagnose`].
    #[must_use]
    pub fn exchanges_of(&self, session: u64) -> Vec<DataTrouble> {
        self.exchanges.evidence_for(session)
    }

    /// Records a login step of a session between these ends. Returns the finding about guessed passwords that it proves; `None`
    /// if it proves none, or nothing new.
    ///
    /// `passwords` holds a fingerprint of each password by the sequence number of its PASS command, in ascending order.
    /// Equal passwords have equal fingerprints; the passwords themselves never come here.
    #[must_use]
    pub fn login(
        &mut self,
        session: u64,
        (client, server): (Address, Server),
        step: &Step,
        passwords: &[(u64, u64)],
    ) -> Option<Finding> {
        let key = (client.ip, server.ip, server.port);
        self.logins.on_step(session, key, step, passwords)
    }

    /// Records a finished session.
    pub fn session_over(&mut self, session: &Session, evidence: &[DataTrouble]) {
        self.legs.on_session_end(session, evidence);
        self.halves.on_session_end(session, evidence);
        self.losses.on_session_end(session.id, evidence);
        self.segmented.on_session_end(session);
    }

    /// Returns the finding about several sessions that concerns a session which was just recorded; `None` if none is known yet.
    #[must_use]
    pub fn concerning(&self, session: &Session) -> Option<Finding> {
        self.logins.so_far(session)
    }

    /// Records a connection that a server ended before the first byte.
    pub fn closed_by_server(&mut self, closed: ClosedByServer) {
        self.closed.on_closed(closed);
    }

    /// Returns the findings so far and starts from nothing, for a run without an end.
    #[must_use]
    pub fn turn(&mut self) -> Vec<Finding> {
        std::mem::take(self).finish()
    }

    /// Returns all findings at the end of the input, in capture order.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut findings = self.logins.finish();
        findings.extend(self.exchanges.finish());
        findings.extend(self.legs.finish());
        let halves = self.halves.finish();
        // Both halves of a session are in the capture: it has lost neither.
        let joined = halves
            .iter()
            .flat_map(|finding| finding.sessions.iter().copied());
        self.losses.forget(&joined.collect());
        findings.extend(halves);
        findings.extend(self.losses.finish());
        findings.extend(self.closed.finish());
        findings.extend(self.segmented.finish());
        // The parts collect in different orders: sort, so that the report reads in capture order.
        findings.sort_by(|a, b| {
            let key = |finding: &Finding| finding.frames.first().copied().unwrap_or(0);
            (key(a), &a.id, &a.title).cmp(&(key(b), &b.id, &b.title))
        });
        findings
    }
}

/// Limit of the sessions named by one finding.
pub(super) const MAX_SESSIONS: usize = 100;
/// Limit of the frames named by one finding.
pub(super) const MAX_FRAMES: usize = 10;
