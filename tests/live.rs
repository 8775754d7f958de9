//! `ftpscope live`: through pipes everywhere, and on real networks where there is the right to make them.

#[cfg(target_os = "linux")]
#[path = "live/disk.rs"]
mod disk;
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
#[cfg(all(feature = "live", target_os = "linux"))]
#[path = "live/privileges.rs"]
mod privileges;
#[path = "live/specimen.rs"]
mod specimen;
