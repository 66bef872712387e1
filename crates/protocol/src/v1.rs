//! Version 1: one module a route.

pub mod backfill;
pub mod changes;
pub mod clients;
pub mod control;
pub mod dead_letters;
pub mod events;
pub mod mutations;
pub mod raw;
pub mod records;
pub mod snapshots;
pub mod status;
pub mod subscriptions;
pub mod telemetry;
mod written;

pub use backfill::{BackfillEntry, BackfillPage, BackfillRequest};
pub use changes::{Change, ChangesPage, PageEnd, SchemaEntry, SnapshotState};
pub use clients::{ClientFeatures, ClientLimits, ClientRegistered, ClientRequest, CollectionEntry, TokenRefresh, TokensIssued};
pub use control::{
    CommandEntry, CommandFailure, CommandRequest, CommandStatusAnswered, CommandStatusRequest, CommandsAnswered, ControlKeyEntry,
    ControlKeysAnswered, EscrowAnswered, EscrowRefused, LogLineEntry, LogsAnswered, PolicyEntry, ProgressEntry,
};
pub use dead_letters::{DeadLetterEntry, DeadLetterRefused, DeadLettersAnswered, DeadLettersRequest};
pub use mutations::{
    Mutation, MutationProblem, MutationResult, MutationStatus, PushAnswered, PushRead, PushRequest, ResolutionEntry,
};
pub use snapshots::{SnapshotManifest, SnapshotPartEntry, SnapshotPending};
pub use status::{StatusAnswered, StatusRequest};
pub use subscriptions::{Subscription, SubscriptionState, SubscriptionsPage, SubscriptionsRequest};
pub use telemetry::{Report, ReportRefused, TelemetryAnswered, TelemetryRead, TelemetryRequest};
