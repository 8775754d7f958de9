//! Decryption secrets blocks: kept as they are, within bounds.

/// What a decryption secrets block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// What they are; [`Secrets::TLS_KEY_LOG`] is a key log in the format of NSS.
    pub kind: u32,
    /// The secrets.
    pub data: Vec<u8>,
}

impl Secrets {
    /// `TLSK`: the text of a TLS key log file.
    pub const TLS_KEY_LOG: u32 = 0x544c_534b;
}

/// The secrets of one input.
#[derive(Debug, Default)]
pub(super) struct SecretsStore {
    kept: Vec<Secrets>,
    blocks: usize,
    bytes: usize,
    left_out: u64,
}

impl SecretsStore {
    /// Keeps a block, unless there are too many.
    pub(super) fn keep(&mut self, kind: u32, data: &[u8]) {
        if self.blocks >= MAX_BLOCKS || self.bytes.saturating_add(data.len()) > MAX_BYTES {
            self.left_out += 1;
            return;
        }
        self.blocks += 1;
        self.bytes += data.len();
        self.kept.push(Secrets {
            kind,
            data: data.to_vec(),
        });
    }

    /// What was kept since the last call.
    pub(super) fn take(&mut self) -> Vec<Secrets> {
        std::mem::take(&mut self.kept)
    }

    /// How many blocks were not kept since the last call.
    pub(super) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

const MAX_BLOCKS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
