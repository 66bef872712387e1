//! The icons: one sprite in the document, used by name. Shapes are our own, drawn on a 16 px grid.

use leptos::prelude::*;

/// Name of an icon of the sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IconName {
    /// Page Overview.
    Overview,
    /// Page Devices.
    Devices,
    /// Page Changes.
    Changes,
    /// Page Audit.
    Audit,
    /// `arrow`.
    Arrow,
    /// `calendar`.
    Calendar,
    /// `check`.
    Check,
    /// `clock`.
    Clock,
    /// `columns`.
    Columns,
    /// `conflicts`.
    Conflicts,
    /// `copy`.
    Copy,
    /// `database`.
    Database,
    /// `desktop`.
    Desktop,
    /// `down`.
    Down,
    /// `download`.
    Download,
    /// `eye`.
    Eye,
    /// `filter`.
    Filter,
    /// `flags`.
    Flags,
    /// `key`.
    Key,
    /// `laptop`.
    Laptop,
    /// `left`.
    Left,
    /// `link`.
    Link,
    /// `lock`.
    Lock,
    /// `more`.
    More,
    /// `outbox`.
    Outbox,
    /// `pause`.
    Pause,
    /// `phone`.
    Phone,
    /// `play`.
    Play,
    /// `plus`.
    Plus,
    /// `retry`.
    Retry,
    /// `right`.
    Right,
    /// `search`.
    Search,
    /// `stop`.
    Stop,
    /// `tablet`.
    Tablet,
    /// `terminal`.
    Terminal,
    /// `theme`.
    Theme,
    /// `up`.
    Up,
    /// `users`.
    Users,
    /// `x`.
    X,
    /// `merge`.
    Merge,
    /// `box`.
    Box,
    /// `bolt`.
    Bolt,
    /// `patch`.
    Patch,
    /// `skip`.
    Skip,
    /// `trash`.
    Trash,
    /// `undo`.
    Undo,
}

impl IconName {
    /// Id of its symbol in the sprite, with the hash sign.
    #[must_use]
    pub const fn href(self) -> &'static str {
        match self {
            Self::Overview => "#i-overview",
            Self::Devices => "#i-devices",
            Self::Changes => "#i-changes",
            Self::Audit => "#i-audit",
            Self::Arrow => "#i-arrow",
            Self::Calendar => "#i-calendar",
            Self::Check => "#i-check",
            Self::Clock => "#i-clock",
            Self::Columns => "#i-columns",
            Self::Conflicts => "#i-conflicts",
            Self::Copy => "#i-copy",
            Self::Database => "#i-database",
            Self::Desktop => "#i-desktop",
            Self::Down => "#i-down",
            Self::Download => "#i-download",
            Self::Eye => "#i-eye",
            Self::Filter => "#i-filter",
            Self::Flags => "#i-flags",
            Self::Key => "#i-key",
            Self::Laptop => "#i-laptop",
            Self::Left => "#i-left",
            Self::Link => "#i-link",
            Self::Lock => "#i-lock",
            Self::More => "#i-more",
            Self::Outbox => "#i-outbox",
            Self::Pause => "#i-pause",
            Self::Phone => "#i-phone",
            Self::Play => "#i-play",
            Self::Plus => "#i-plus",
            Self::Retry => "#i-retry",
            Self::Right => "#i-right",
            Self::Search => "#i-search",
            Self::Stop => "#i-stop",
            Self::Tablet => "#i-tablet",
            Self::Terminal => "#i-terminal",
            Self::Theme => "#i-theme",
            Self::Up => "#i-up",
            Self::Users => "#i-users",
            Self::X => "#i-x",
            Self::Merge => "#i-merge",
            Self::Box => "#i-box",
            Self::Bolt => "#i-bolt",
            Self::Patch => "#i-patch",
            Self::Skip => "#i-skip",
            Self::Trash => "#i-trash",
            Self::Undo => "#i-undo",
        }
    }
}

/// An icon. Decoration only: the word beside it, or the name of its button, says what it means.
#[component]
pub fn Icon(
    /// Which.
    name: IconName,
) -> impl IntoView {
    view! { <svg class="icon" aria-hidden="true"><use href=name.href()></use></svg> }
}

/// Every symbol, as the shell puts it once at the top of the body.
pub const SPRITE: &str = concat!(
    r##"<symbol id="i-overview" viewBox="0 0 16 16"><path d="M2.5 11.8a5.6 5.6 0 1 1 11 0M8 11.5l2.6-4"/></symbol>"##,
    r##"<symbol id="i-devices" viewBox="0 0 16 16"><rect x="2" y="2.75" width="8.5" height="10.5" rx="1.5"/><path d="M5.5 10.8h1.6M12.2 5.2h.8c.6 0 1 .4 1 1v6c0 .6-.4 1-1 1h-.8"/></symbol>"##,
    r##"<symbol id="i-changes" viewBox="0 0 16 16"><path d="M2.5 3.8h11M2.5 8h7.5M2.5 12.2h4.5M12 9.5v4M10.2 11.7 12 13.5l1.8-1.8"/></symbol>"##,
    r##"<symbol id="i-audit" viewBox="0 0 16 16"><path d="M8 1.8 13 3.6v4c0 3.3-2.2 5.5-5 6.6-2.8-1.1-5-3.3-5-6.6v-4zM5.8 7.9l1.6 1.6 2.9-3"/></symbol>"##,
    r##"<symbol id="i-arrow" viewBox="0 0 16 16"><path d="M3 8h10M9.2 4.2 13 8l-3.8 3.8"/></symbol>"##,
    r##"<symbol id="i-calendar" viewBox="0 0 16 16"><rect x="2.5" y="3.5" width="11" height="10" rx="1.3"/><path d="M2.5 6.8h11M5.5 2v3M10.5 2v3"/></symbol>"##,
    r##"<symbol id="i-check" viewBox="0 0 16 16"><path d="m3.2 8.4 3.1 3.1 6.5-7"/></symbol>"##,
    r##"<symbol id="i-clock" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.7"/><path d="M8 4.8V8l2.2 1.6"/></symbol>"##,
    r##"<symbol id="i-columns" viewBox="0 0 16 16"><rect x="2.5" y="3" width="11" height="10" rx="1.3"/><path d="M6.2 3v10M9.8 3v10"/></symbol>"##,
    r##"<symbol id="i-conflicts" viewBox="0 0 16 16"><path d="M4 2.5v3.2C4 8.6 8 8 8 11v2.5M12 2.5v3.2C12 8.6 8 8 8 11"/></symbol>"##,
    r##"<symbol id="i-copy" viewBox="0 0 16 16"><rect x="5.5" y="5.5" width="8" height="8" rx="1.3"/><path d="M10.5 5.5V3.8c0-.7-.6-1.3-1.3-1.3H3.8c-.7 0-1.3.6-1.3 1.3v5.4c0 .7.6 1.3 1.3 1.3h1.7"/></symbol>"##,
    r##"<symbol id="i-database" viewBox="0 0 16 16"><ellipse cx="8" cy="4" rx="5" ry="1.9"/><path d="M3 4v8c0 1 2.2 1.9 5 1.9s5-.9 5-1.9V4M3 8c0 1 2.2 1.9 5 1.9s5-.9 5-1.9"/></symbol>"##,
    r##"<symbol id="i-desktop" viewBox="0 0 16 16"><rect x="2.2" y="2.8" width="11.6" height="7.6" rx="1"/><path d="M8 10.4v2.8M5.4 13.2h5.2"/></symbol>"##,
    r##"<symbol id="i-down" viewBox="0 0 16 16"><path d="M8 3v9.5M4 8.8l4 4 4-4"/></symbol>"##,
    r##"<symbol id="i-download" viewBox="0 0 16 16"><path d="M8 2.5v7.6M4.8 7.2 8 10.4l3.2-3.2M2.8 13.3h10.4"/></symbol>"##,
    r##"<symbol id="i-eye" viewBox="0 0 16 16"><path d="M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8z"/><circle cx="8" cy="8" r="1.8"/></symbol>"##,
    r##"<symbol id="i-filter" viewBox="0 0 16 16"><path d="M2.5 4h11M4.5 8h7M6.5 12h3"/></symbol>"##,
    r##"<symbol id="i-flags" viewBox="0 0 16 16"><path d="M3.8 14V2.2M3.8 3h8.4l-2 3.2 2 3.2H3.8"/></symbol>"##,
    r##"<symbol id="i-key" viewBox="0 0 16 16"><circle cx="5" cy="11" r="2.5"/><path d="m6.8 9.2 6.2-6.2M10.6 5.4l2 2"/></symbol>"##,
    r##"<symbol id="i-laptop" viewBox="0 0 16 16"><rect x="3.2" y="3.2" width="9.6" height="6.8" rx="1"/><path d="M1.8 12.6h12.4"/></symbol>"##,
    r##"<symbol id="i-left" viewBox="0 0 16 16"><path d="m10 4-4 4 4 4"/></symbol>"##,
    r##"<symbol id="i-link" viewBox="0 0 16 16"><path d="M6.8 9.2a2.8 2.8 0 0 0 4 0l2-2a2.83 2.83 0 0 0-4-4l-.8.8M9.2 6.8a2.8 2.8 0 0 0-4 0l-2 2a2.83 2.83 0 0 0 4 4l.8-.8"/></symbol>"##,
    r##"<symbol id="i-lock" viewBox="0 0 16 16"><rect x="3.5" y="7" width="9" height="6.5" rx="1.2"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/></symbol>"##,
    r##"<symbol id="i-more" viewBox="0 0 16 16"><path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2"/></symbol>"##,
    r##"<symbol id="i-outbox" viewBox="0 0 16 16"><path d="M2.5 9.5v2.8c0 .7.5 1.2 1.2 1.2h8.6c.7 0 1.2-.5 1.2-1.2V9.5M8 10V2.8M5.2 5.4 8 2.6l2.8 2.8"/></symbol>"##,
    r##"<symbol id="i-pause" viewBox="0 0 16 16"><path d="M5.5 3.5v9M10.5 3.5v9"/></symbol>"##,
    r##"<symbol id="i-phone" viewBox="0 0 16 16"><rect x="4.7" y="2" width="6.6" height="12" rx="1.5"/><path d="M7.3 11.7h1.4"/></symbol>"##,
    r##"<symbol id="i-play" viewBox="0 0 16 16"><path d="M5 3.2v9.6L12.5 8z"/></symbol>"##,
    r##"<symbol id="i-plus" viewBox="0 0 16 16"><path d="M8 3v10M3 8h10"/></symbol>"##,
    r##"<symbol id="i-retry" viewBox="0 0 16 16"><path d="M13.2 8a5.2 5.2 0 1 1-1.6-3.7L13.2 6M13.2 2.8V6H10"/></symbol>"##,
    r##"<symbol id="i-right" viewBox="0 0 16 16"><path d="m6 4 4 4-4 4"/></symbol>"##,
    r##"<symbol id="i-search" viewBox="0 0 16 16"><circle cx="7" cy="7" r="4.2"/><path d="m10.2 10.2 3.3 3.3"/></symbol>"##,
    r##"<symbol id="i-stop" viewBox="0 0 16 16"><rect x="3.8" y="3.8" width="8.4" height="8.4" rx="1"/></symbol>"##,
    r##"<symbol id="i-tablet" viewBox="0 0 16 16"><rect x="2.8" y="2.2" width="10.4" height="11.6" rx="1.5"/><path d="M7 11.6h2"/></symbol>"##,
    r##"<symbol id="i-terminal" viewBox="0 0 16 16"><path d="m3 4.5 3.5 3.5L3 11.5M8.5 11.5H13"/></symbol>"##,
    r##"<symbol id="i-theme" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.5"/><path d="M8 2.5v11M8 5l3.6-1.2M8 8h5.4M8 11l3.6 1.2"/></symbol>"##,
    r##"<symbol id="i-up" viewBox="0 0 16 16"><path d="M8 13V3.5M4 7.2l4-4 4 4"/></symbol>"##,
    r##"<symbol id="i-users" viewBox="0 0 16 16"><circle cx="6" cy="5.5" r="2.3"/><path d="M1.8 13c.4-2.5 2.1-3.6 4.2-3.6s3.8 1.1 4.2 3.6M10.5 3.5a2.3 2.3 0 0 1 0 4.2M12 9.8c1.2.5 2 1.5 2.3 3.2"/></symbol>"##,
    r##"<symbol id="i-x" viewBox="0 0 16 16"><path d="m4 4 8 8M12 4l-8 8"/></symbol>"##,
    r##"<symbol id="i-merge" viewBox="0 0 16 16"><circle cx="4" cy="3.8" r="1.5"/><circle cx="4" cy="12.2" r="1.5"/><circle cx="12" cy="8" r="1.5"/><path d="M4 5.3v5.4M4 5.3C4 7 6 8 10.5 8"/></symbol>"##,
    r##"<symbol id="i-box" viewBox="0 0 16 16"><path d="M2.5 5.2 8 2.5l5.5 2.7v5.6L8 13.5l-5.5-2.7zM2.5 5.2 8 8l5.5-2.8M8 8v5.5"/></symbol>"##,
    r##"<symbol id="i-bolt" viewBox="0 0 16 16"><path d="M8.8 1.8 3.8 9h3.8l-.6 5.2 5-7.2H8.2z"/></symbol>"##,
    r##"<symbol id="i-patch" viewBox="0 0 16 16"><path d="m10.5 2.8 2.7 2.7-7.4 7.4-3.3.6.6-3.3z"/></symbol>"##,
    r##"<symbol id="i-skip" viewBox="0 0 16 16"><path d="M3.5 4v8l5.5-4zM12 4v8"/></symbol>"##,
    r##"<symbol id="i-trash" viewBox="0 0 16 16"><path d="M2.8 4.5h10.4M6 4.5V3c0-.4.3-.7.7-.7h2.6c.4 0 .7.3.7.7v1.5M4.2 4.5l.6 8.2c0 .5.4.8.9.8h4.6c.5 0 .9-.3.9-.8l.6-8.2"/></symbol>"##,
    r##"<symbol id="i-undo" viewBox="0 0 16 16"><path d="M5.5 3 2.8 5.7l2.7 2.7M3 5.7h6.2a3.8 3.8 0 1 1 0 7.6H6"/></symbol>"##,
);
