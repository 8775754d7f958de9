//! What encryption of the control connection means for its session: a step with the facts, and commands nobody can read.

use crate::model::record::{Step, StepKind};
use crate::session::ftp_session::Session;
use crate::session::server_state::known_sizes::KnownSizes;
use crate::session::server_state::representation::Representation;
use crate::session::shared::Shared;

impl Session {
    /// From here on commands are encrypted: what they change is unknown, and data connections come without a word.
    pub(crate) fn hide_commands(&mut self, shared: &mut Shared<'_>) {
        if std::mem::replace(&mut self.commands_hidden, true) {
            return;
        }
        self.directory = None;
        self.representation = Representation::default();
        self.type_certain = false;
        self.restart = 0;
        self.known_sizes = KnownSizes::default();
        self.allocated = None;
        self.renaming = None;
        shared.encrypted.enter(self.key.hosts(), self.id);
    }

    /// A command was read: data connections are announced again.
    pub(crate) fn read_commands_again(&mut self, shared: &mut Shared<'_>) {
        if std::mem::replace(&mut self.commands_hidden, false) {
            shared.encrypted.leave(self.key.hosts(), self.id);
        }
    }

    /// The handshake is over as far as it can be read: its facts go into the step of AUTH, or a step of their own where there
    /// was no AUTH (implicit TLS).
    pub(crate) fn tell_handshake(&mut self, shared: &mut Shared<'_>) {
        if std::mem::replace(&mut self.encryption.told, true) {
            return;
        }
        let Some((begun, ended)) = self.encryption.hellos.as_deref().copied() else {
            return;
        };
        let facts = self.encryption.facts();
        let in_step = self
            .steps
            .handshake(facts.clone().map(|facts| (facts, ended.time)));
        if !in_step && self.encryption.has_hello() {
            self.steps.made(Step::without_commands(
                StepKind::Tls,
                facts.unwrap_or_else(|| "TLS, its handshake was not captured whole".into()),
                begun.time,
                ended.time.since(begun.time).seconds(),
            ));
        }
        self.tell_steps(shared, false);
    }
}
