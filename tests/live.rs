//! `ftpscope live`: through pipes everywhere, and on real networks where there is the right to make them.

#[cfg(target_os = "linux")]
mod disk;
mod fast_motion;
mod monitor;
#[cfg(feature = "live")]
mod network;
mod outputs;
mod pipes;
#[cfg(all(feature = "live", target_os = "linux"))]
mod privileges;
#[cfg(all(feature = "live", target_os = "linux"))]
mod server_logs;
mod specimen;
mod standstill;
