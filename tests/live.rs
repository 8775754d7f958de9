//! `ftpscope live`: through pipes everywhere, and on real networks where there is the right to make them.

#[path = "live/fast_motion.rs"]
mod fast_motion;
#[path = "live/monitor.rs"]
mod monitor;
#[cfg(feature = "live")]
#[path = "live/network.rs"]
mod network;
#[path = "live/outputs.rs"]
mod outputs;
#[path = "live/pipes.rs"]
mod pipes;
