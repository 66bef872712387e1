//! The mirror across devices: figures counted behind the pages, lists by keyset, and single entries. Reads only; `mirror` writes.

mod blocks;
mod devices;
mod entry;
mod figures;
mod list;
mod members;
mod past;
mod payloads;
mod steady;
mod terms;

pub(super) use self::blocks::KeptBlocked;
pub(super) use self::figures::KeptFigures;
pub use self::members::{Behind, DeviceLook, Member, MemberDevice, MemberNames, Selecting};
pub use self::terms::Words;
