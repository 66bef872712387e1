//! The glyphs of states: a ring with a tide in it, and the shapes of trouble. 16 px; always beside a word.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Condition, Tone};

/// A shape. The first seven are the conditions; [`Sign::Check`] is the bare tick of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// Full ring with a tick.
    Converged,
    /// Half ring.
    CatchingUp,
    /// Open triangle.
    Stalling,
    /// Filled octagon with a bar.
    Stuck,
    /// Split ring.
    Diverged,
    /// Ring with a pause.
    Held,
    /// Dashed ring.
    Unknown,
    /// A tick alone.
    Check,
}

impl Sign {
    const fn shape(self) -> &'static str {
        match self {
            Self::Converged => r#"<circle class="fill" cx="8" cy="8" r="7"/><path class="cut" d="m4.9 8.3 2.2 2.2 4.1-4.6"/>"#,
            Self::CatchingUp => {
                r#"<circle cx="8" cy="8" r="6.25"/><path class="fill" d="M2.2 8.8c1.5-1.3 2.9-1.3 4.3-.2s2.9 1.1 4.3 0c1-.8 2-1 3-.6A5.9 5.9 0 0 1 2.2 8.8z"/>"#
            }
            Self::Stalling => {
                r#"<path d="M8 2 14.6 13.5H1.4z" stroke-linejoin="round"/><path d="M8 6.3v3.4M8 11.6v.2" stroke-linecap="round"/>"#
            }
            Self::Stuck => {
                r#"<path class="fill" d="M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2z"/><path class="cut" d="M4.8 8h6.4"/>"#
            }
            Self::Diverged => r#"<path class="fill" d="M7 1.1a7 7 0 0 0 0 13.8z"/><path d="M9.8 1.9a6.25 6.25 0 0 1 0 12.2z"/>"#,
            Self::Held => r#"<circle cx="8" cy="8" r="6.25"/><path d="M6.3 5.6v4.8M9.7 5.6v4.8" stroke-linecap="round"/>"#,
            Self::Unknown => r#"<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.2 2.2"/>"#,
            Self::Check => {
                r#"<path d="m2.8 8.4 3.4 3.4 7-7.6" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>"#
            }
        }
    }
}

impl From<Condition> for Sign {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Stuck => Self::Stuck,
            Condition::Diverged => Self::Diverged,
            Condition::Stalling => Self::Stalling,
            Condition::Held => Self::Held,
            Condition::Unknown => Self::Unknown,
            Condition::CatchingUp => Self::CatchingUp,
            Condition::Converged => Self::Converged,
        }
    }
}

/// The shape that stands for a tone where there is no condition: verdicts, timelines, panels.
impl From<Tone> for Sign {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Good => Self::Check,
            Tone::Watch => Self::Stalling,
            Tone::Act => Self::Stuck,
            Tone::Run => Self::CatchingUp,
            Tone::Idle => Self::Unknown,
        }
    }
}

/// A glyph in the tone of its surroundings.
#[component]
pub fn Glyph(
    /// Which; a [`Condition`] or a [`Tone`] will do.
    #[prop(into)]
    sign: Sign,
) -> impl IntoView {
    view! { <svg class="glyph" viewBox="0 0 16 16" aria-hidden="true" inner_html=sign.shape()></svg> }
}
