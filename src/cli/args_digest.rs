//! What is made of transferred files beside their SHA-256.

use clap::{Args, ValueEnum};

use crate::pipeline::Options;

/// Options about digests and copies of files.
#[derive(Debug, Args)]
pub(super) struct DigestArguments {
    /// Digests beside SHA-256: md5, sha1
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    hash: Vec<Digest>,
    /// Save files of TYPE A also with LF in place of CR LF, as NAME~decoded
    #[arg(long)]
    text_lines: bool,
}

impl DigestArguments {
    /// Sets what the pipeline is to make.
    pub(super) fn apply(&self, options: &mut Options) {
        options.md5 = self.hash.contains(&Digest::Md5);
        options.sha1 = self.hash.contains(&Digest::Sha1);
        options.text_lines = self.text_lines;
    }
}

/// Digests that are made on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Digest {
    Md5,
    Sha1,
}
