//! `--hash`.

use clap::ValueEnum;

/// Digests that are made on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Digest {
    Md5,
    Sha1,
}
