//! A simulated fleet: a seed draws the world and the devices in it; the devices are the reference client, unchanged.
//!
//! Two ways to run it share devices, workload and faults. [`virtual_run`] drives a real [`tidewatch_service::Service`] in
//! this process, in virtual time, one event after the other: the same seed gives the same log, and the files under
//! [`checks`] judge what happened. [`fleet`] sends the same devices over real HTTP, each in its own rhythm, for demos and
//! load. Nothing here knows the store or HTTP servers.

pub mod checks;
pub mod device;
pub mod dice;
pub mod fleet;
pub mod history;
pub mod in_process;
pub mod outing;
pub mod persona;
pub mod places;
pub mod rhythm;
pub mod scenario;
pub mod virtual_run;
pub mod vitals;
pub mod workload;
pub mod world;

pub use device::SimDevice;
pub use fleet::{FleetOptions, Progress, fleet_run};
pub use scenario::Scenario;
